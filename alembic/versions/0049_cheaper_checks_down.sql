create or replace function row_values(one jsonb) returns jsonb
language sql immutable
as $$ select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(row_difference(one, '{}')) where value <> 'null' $$;

create or replace function audit() returns trigger
language plpgsql security definer
set search_path = public, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres'
as $$
declare
    keys constant text[] := array(select attname::text from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
                                   where i.indrelid = tg_relid and i.indisprimary order by a.attnum);
    operation constant uuid := nullif(current_setting('app.operation', true), '')::uuid;
    undone constant bigint := nullif(current_setting('app.undo_of', true), '')::bigint;
    is_one boolean;
begin
    if tg_op = 'INSERT' then
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), 'insert', null, row_values(n), actor(),
               current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as n from new_rows r) rows, row_key(n, keys) k;
    elsif tg_op = 'DELETE' then
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), 'delete', row_values(o), null, actor(),
               current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as o from old_rows r) rows, row_key(o, keys) k;
    else
        -- Of several rows those whose key changed are some that went and some that came; one alone was renamed.
        is_one := (select count(*) from old_rows) = 1;
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), case when o is null then 'insert' when n is null then 'delete' else 'update' end,
               case when n is null then row_values(o) else before end,
               case when o is null then row_values(n) else after end,
               actor(), current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as o, case when not is_one then row_key(to_jsonb(r), keys) end as key from old_rows r) olds
          full join (select to_jsonb(r) as n, case when not is_one then row_key(to_jsonb(r), keys) end as key from new_rows r) news
               on coalesce(olds.key, '{}') = coalesce(news.key, '{}'),
               lateral (select row_key(coalesce(n, o), keys) as k) k,
               lateral (select case when o is not null then row_difference(o, coalesce(n, '{}')) end as before,
                               case when n is not null then row_difference(n, coalesce(o, '{}')) end as after) differ
         where before is distinct from after and (before <> '{}' or after <> '{}');
    end if;
    -- Open pages of the console look again.
    perform pg_notify('watchkeeper_change', tg_table_name);
    return null;
end
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
    written text;
    fields text[];
    shown text[];
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

create or replace function options_check(task text, options jsonb, schema jsonb) returns void
language plpgsql stable
as $$
declare
    name text;
    value jsonb;
    rule jsonb;
    wanted text;
    known text;
begin
    if options is null or options = '{}' and not schema ?| array['required', 'arguments'] then
        return;
    end if;
    select string_agg(key, ', ' order by key) into known from jsonb_object_keys(schema -> 'properties') key;
    for name, value in select * from jsonb_each(options) loop
        rule := schema -> 'properties' -> name;
        if rule is null then
            raise exception '% has no option "%"', task, name
                using errcode = '23514', column = 'options', 
                      hint = did_you_mean(name, string_to_array(known, ', ')) || 'It takes: ' || coalesce(known, 'no options');
        end if;
        if not option_fits(value, rule, schema -> '$defs') then
            wanted := option_words(rule, schema -> '$defs');
            raise exception 'option "%" = % is not allowed', name, left(value::text, 100)
                using errcode = '23514', column = 'options', hint = format('It must be %s.', wanted);
        end if;
    end loop;
    for name in select * from jsonb_array_elements_text(coalesce(schema -> 'required', '[]')) loop
        if not options ? name then
            raise exception '% needs option "%"', task, name
                using errcode = '23514', column = 'options',
                      hint = format('It must be %s.', option_words(schema -> 'properties' -> name, schema -> '$defs'));
        end if;
    end loop;
    if schema ? 'arguments' then
        perform arguments_check(task, coalesce(options -> 'args', '[]'), coalesce(options -> 'kwargs', '{}'), schema);
    end if;
end
$$;
