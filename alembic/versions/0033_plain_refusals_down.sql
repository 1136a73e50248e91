create or replace function duration_words(length interval) returns text
language sql immutable
as $$
    select case
        when length is null then null
        when s = 0 then '0 seconds'
        else array_to_string(array_remove(array[
            case when d > 0 then d || case d when 1 then ' day' else ' days' end end,
            case when h > 0 then h || case h when 1 then ' hour' else ' hours' end end,
            case when m > 0 then m || case m when 1 then ' minute' else ' minutes' end end,
            case when r > 0 then trim_scale(r) || case r when 1 then ' second' else ' seconds' end end], null), ' ')
        end
      from (select extract(epoch from length) s) total,
           lateral (select floor(s / 86400)::bigint d, (floor(s / 3600)::bigint % 24) h,
                           (floor(s / 60)::bigint % 60) m, round(s % 60, 3) r) parts
$$;

create or replace function cron_problem(cron text, out message text, out hint text)
language plpgsql immutable
as $$
declare
    longest integer[] := array[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    macros text[] := array['@hourly','@daily','@midnight','@weekly','@monthly','@yearly','@annually'];
    names text[] := array['minute', 'hour', 'day', 'month', 'weekday'];
    ranges text[] := array['0-59', '0-23', '1-31', '1-12', '0-7'];
    spaces text := E' \t\n\r\f\v';
    one text;
    fields text[];
    first_day integer;
    meet boolean;
    event text := sun_event(cron);
    place text[];
begin
    if length(cron) > 500 then
        message := 'cron is too long';
        hint := 'At most 500 characters.';
        return;
    end if;
    if event is not null then
        one := btrim(translate(cron, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        place := regexp_match(substr(one, length(event) + 2), '^[' || spaces || ']+(-?[0-9]{1,2}(?:\.[0-9]{1,9})?)['
                                                              || spaces || ']+(-?[0-9]{1,3}(?:\.[0-9]{1,9})?)$');
        if place is null or abs(place[1]::numeric) > 90 or abs(place[2]::numeric) > 180 then
            message := format('cron "%s": @%s needs a latitude and a longitude, and nothing else', one, event);
            hint := format('Degrees north and east, from -90 to 90 and -180 to 180, e.g. ''@%s 52.52 13.4''.', event);
        end if;
        return;
    end if;
    -- The empty text has one expression, the empty one; string_to_array would find none.
    -- Only ASCII letters are made lower-case: lower() depends on the database's locale.
    foreach one in array case when cron = '' then array[''] else string_to_array(cron, ';') end loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        fields := case when one = '' then '{}' else regexp_split_to_array(one, '[' || spaces || ']+') end;
        -- With "and" before the weekday both day and weekday must match, as in Celery's crontab.
        meet := cardinality(fields) = 6 and fields[5] = 'and';
        if meet then
            fields := fields[1:4] || fields[6];
        end if;
        if cardinality(fields) = 1 and one = any (macros) then
            continue;
        end if;
        if cardinality(fields) = 1 and one like '@%' then
            message := format('cron "%s": there is no "%s"', one, one);
            hint := 'Short forms: ' || array_to_string(macros, ', ');
            return;
        end if;
        if cardinality(fields) <> 5 then
            message := format('cron "%s" has %s, needs 5', one, count_words(cardinality(fields), 'field'));
            hint := 'minute hour day month weekday, e.g. ''30 17 * * 1-5'' = 17:30 on weekdays.';
            return;
        end if;
        for number in 1..5 loop
            if not (select bool_and(cron_item_fits(item, number))
                      from unnest(string_to_array(fields[number], ',')) item) then
                message := format('cron "%s": bad %s field "%s"', one, names[number], fields[number]);
                hint := format('%s must be *, a number %s, a range a-b, a list a,b or a step */n.',
                               names[number], ranges[number]);
                return;
            end if;
        end loop;
        -- A first day that no month of the list has (31 February) would never come.  It matters only
        -- when day and weekday must both match.
        if meet or fields[3] like '*%' or fields[5] like '*%' then
            select min(cron_value(substring(item from '^[0-9]+'), 3)) into first_day
              from unnest(string_to_array(fields[3], ',')) item
             where item not like '*%';
            if fields[3] !~ '(^|,)\*' and not exists (
                select from unnest(string_to_array(fields[4], ',')) item,
                            regexp_match(item, '^(\*|[0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?(?:/([0-9]+))?$') part,
                            generate_series(coalesce(cron_value(part[1], 4), 1),
                                            case when part[2] is not null then cron_value(part[2], 4)
                                                 when part[1] = '*' or part[3] is not null then 12
                                                 else cron_value(part[1], 4) end,
                                            coalesce(part[3]::integer, 1)) month
                 where longest[month] >= first_day) then
                message := format('cron "%s" would never run: no such date', one);
                hint := 'April, June, September and November have 30 days, February at most 29.';
                return;
            end if;
        end if;
    end loop;
end
$$;

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
                  hint = 'Insert a new one, then: ' || how_to(format('DELETE FROM schedule WHERE name = %L;', old.name), 'schedule remove ' || old.name);
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

create or replace function schedule_check_values(new schedule) returns void
language plpgsql stable
as $$
declare
    name text;
    number integer;
    length interval;
begin
    if new.name !~ '^[a-z0-9]+(-[a-z0-9]+)*$' or length(new.name) > 100 then
        raise exception 'name "%" is not made of lower-case words and digits joined by hyphens', left(new.name, 100)
            using errcode = '23514', column = 'name',
                  hint = format('Write e.g. %L.', coalesce(nullif(btrim(regexp_replace(lower(left(new.name, 100)), '[^a-z0-9]+', '-', 'g'), '-'), ''), 'prices-nightly'));
    end if;
    perform schedule_check_word('overlap', new.overlap, array['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all']);
    perform schedule_check_word('catch_up', new.catch_up, array['latest', 'all', 'none']);
    perform schedule_check_word('calendar_hours', new.calendar_hours, array['day', 'session']);
    if new.priority not between 0 and 9 then
        raise exception 'priority = % is not allowed', new.priority
            using errcode = '23514', column = 'priority', hint = 'It must be a whole number from 0 to 9; 9 goes first.';
    end if;
    if new.alert_after is null or new.alert_after < 1 then
        raise exception 'alert_after = % is not allowed', coalesce(new.alert_after::text, 'null')
            using errcode = '23514', column = 'alert_after',
                  hint = 'It must be 1 or more: 1 reports the first failed run, 3 the third in a row.';
    elsif not (new.alert_on_partial > 0 and new.alert_on_partial <= 1) then
        raise exception 'alert_on_partial = % is not allowed', new.alert_on_partial
            using errcode = '23514', column = 'alert_on_partial',
                  hint = 'It is a share of failed items, more than 0 and at most 1: 0.5 is half of them; NULL: partial runs are not reported.';
    end if;
    if least(new.max_runs, new.pause_after_failures, new.max_attempts, new.batch_size, new.max_in_flight) < 1 then
        select * into name, number
          from (values ('max_runs', new.max_runs), ('pause_after_failures', new.pause_after_failures),
                       ('max_attempts', new.max_attempts), ('batch_size', new.batch_size),
                       ('max_in_flight', new.max_in_flight)) given(column1, column2) where column2 < 1;
        raise exception '% = % is not allowed', name, number
            using errcode = '23514', column = name, hint = 'It must be 1 or more; NULL means: no such limit.';
    end if;
    if num_nonnulls(new.jitter, new.timeout, new.expires, new.batch_delay) > 0 or new.catch_up_window <> interval '1 day' then
        for name, length in select * from (values ('jitter', new.jitter), ('timeout', new.timeout), ('expires', new.expires),
                                                  ('batch_delay', new.batch_delay), ('catch_up_window', new.catch_up_window)) given loop
            if extract(year from length) <> 0 or extract(month from length) <> 0 then
                raise exception '% = % has months or years, which have no fixed length', name, length
                    using errcode = '23514', column = name, hint = format('Write days, e.g. %s = ''30 days''.', name);
            elsif length < interval '0' or length = interval '0' and name in ('timeout', 'expires') then
                raise exception '% = % is not a length of time', name, length
                    using errcode = '23514', column = name, hint = format('Write e.g. %s = ''15 minutes''.', name);
            end if;
        end loop;
    end if;
end
$$;

create or replace function backfill_check(s schedule, first timestamptz, last timestamptz, overlap text) returns void
language plpgsql stable
as $$
declare
    known date := (select min(session_date) from market_session where mic = s.calendar);
    number integer;
begin
    if s.every is null and (s.cron is null or sun_event(s.cron) is not null) then
        raise exception 'schedule "%" has no due times to backfill', s.name
            using errcode = '23514', hint = case when s.cron is null then 'Only schedules with every or cron can be backfilled; '
                                                 else 'Past due times by the sun are not known; ' end || 'to run it once: '
                         || how_to(format('SELECT run_now(%L);', s.name), 'schedule run ' || s.name);
    elsif not isfinite(first) or not isfinite(last) or last < first then
        raise exception 'a backfill must end after it starts, not from % to %', first, last
            using errcode = '23514', column = 'backfill_until', hint = 'Both ends are included.';
    elsif overlap not in ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all') then
        raise exception 'there is no overlap policy "%"', overlap
            using errcode = '23514', column = 'overlap',
                  hint = did_you_mean(overlap, array['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all'])
                         || 'One of skip, buffer_one, buffer_all, cancel_other, allow_all.';
    elsif s.calendar is not null and (known is null or first < known) then
        raise exception 'trading days of % are known %', s.calendar,
                        coalesce('from ' || known || ' on, not at ' || to_char(first, 'YYYY-MM-DD'), 'not at all yet')
            using errcode = '23514', column = 'backfill_from',
                  hint = coalesce(format('Begin at %s or later.', known), 'Run the task tasks.upkeep.sessions first.');
    end if;
    number := cardinality(backfill_dues(s, first, last));
    if number = 0 then
        raise exception 'schedule "%" has no due time from % to %', s.name, first, last
            using errcode = '23514', column = 'backfill_from',
                  hint = format('It runs %s. Both ends are included.', schedule_words(s));
    elsif number > 10000 then
        raise exception 'a backfill of more than 10000 runs is refused'
            using errcode = '23514', column = 'backfill_until', hint = 'Request shorter ranges, one after the other.';
    end if;
end
$$;

create or replace function run_request_check() returns trigger
language plpgsql
as $$
declare
    asked schedule;
begin
    if guarded_role(tg_relid) is not null then
        -- Who asked, and the answer, are not for people to write.
        new.requested_by := actor();
        new.program := current_setting('application_name');
        new.requested_at := clock_timestamp();
        new.answered_at := null;
        new.answer := null;
        new.answer_run_id := null;
        new.next_due_at := null;
    end if;
    -- The run that comes of it is known by its id before beat has answered.
    new.new_run_id := case when new.action in ('run', 'retry') then gen_random_uuid() end;
    if new.schedule is not null then
        asked := schedule_named(new.schedule);
        if new.options is not null then
            perform options_check(asked.task, asked.options || new.options,
                                  (select options_schema from task_kind where name = asked.task));
        end if;
        if new.action = 'backfill' and new.backfill_from is not null and new.backfill_until is not null then
            perform backfill_check(asked, new.backfill_from, new.backfill_until, coalesce(new.overlap, 'buffer_all'));
        end if;
    elsif new.run_id is not null and not exists (select from run where id = new.run_id) then
        raise exception 'no run with id %', new.run_id
            using errcode = 'P0002', hint = 'The last runs: ' || how_to('SELECT id, name FROM recent_runs LIMIT 10;', 'schedule runs');
    end if;
    return new;
end
$$;

create or replace function backfill(
    schedule_name text, first timestamptz, last timestamptz, overlap text default 'buffer_all',
    dry_run boolean default false, reason text default null)
returns table (request_id bigint, runs integer, first_due_at timestamptz, last_due_at timestamptz, items bigint, calls bigint,
               upstream text, quota_left bigint, takes text)
language plpgsql
as $$
declare
    s schedule := schedule_named(schedule_name);
    dues timestamptz[];
    per_run record;
    waits interval;
    now_ constant timestamptz := clock_timestamp();
begin
    perform require_operator('run_request', 'insert into');
    perform backfill_check(s, first, last, overlap);
    dues := backfill_dues(s, first, last);
    runs := cardinality(dues);
    first_due_at := dues[1];
    last_due_at := dues[runs];
    select k.upstream into upstream from task_kind k where k.name = s.task;
    -- What its last runs took is what these will take, as far as anybody can know.
    select avg(r.total) as items, avg(c.calls) as calls, avg(r.finished_at - r.started_at) as length into per_run
      from (select id, total, created_at, finished_at, started_at from run
             where run.schedule = s.name and state in ('succeeded', 'partial') order by created_at desc limit 20) r,
           lateral (select count(*) as calls from permit p where p.run_id = r.id and p.granted_at >= r.created_at) c;
    items := ceil(per_run.items * runs);
    calls := ceil(per_run.calls * runs);
    select (array_agg(q.calls - used.calls order by q.per desc))[1], max(ceil((backfill.calls - (q.calls - used.calls)) / q.calls::float8) * q.per)
      into quota_left, waits
      from quota q, lateral window_start(q.per, q.timezone, now_) as begins,
           lateral window_calls(q.upstream, begins) used
     where q.upstream = backfill.upstream;
    -- Runs that wait for each other, or calls that wait for their quota, whichever is longer.
    takes := duration_words(date_trunc('second', greatest(
        waits, case when overlap <> 'allow_all' then per_run.length * runs else per_run.length end)));
    if not dry_run then
        insert into run_request (action, schedule, backfill_from, backfill_until, overlap, note)
        values ('backfill', s.name, first, last, backfill.overlap, reason) returning id into request_id;
    end if;
    return next;
end
$$;

create or replace function request_run(schedule_name text, reason text default null, with_options jsonb default null)
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
