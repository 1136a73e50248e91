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
    usual constant text := '^(\*(/([1-9]|[1-5][0-9]))?|[0-5]?[0-9](,[0-5]?[0-9])*) '
                           '(\*(/([1-9]|1[0-9]|2[0-3]))?|([01]?[0-9]|2[0-3])(,([01]?[0-9]|2[0-3]))*) '
                           '(\*|0?[1-9]|1[0-9]|2[0-8]) \* (\*|[0-7](,[0-7])*|[01]-[1-7])$';
    longest integer[] := array[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    macros text[] := array['@hourly','@daily','@midnight','@weekly','@monthly','@yearly','@annually'];
    names text[] := array['minute', 'hour', 'day', 'month', 'weekday'];
    ranges text[] := array['0-59', '0-23', '1-31', '1-12', '0-7'];
    spaces text := E' \t\n\r\f\v';
    one text;
    written text;
    fields text[];
    shown text[];
    first_day integer;
    meet boolean;
    event text;
    place text[];
begin
    if length(cron) > 500 then
        message := 'cron is too long';
        hint := 'At most 500 characters.';
        return;
    end if;
    -- Most need no more: times of every day, of days of the week, of a day that each month has.
    if cron ~ usual then
        return;
    end if;
    event := sun_event(cron);
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
    foreach written in array case when cron = '' then array[''] else string_to_array(cron, ';') end loop
        written := btrim(written, spaces);
        shown := case when written = '' then '{}' else regexp_split_to_array(written, '[' || spaces || ']+') end;
        one := translate(written, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz');
        fields := case when one = '' then '{}' else regexp_split_to_array(one, '[' || spaces || ']+') end;
        -- With "and" before the weekday both day and weekday must match, as in Celery's crontab.
        meet := cardinality(fields) = 6 and fields[5] = 'and';
        if meet then
            fields := fields[1:4] || fields[6];
            shown := shown[1:4] || shown[6];
        end if;
        if cardinality(fields) = 1 and one = any (macros) then
            continue;
        end if;
        if cardinality(fields) = 1 and one like '@%' then
            message := format('cron "%s": there is no "%s"', written, written);
            hint := 'Short forms: ' || array_to_string(macros, ', ');
            return;
        end if;
        if cardinality(fields) <> 5 then
            message := format('cron "%s" has %s, needs 5', written, count_words(cardinality(fields), 'field'));
            hint := case when one ~ ('^(@?every[' || spaces || ']|[0-9]+[' || spaces || ']*(s|sec|second|m|min|minute|h|hour|d|day|week)s?$)')
                         then 'A length of time belongs in the column every, e.g. every = ''15 minutes''.'
                         when one ~ (',[' || spaces || ']|[' || spaces || '],') then 'A list has no blanks, e.g. ''0,30 * * * *''.'
                         else 'minute hour day month weekday, e.g. ''30 17 * * 1-5'' = 17:30 on weekdays.' end;
            return;
        end if;
        for number in 1..5 loop
            if not (select bool_and(cron_item_fits(item, number))
                      from unnest(string_to_array(fields[number], ',')) item) then
                message := format('cron "%s": bad %s field "%s"', written, names[number], shown[number]);
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
                message := format('cron "%s" would never run: no such date', written);
                hint := 'April, June, September and November have 30 days, February at most 29.';
                return;
            end if;
        end if;
    end loop;
end
$$;

comment on function cron_problem(text) is
    'Why a cron text is wrong, with a hint; null when it is right (beat/time/cron.py decides the same)';
