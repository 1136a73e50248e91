create or replace function schedule_named(wanted text) returns schedule
language plpgsql stable
as $$
declare
    found schedule;
begin
    select * into found from schedule where name = wanted;
    if found.name is null then
        raise exception 'no schedule named "%"', wanted
            using errcode = 'P0002',
                  hint = 'Schedules: ' || coalesce((select string_agg(name, ', ' order by name) from (
                      select name from schedule order by name <-> wanted limit 12) near), 'none yet');
    end if;
    return found;
end
$$;
comment on function schedule_named(text) is 'The schedule of that name, or an error that lists the names';

create or replace function run_now(schedule_name text, reason text default null, with_options jsonb default null)
returns run_request language plpgsql
as $$
declare
    asked run_request;
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('run_request', 'insert into');
    if with_options is not null then
        perform options_check(kept.task, kept.options || with_options,
                              (select options_schema from task_kind where name = kept.task));
    end if;
    insert into run_request (action, schedule, options, note) values ('run', kept.name, with_options, reason)
    returning * into asked;
    return asked;
end
$$;
comment on function run_now(text, text, jsonb) is 'Run a schedule now: SELECT run_now(''prices-nightly'', ''why'');';

create or replace function pause(schedule_name text, why text default null, until timestamptz default 'infinity')
returns schedule language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('schedule', 'change');
    if until is null or until <= clock_timestamp() then
        raise exception 'a pause must end in the future, not at %', coalesce(until::text, 'null')
            using errcode = '23514', column = 'paused_until',
                  hint = format('SELECT pause(%L, ''why'', now() + interval ''2 hours''); without an end: SELECT pause(%L, ''why'');', kept.name, kept.name);
    end if;
    -- A pause that is made longer keeps its reason.
    update schedule
       set paused_until = until,
           pause_reason = coalesce(why, case when paused_until > clock_timestamp() then pause_reason end)
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return kept;
end
$$;
comment on function pause(text, text, timestamptz) is 'Pause a schedule: SELECT pause(''prices-nightly'', ''why'', now() + interval ''2 hours'');';

create or replace function resume(schedule_name text) returns schedule language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('schedule', 'change');
    -- Clears an automatic pause too: beat plans anew whatever was edited.
    update schedule set paused_until = case when paused_until is null then clock_timestamp() end, pause_reason = null
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return kept;
end
$$;
comment on function resume(text) is 'End a pause, also an automatic one; plans from now on, without a backlog';

create or replace function schedule_says_disabled(s schedule) returns void language plpgsql
as $$
begin
    if not s.enabled then
        raise notice '"%" is disabled and does not run%', s.name, coalesce(': ' || s.note, '')
            using hint = format('To enable it: UPDATE schedule SET enabled = true WHERE name = %L;', s.name);
    elsif (select paused from pause_switch) then
        raise notice 'everything is paused, and "%" with it', s.name using hint = 'To end that: SELECT resume_all();';
    end if;
end
$$;
comment on function schedule_says_disabled(schedule) is 'Notice to whoever pauses or resumes a schedule that is disabled';

create or replace function stop_run(run uuid, reason text default null) returns run_request language plpgsql
as $$
declare
    asked run_request;
begin
    perform require_operator('run_request', 'insert into');
    if not exists (select from run r where r.id = stop_run.run) then
        raise exception 'no run with id %', run
            using errcode = 'P0002', hint = 'SELECT id, schedule FROM running_now;';
    end if;
    insert into run_request (action, run_id, note) values ('stop', run, reason) returning * into asked;
    return asked;
end
$$;
comment on function stop_run(uuid, text) is 'Stop a run: waiting batches end at once, running ones at their next call';

create or replace function retry_run(run uuid, reason text default null) returns run_request language plpgsql
as $$
declare
    asked run_request;
begin
    perform require_operator('run_request', 'insert into');
    if not exists (select from run r where r.id = retry_run.run) then
        raise exception 'no run with id %', run
            using errcode = 'P0002', hint = 'SELECT id, name FROM recent_failures LIMIT 10;';
    end if;
    insert into run_request (action, run_id, note) values ('retry', run, reason) returning * into asked;
    return asked;
end
$$;
comment on function retry_run(uuid, text) is 'Run a run again with the same options';


create or replace function pause_all(why text default null) returns pause_switch language sql
as $$
    select require_operator('pause_switch', 'change');
    update pause_switch set paused = true, note = coalesce(why, case when paused then note end) returning *
$$;
comment on function pause_all(text) is 'Pause everything with one switch; pauses of single schedules stay';

create or replace function resume_all() returns pause_switch language sql
as $$
    select require_operator('pause_switch', 'change');
    update pause_switch set paused = false, note = null returning *
$$;
comment on function resume_all() is 'Undo pause_all; plans from now on, without a backlog';
