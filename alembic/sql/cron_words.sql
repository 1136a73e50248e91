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
