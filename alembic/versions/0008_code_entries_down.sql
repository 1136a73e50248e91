create or replace function cron_value(item text, field integer) returns integer
language plpgsql immutable
as $$
declare
    low integer[] := array[0, 0, 1, 1, 0];
    high integer[] := array[59, 23, 31, 12, 7];
    found integer;
begin
    if field = 4 and item ~ '^[a-z]{3}$' then
        return array_position(array['jan','feb','mar','apr','may','jun','jul','aug','sep','oct','nov','dec'], item);
    elsif field = 5 and item ~ '^[a-z]{3}$' then
        return array_position(array['sun','mon','tue','wed','thu','fri','sat'], item) - 1;
    elsif item !~ '^[0-9]{1,2}$' then
        return null;
    end if;
    found := item::integer;
    return case when found between low[field] and high[field] then found end;
end
$$;

comment on function cron_value(text, integer) is 'A number or name in field 1-5 of a cron text, or null when it does not belong there';

create or replace function cron_item_fits(item text, field integer) returns boolean
language plpgsql immutable
as $$
declare
    part text[] := regexp_match(item, '^(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?$');
    most integer[] := array[59, 23, 31, 12, 7];
    low integer;
    high integer;
begin
    if part is null or coalesce(part[3]::integer, 1) not between 1 and most[field] then
        return false;
    end if;
    if part[1] = '*' then
        return part[2] is null;
    end if;
    low := cron_value(part[1], field);
    if low is null or part[2] is null then
        return low is not null;
    end if;
    high := cron_value(part[2], field);
    return high is not null and low <= high;
end
$$;

comment on function cron_item_fits(text, integer) is 'Whether one item of a list fits field 1-5 of a cron text';

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
begin
    if length(cron) > 500 then
        message := 'cron is too long';
        hint := 'At most 500 characters.';
        return;
    end if;
    -- The empty text has one expression, the empty one; string_to_array would find none.
    -- Only ASCII letters are made lower-case: lower() depends on the database's locale.
    foreach one in array case when cron = '' then array[''] else string_to_array(cron, ';') end loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        fields := case when one = '' then '{}' else regexp_split_to_array(one, '[' || spaces || ']+') end;
        if cardinality(fields) = 1 and one = any (macros) then
            continue;
        end if;
        if cardinality(fields) = 1 and one like '@%' then
            message := format('cron "%s": there is no "%s"', one, one);
            hint := 'Short forms: ' || array_to_string(macros, ', ');
            return;
        end if;
        if cardinality(fields) <> 5 then
            message := format('cron "%s" has %s fields, needs 5', one, cardinality(fields));
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
        if fields[3] like '*%' or fields[5] like '*%' then
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

comment on function cron_problem(text) is
    'Why a cron text is wrong, with a hint; null when it is right (beat/time/cron.py decides the same)';

create or replace function cron_set(field text, number integer) returns integer[]
language sql immutable
as $$
    select array_agg(distinct value order by value)
      from unnest(string_to_array(field, ',')) item,
           regexp_match(item, '^(\*|[0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?(?:/([0-9]+))?$') part,
           lateral (select (array[0, 0, 1, 1, 0])[number] as least, (array[59, 23, 31, 12, 7])[number] as most) bound,
           lateral (select coalesce(cron_value(part[1], number), bound.least) as low,
                           case when part[1] = '*' then bound.most
                                else coalesce(cron_value(part[2], number), cron_value(part[1], number)) end as high) span,
           -- One value with a step means: from it to the end.
           generate_series(low, case when part[3] is not null and low = high then bound.most else high end,
                           coalesce(part[3]::integer, 1)) value
$$;

comment on function cron_set(text, integer) is 'The numbers in field 1-5 of a valid cron expression';

create or replace function zone_offset(at timestamptz, zone text) returns interval
language sql stable
as $$ select (at at time zone zone) - (at at time zone 'UTC') $$;

comment on function zone_offset(timestamptz, text) is 'Offset of a zone from UTC at an instant';

create or replace function zone_stretches(day date, zone text)
returns table (starts timestamptz, ends timestamptz, ahead interval)
language plpgsql stable
as $$
declare
    final timestamptz := day::timestamp at time zone 'UTC' + interval '40 hours';
    hour timestamptz := day::timestamp at time zone 'UTC' - interval '16 hours';
    low timestamptz;
    high timestamptz;
    middle timestamptz;
begin
    starts := hour;
    ahead := zone_offset(hour, zone);
    if ahead = zone_offset(hour - interval '10 hours', zone) and ahead = zone_offset(final + interval '12 hours', zone) then
        ends := final;
        return next;
        return;
    end if;
    while hour < final loop
        if zone_offset(hour + interval '1 hour', zone) <> ahead then
            low := hour;
            high := hour + interval '1 hour';
            while high - low > interval '1 second' loop
                middle := date_trunc('second', low + (high - low) / 2);
                if zone_offset(middle, zone) = ahead then
                    low := middle;
                else
                    high := middle;
                end if;
            end loop;
            ends := high;
            return next;
            starts := high;
            ahead := zone_offset(high, zone);
        end if;
        hour := hour + interval '1 hour';
    end loop;
    ends := final;
    return next;
end
$$;

comment on function zone_stretches(date, text) is
    'Spans between changes of a zone''s clocks that contain a local date';

create or replace function cron_day(day date, zone text, minutes integer[], fixed boolean) returns setof timestamptz
language plpgsql stable
as $$
declare
    midnight timestamptz := day::timestamp at time zone 'UTC';
    piece record;
    reached integer := 0;
    low integer;
    high integer;
begin
    for piece in select * from zone_stretches(day, zone) loop
        low := ceil(extract(epoch from piece.starts - (midnight - piece.ahead)) / 60);
        high := ceil(extract(epoch from piece.ends - (midnight - piece.ahead)) / 60);
        if fixed then
            -- What falls in the skipped time runs once, at its end; in the repeated time once.
            if exists (select from unnest(minutes) minute where minute >= reached and minute < low) then
                return next piece.starts;
            end if;
            low := greatest(low, reached);
            reached := greatest(reached, high);
        end if;
        return query select midnight - piece.ahead + minute * interval '1 minute'
                       from unnest(minutes) minute where minute >= low and minute < high;
    end loop;
end
$$;

comment on function cron_day(date, text, integer[], boolean) is
    'Instants of minutes of a local date, also when its clocks change (beat/time/cron.py finds the same)';

create or replace function cron_dues(cron text, zone text, first timestamptz, until timestamptz, most integer)
returns timestamptz[]
language plpgsql stable
as $$
declare
    macros jsonb := '{"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
                      "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"}';
    spaces text := E' \t\n\r\f\v';
    one text;
    f text[];
    expression jsonb;
    expressions jsonb[] := '{}';
    day date := (first at time zone zone)::date - 2;
    final date := least((until at time zone zone)::date + 2, day + 18300);
    days_more integer := 2;
    found timestamptz[] := '{}';
begin
    foreach one in array string_to_array(cron, ';') loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        f := regexp_split_to_array(coalesce(macros ->> one, one), '[' || spaces || ']+');
        expressions := expressions || jsonb_build_object(
            'minutes', (select array_agg(h * 60 + m order by h, m) from unnest(cron_set(f[1], 1)) m, unnest(cron_set(f[2], 2)) h),
            'days', cron_set(f[3], 3), 'months', cron_set(f[4], 4),
            'weekdays', (select array_agg(distinct d % 7) from unnest(cron_set(f[5], 5)) d),
            'both', f[3] like '*%' or f[5] like '*%',
            'fixed', not (f[1] like '*%' or f[2] like '*%'));
    end loop;
    while day <= final loop
        foreach expression in array expressions loop
            if expression -> 'months' @> to_jsonb(extract(month from day)::integer)
               and (case when (expression -> 'both')::boolean
                        then expression -> 'days' @> to_jsonb(extract(day from day)::integer)
                             and expression -> 'weekdays' @> to_jsonb(extract(dow from day)::integer)
                        else expression -> 'days' @> to_jsonb(extract(day from day)::integer)
                             or expression -> 'weekdays' @> to_jsonb(extract(dow from day)::integer) end) then
                found := found || array(
                    select due from cron_day(day, zone, array(select jsonb_array_elements_text(expression -> 'minutes')::integer),
                                             (expression -> 'fixed')::boolean) due
                     where due >= first and due < until);
            end if;
        end loop;
        -- Two days more: where clocks are changed at midnight, dates overlap.
        days_more := case when cardinality(found) < most then 2 else days_more - 1 end;
        exit when days_more < 0;
        day := day + 1;
    end loop;
    return array(select distinct due from unnest(found) due order by due limit most);
end
$$;

comment on function cron_dues(text, text, timestamptz, timestamptz, integer) is
    'Due times of a cron text from first to before until, at most so many (beat/time/cron.py finds the same)';

create or replace function cron_words(cron text, timezone text) returns text
language plpgsql immutable
as $$
declare
    spaces text := E' \t\n\r\f\v';
    named jsonb := '{"*": "daily", "1-5": "weekdays", "mon-fri": "weekdays", "0,6": "weekends", "6,0": "weekends",
                     "6-7": "weekends", "sat,sun": "weekends", "0": "Sundays", "1": "Mondays", "2": "Tuesdays",
                     "3": "Wednesdays", "4": "Thursdays", "5": "Fridays", "6": "Saturdays", "7": "Sundays"}';
    city text := replace(substring(timezone from '[^/]*$'), '_', ' ');
    said text[] := '{}';
    one text;
    f text[];
    words text;
    days text;
begin
    foreach one in array string_to_array(cron, ';') loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        one := case one when '@hourly' then '0 * * * *' when '@daily' then '0 0 * * *' when '@midnight' then '0 0 * * *'
                        when '@weekly' then '0 0 * * 0' when '@monthly' then '0 0 1 * *' else one end;
        f := regexp_split_to_array(one, '[' || spaces || ']+');
        words := null;
        if cardinality(f) = 5 and f[1] ~ '^([0-9]{1,2}|\*|\*/[0-9]{1,2})$' then
            if f[2:5] = array['*', '*', '*', '*'] then
                words := case
                    when f[1] in ('*', '*/1', '*/01') then 'every minute'
                    when f[1] like '*/%' and 60 % greatest(substring(f[1] from 3)::integer, 1) = 0
                        then 'every ' || substring(f[1] from 3)::integer || ' minutes'
                    when f[1] like '*/%' then 'every ' || substring(f[1] from 3)::integer || ' minutes of each hour'
                    when f[1]::integer = 0 then 'every hour'
                    else 'every hour at :' || lpad(f[1], 2, '0') || ' ' || city end;
            elsif f[1] not like '*%' and f[2] ~ '^[0-9]{1,2}$' and f[4] = '*' then
                days := case when f[3] = '*' then named ->> f[5]
                             when f[5] = '*' and f[3] ~ '^[0-9]{1,2}$' then 'day ' || f[3]::integer || ' of the month' end;
                words := days || ' at ' || lpad(f[2], 2, '0') || ':' || lpad(f[1], 2, '0') || ' ' || city;
            end if;
        end if;
        said := said || coalesce(words, 'cron ' || one || ' ' || city);
    end loop;
    return array_to_string(said, '; ');
end
$$;

comment on function cron_words(text, text) is
    'A cron text in words: "weekdays at 00:00 New York"; what is out of the ordinary stays as it is written';

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
                  hint = format('To pause it: SELECT pause(%L, %L); other remarks belong in note.', new.name, new.pause_reason);
    end if;
    if new.enabled and new.at < clock_timestamp() - interval '1 minute' and (is_new or new.at is distinct from old.at) then
        raise notice 'at = % has passed: "%" will not run.', new.at, new.name
            using hint = format('To run it now: SELECT run_now(%L);', new.name);
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

create or replace trigger schedule_kept
    before delete on schedule
    for each row execute function schedule_kept();

drop table queue;
drop table beat_entry;
