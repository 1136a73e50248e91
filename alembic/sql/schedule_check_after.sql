create or replace function schedule_check_after(follower text, leader text) returns void
language plpgsql stable
as $$
declare
    chain text;
begin
    if not exists (select from schedule where name = leader) and leader <> follower then
        raise exception 'no schedule named "%" to run after', leader
            using errcode = '23514', column = 'after',
                  hint = 'Schedules: ' || coalesce((select string_agg(name, ', ' order by name)
                                                      from (select name from schedule order by name <-> leader limit 10) s), 'none yet');
    end if;
    with recursive before(name, path) as (
        select leader, array[follower, leader]
        union all
        select s.after, path || s.after from before join schedule s on s.name = before.name
         where s.after is not null and before.name <> follower and cardinality(path) < 100
    )
    select array_to_string(path, ' after ') into chain from before where name = follower limit 1;
    if chain is not null then
        raise exception 'schedules would wait for each other in a circle: %', chain
            using errcode = '23514', column = 'after',
                  hint = 'Give one of them every or cron instead.';
    end if;
end
$$;

comment on function schedule_check_after(text, text) is 'Refuses to run after an unknown schedule, after itself, or in a circle';
