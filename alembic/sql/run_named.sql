create or replace function run_named(wanted text) returns uuid
language plpgsql stable
as $$
declare
    digits text := replace(lower(btrim(wanted)), '-', '');
    found uuid[];
begin
    -- A schedule's name stands for its last run.
    select array[r.id] into found from run r
     where r.schedule = btrim(wanted) and r.state not in ('skipped', 'missed') order by r.created_at desc limit 1;
    if found is null and digits ~ '^[0-9a-f]{4,32}$' then
        select array_agg(id) into found from (
            select r.id from run r
             where r.id between rpad(digits, 32, '0')::uuid and rpad(digits, 32, 'f')::uuid limit 5) begun;
    end if;
    if cardinality(found) = 1 then
        return found[1];
    elsif cardinality(found) > 1 then
        raise exception 'several runs begin with %', wanted
            using errcode = 'P0002', hint = 'Write more characters: ' || array_to_string(found, ', ');
    elsif exists (select from schedule where name = btrim(wanted)) then
        raise exception 'schedule "%" has not run yet', btrim(wanted)
            using errcode = 'P0002',
                  hint = format('To run it now: %s', how_to(format('SELECT run_now(%L);', btrim(wanted)), 'schedule run ' || btrim(wanted)));
    end if;
    raise exception 'no run "%"', wanted
        using errcode = 'P0002',
              hint = did_you_mean(wanted, (select array_agg(name) from schedule))
                     || 'A run is named by the first 8 characters of its id, or by its schedule for the last one: '
                     || how_to('SELECT id, name FROM recent_runs LIMIT 10;', 'schedule runs');
end
$$;

comment on function run_named(text) is
    'The run with that id, or whose id begins so, or the last one of that schedule; else an error that says how to find it';

create or replace function run_words(run_id uuid) returns text
language sql stable
as $$ select 'run ' || short_id(run_id) || coalesce(' of ' || (select coalesce(schedule, task) from run where id = run_id), '') $$;

comment on function run_words(uuid) is 'A run as sentences name it: "run 3f2a9c1b of discovery"';
