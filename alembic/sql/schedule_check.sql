create or replace function schedule_check() returns trigger
language plpgsql
as $$
declare
    kind task_kind;
    found_text text;
    is_new boolean := tg_op = 'INSERT';
    begins timestamptz;
    until timestamptz;
    given text;
    written text;
    longest integer;
begin
    if not is_new and new.name is distinct from old.name then
        raise exception 'a schedule cannot be renamed'
            using errcode = '23514', column = 'name',
                  detail = format('Run history is filed under the name "%s".', old.name),
                  hint = 'Insert a new one, then: ' || how_to(format('DELETE FROM schedule WHERE name = %L;', old.name), 'schedule remove ' || old.name);
    end if;
    if not is_new and new.task is distinct from old.task then
        raise exception 'the task of a schedule cannot be changed'
            using errcode = '23514', column = 'task',
                  detail = format('"%s" runs %s; its history and its options belong to that task.', old.name, old.task),
                  hint = 'Insert a new schedule for the other task and disable this one.';
    end if;
    if num_nulls(new.name, new.task, new.options, new.timezone, new.enabled, new.overlap, new.catch_up, new.catch_up_window,
                 new.calendar_hours) > 0 then
        select key into found_text from jsonb_each(to_jsonb(new))
         where value = 'null' and key in ('name', 'task', 'options', 'timezone', 'enabled', 'overlap', 'catch_up', 'catch_up_window', 'calendar_hours')
         limit 1;
        raise exception '% = null is not allowed', found_text
            using errcode = '23514', column = found_text,
                  hint = case found_text when 'name' then 'Write e.g. name = ''prices-nightly''.'
                                         when 'task' then 'Write e.g. task = ''tasks.prices.refresh''; all: SELECT name FROM task_kind;'
                                         else format('For its default: %s = DEFAULT.', found_text) end;
    end if;

    select * into kind from task_kind where name = new.task;
    if is_new and (kind is null or kind.retired_at is not null) then
        raise exception 'no worker knows a task named "%"', coalesce(new.task, '')
            using errcode = '23514', column = 'task',
                  hint = did_you_mean(new.task, (select array_agg(name) from task_kind where retired_at is null))
                         || 'Known tasks: ' || coalesce((select string_agg(name, ', ' order by name)
                                                        from task_kind where retired_at is null), 'none yet: run the migrate step');
    end if;

    if is_new or row(new.every, new.cron, new.at, new.after, new.starts_at, new.ends_at, new.paused_until, new.options,
                     new.jitter, new.timeout, new.expires, new.catch_up_window)
       is distinct from row(old.every, old.cron, old.at, old.after, old.starts_at, old.ends_at, old.paused_until, old.options,
                            old.jitter, old.timeout, old.expires, old.catch_up_window) then
        perform schedule_check_timing(new);
    end if;
    if is_new or row(new.overlap, new.catch_up, new.calendar_hours, new.priority, new.max_runs, new.pause_after_failures,
                     new.max_attempts, new.batch_size, new.max_in_flight, new.jitter, new.timeout, new.expires,
                     new.batch_delay, new.catch_up_window, new.alert_after, new.alert_on_partial)
       is distinct from row(old.overlap, old.catch_up, old.calendar_hours, old.priority, old.max_runs, old.pause_after_failures,
                            old.max_attempts, old.batch_size, old.max_in_flight, old.jitter, old.timeout, old.expires,
                            old.batch_delay, old.catch_up_window, old.alert_after, old.alert_on_partial) then
        perform schedule_check_values(new);
    end if;
    for given, written, longest in
        select * from (values ('title', new.title, 200), ('note', new.note, 2000), ('pause_reason', new.pause_reason, 2000)) texts
         where length(column2) > column3
    loop
        if is_new or written is distinct from to_jsonb(old) ->> given then
            raise exception '% "%…" has % characters', given, left(written, 30), length(written)
                using errcode = '23514', column = given, hint = format('At most %s characters.', longest);
        end if;
    end loop;
    if new.pause_reason is not null and new.paused_until is null and not is_new and new.pause_reason is distinct from old.pause_reason then
        raise exception 'pause_reason is set, but "%" is not paused', new.name
            using errcode = '23514', column = 'pause_reason',
                  hint = 'To pause it: ' || how_to(format('SELECT pause(%L, %L);', new.name, new.pause_reason),
                                                   format('schedule pause %s --note %L;', new.name, new.pause_reason))
                         || ' other remarks belong in note.';
    end if;
    if new.enabled and new.at < clock_timestamp() - interval '1 minute' and (is_new or new.at is distinct from old.at) then
        raise notice 'at = % has passed: "%" will not run.', new.at, new.name
            using hint = 'To run it now: ' || how_to(format('SELECT run_now(%L);', new.name), 'schedule run ' || new.name);
    end if;
    if new.enabled and new.at is not null
       and (is_new or row(new.at, new.starts_at, new.ends_at, new.calendar, new.calendar_hours)
                      is distinct from row(old.at, old.starts_at, old.ends_at, old.calendar, old.calendar_hours)) then
        found_text := case
            when new.at < new.starts_at then 'before starts_at'
            when new.at >= new.ends_at then 'not before ends_at'
            when exists (select from market_session where mic = new.calendar and session_date > new.at::date)
                 and due_times(new, new.at, new.at, new.at + interval '1 microsecond', 1) = '{}'
                then format('not in a trading %s of %s', new.calendar_hours, new.calendar) end;
        if found_text is not null then
            raise notice 'at = % is %: "%" will not run.', new.at, found_text, new.name;
        end if;
    end if;
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
    if new.enabled and new.calendar is not null and num_nonnulls(new.every, new.cron) = 1 and sun_event(new.cron) is null
       and (is_new or row(new.every, new.cron, new.timezone, new.calendar, new.calendar_hours, new.starts_at, new.ends_at, new.enabled)
                      is distinct from row(old.every, old.cron, old.timezone, old.calendar, old.calendar_hours, old.starts_at, old.ends_at,
                                           old.enabled)) then
        begins := greatest(clock_timestamp(), new.starts_at);
        select least(max(close_at), new.ends_at) into until from market_session where mic = new.calendar;
        if until > begins and due_times(new, coalesce(new.starts_at, begins), begins, until, 1) = '{}' then
            raise notice 'no due time of "%" until % is in a trading % of %: it will not run.',
                  new.name, until::date, new.calendar_hours, new.calendar
                using hint = 'Its trading days: ' || format('SELECT * FROM market_session WHERE mic = %L AND open_at > now() LIMIT 10;', new.calendar);
        end if;
    end if;
    if new.after is not null and (is_new or new.after is distinct from old.after) then
        perform schedule_check_after(new.name, new.after);
    end if;
    if is_new or new.options is distinct from old.options then
        perform options_check(new.task, new.options, kind.options_schema);
    end if;
    if new.queue is not null and (is_new or new.queue is distinct from old.queue) then
        select string_agg(name, ', ' order by name) into found_text
          from (select queue.name from queue union select task_kind.queue from task_kind) known;
        if not exists (select from task_kind where queue = new.queue) and not exists (select from queue where queue.name = new.queue) then
            raise exception 'no worker serves a queue named "%"', new.queue
                using errcode = '23514', column = 'queue',
                      hint = did_you_mean(new.queue, string_to_array(found_text, ', '))
                             || format('Queues: %s. If workers serve it: INSERT INTO queue VALUES (%L);', found_text, new.queue);
        end if;
    end if;
    return new;
end
$$;

comment on function schedule_check() is
    'Trigger: refuses mistakes in the columns that changed, with a hint';

create or replace trigger schedule_check
    before insert or update on schedule
    for each row execute function schedule_check();

create or replace function schedule_kept() returns trigger
language plpgsql
as $$
declare
    followers text;
begin
    select string_agg(name, ', ' order by name) into followers from schedule where after = old.name;
    if followers is not null then
        raise exception 'schedule "%" cannot be deleted: % runs after it', old.name, followers
            using errcode = '23503', column = 'after',
                  hint = 'Give the schedules that run after it another timing, or delete them first.';
    end if;
    return old;
end
$$;

comment on function schedule_kept() is 'Trigger: a schedule that others run after cannot be deleted';

-- Once the statement has deleted all of its rows, followers among them; by its name before the foreign key's.
create or replace trigger "0_schedule_kept"
    after delete on schedule
    for each row execute function schedule_kept();
