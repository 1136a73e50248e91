create or replace function schedule_check() returns trigger
language plpgsql
as $$
declare
    kind task_kind;
    found_text text;
    is_new boolean := tg_op = 'INSERT';
begin
    if not is_new and new.name is distinct from old.name then
        raise exception 'a schedule cannot be renamed'
            using errcode = '23514', column = 'name',
                  detail = format('Run history is filed under the name "%s".', old.name),
                  hint = format('Insert a new one, then: DELETE FROM schedule WHERE name = %L;', old.name);
    end if;
    if not is_new and new.task is distinct from old.task then
        raise exception 'the task of a schedule cannot be changed'
            using errcode = '23514', column = 'task',
                  detail = format('"%s" runs %s; its history and its options belong to that task.', old.name, old.task),
                  hint = 'Insert a new schedule for the other task and disable this one.';
    end if;

    select * into kind from task_kind where name = new.task;
    if is_new and (kind is null or kind.retired_at is not null) then
        raise exception 'no worker knows a task named "%"', coalesce(new.task, '')
            using errcode = '23514', column = 'task',
                  hint = 'Known tasks: ' || coalesce((select string_agg(name, ', ' order by name)
                                                        from task_kind where retired_at is null), 'none yet: run the migrate step');
    end if;

    perform schedule_check_timing(new);
    if new.every is not null and (is_new or new.every is distinct from old.every) then
        perform schedule_check_every(new.every, kind);
    end if;
    if new.cron is not null and (is_new or new.cron is distinct from old.cron) then
        perform schedule_check_cron(new.cron);
    end if;
    if is_new or new.timezone is distinct from old.timezone then
        perform schedule_check_timezone(new.timezone);
    end if;
    if new.calendar is not null and (is_new or new.calendar is distinct from old.calendar) then
        perform schedule_check_calendar(new.calendar);
    end if;
    if new.after is not null and (is_new or new.after is distinct from old.after) then
        perform schedule_check_after(new.name, new.after);
    end if;
    if is_new or new.options is distinct from old.options then
        perform options_check(new.task, new.options, kind.options_schema);
    end if;
    if new.queue is not null and (is_new or new.queue is distinct from old.queue) then
        select string_agg(distinct queue, ', ' order by queue) into found_text from task_kind;
        if not exists (select from task_kind where queue = new.queue) then
            raise exception 'no worker serves a queue named "%"', new.queue
                using errcode = '23514', column = 'queue', hint = 'Queues: ' || found_text;
        end if;
    end if;
    return new;
end
$$;

comment on function schedule_check() is
    'Trigger: refuses mistakes in the columns that changed, in words a person understands';

create trigger schedule_check
    before insert or update on schedule
    for each row execute function schedule_check();
