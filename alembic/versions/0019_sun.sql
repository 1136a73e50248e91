create or replace function sun_event(cron text) returns text
language sql immutable
as $$
    select name[1]
      from regexp_match(btrim(translate(cron, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), E' \t\n\r\f\v'),
                        '^@([a-z_]+)') name
     where name[1] in ('dawn_astronomical', 'dawn_nautical', 'dawn_civil', 'sunrise', 'solar_noon', 'sunset',
                       'dusk_civil', 'dusk_nautical', 'dusk_astronomical')
$$;

comment on function sun_event(text) is
    'The event of the sun that a cron text names, or null: "sunset" of "@sunset 52.52 13.4" (beat/time/sun.py)';

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

comment on function cron_problem(text) is
    'Why a cron text is wrong, with a hint; null when it is right (beat/time/cron.py decides the same)';

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
    event text := sun_event(cron);
begin
    if event is not null then
        f := regexp_split_to_array(btrim(cron, spaces), '[' || spaces || ']+');
        return format('at %s, %s %s %s %s',
            replace(regexp_replace(event, '^(dawn|dusk)_(.*)$', '\2 \1'), '_', ' '),
            ltrim(f[2], '-'), case when f[2] like '-%' then 'south' else 'north' end,
            ltrim(f[3], '-'), case when f[3] like '-%' then 'west' else 'east' end);
    end if;
    foreach one in array string_to_array(cron, ';') loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        one := case one when '@hourly' then '0 * * * *' when '@daily' then '0 0 * * *' when '@midnight' then '0 0 * * *'
                        when '@weekly' then '0 0 * * 0' when '@monthly' then '0 0 1 * *' else one end;
        f := regexp_split_to_array(one, '[' || spaces || ']+');
        words := null;
        if cardinality(f) = 6 then
            words := 'cron ' || one || ' ' || city || ' (day of the month and weekday must both match)';
            days := named ->> f[6];
            if f[1] ~ '^[0-9]{1,2}$' and f[2] ~ '^[0-9]{1,2}$' and f[4] = '*' and days like '%s' and f[3] ~ '^[0-9,-]+$' then
                words := days || ' on day ' || f[3] || ' of the month at ' || lpad(f[2], 2, '0') || ':' || lpad(f[1], 2, '0') || ' ' || city;
            end if;
        end if;
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

create or replace function plain_dues(s schedule, anchor timestamptz, first timestamptz, until timestamptz, most integer)
returns timestamptz[]
language plpgsql stable
as $$
declare
    -- Whole microseconds: an interval of a day would follow the clocks of the session's zone.
    grid numeric := extract(epoch from s.every) * 1000000;
    passed numeric := extract(epoch from first - anchor) * 1000000;
begin
    if s.every is not null then
        passed := greatest(0, div(passed + grid - 1, grid));
        return array(select due from generate_series(passed, passed + most - 1) k,
                                     lateral (select anchor + interval '1 microsecond' * (k * grid)::float8 as due) one
                      where due < until);
    elsif sun_event(s.cron) is not null then
        -- Only beat computes where the sun is.
        return '{}';
    elsif s.cron is not null then
        return cron_dues(s.cron, s.timezone, first, until, most);
    elsif s.at >= first and s.at < until then
        return array[s.at];
    end if;
    return '{}';
end
$$;

comment on function plain_dues(schedule, timestamptz, timestamptz, timestamptz, integer) is
    'Due times from first to before until, without regard to calendar, start and end';

create or replace function next_runs(schedule_name text, n integer default 5)
returns table (due_at timestamptz, local text, ahead text)
language plpgsql stable
as $$
declare
    s schedule := schedule_named(schedule_name);
    st schedule_state;
    now_ timestamptz := clock_timestamp();
    anchor timestamptz;
    begins timestamptz;
    for_good boolean := coalesce(s.paused_until = 'infinity', false) or (select paused from pause_switch);
begin
    if n < 1 or n > 1000 then
        raise exception 'next_runs shows 1 to 1000 due times, not %', n using errcode = '22023';
    end if;
    select * into st from schedule_state where schedule_state.schedule = s.name;
    n := least(n, coalesce(s.max_runs - coalesce(st.runs_counted, 0), n));
    if not s.enabled or s.after is not null or for_good or n < 1 then
        return;
    end if;
    if st.planned_revision = s.revision then
        -- As beat has planned it; nothing while it has paused itself or set the row aside.
        if st.next_run_at is null then
            return;
        end if;
        anchor := st.anchor_at;
        begins := st.next_run_at;
    else
        -- As beat will plan it in a moment (beat/tick/plan.py).
        anchor := coalesce(s.starts_at, st.last_due_at, st.anchor_at, now_);
        begins := greatest(now_, s.paused_until);
        if s.at is not null and st.last_due_at is distinct from s.at then
            begins := begins - interval '60 seconds' + interval '1 microsecond';
        elsif st.planned_revision is not null or st.last_due_at is not null then
            begins := begins + interval '1 microsecond';
        end if;
        begins := greatest(begins, s.starts_at);
    end if;
    return query
        select due, to_char(due at time zone s.timezone, 'Dy YYYY-MM-DD HH24:MI:SS') || ' ' || s.timezone, in_words(due)
          from unnest(case when sun_event(s.cron) is null then due_times(s, anchor, begins, 'infinity', n)
                           when st.planned_revision = s.revision then array[st.next_run_at] end) due;
end
$$;

comment on function next_runs(text, integer) is
    'When a schedule runs next, as it stands now; by the sun only the first is known: SELECT * FROM next_runs(''prices-nightly'', 5);';

create or replace function backfill_check(s schedule, first timestamptz, last timestamptz, overlap text) returns void
language plpgsql stable
as $$
declare
    known date := (select min(session_date) from market_session where mic = s.calendar);
    number integer;
begin
    if s.every is null and (s.cron is null or sun_event(s.cron) is not null) then
        raise exception 'schedule "%" has no due times to backfill', s.name
            using errcode = '23514', hint = case when s.cron is null then 'Only every and cron have them; '
                                                 else 'Where the sun was is not known here; ' end || 'to run it once: '
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

comment on function backfill_check(schedule, timestamptz, timestamptz, text) is
    'Refuses a backfill without due times, with too many, or before the known trading days';

comment on column schedule.cron is 'minute hour day month weekday, in its timezone; several with '';''; or ''@sunset 52.52 13.4''';
