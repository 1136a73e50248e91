create or replace function option_fits(value jsonb, rule jsonb, defs jsonb) returns boolean
language plpgsql immutable
as $$
declare
    kind text;
    shape text := jsonb_typeof(value);
    element jsonb;
begin
    if rule ? '$ref' then
        return option_fits(value, defs -> replace(rule ->> '$ref', '#/$defs/', ''), defs);
    end if;
    if rule ? 'anyOf' then
        return exists (select from jsonb_array_elements(rule -> 'anyOf') one where option_fits(option_fits.value, one, option_fits.defs));
    end if;
    if rule ? 'const' and value <> rule -> 'const' then
        return false;
    end if;
    if rule ? 'enum' and not exists (select from jsonb_array_elements(rule -> 'enum') one where one = option_fits.value) then
        return false;
    end if;
    kind := rule ->> 'type';
    if kind is not null and not (case kind
            when 'integer' then shape = 'number' and value::numeric = trunc(value::numeric)
            else shape = kind end) then
        return false;
    end if;
    if shape = 'number' then
        return (not rule ? 'minimum' or value::numeric >= (rule -> 'minimum')::numeric)
           and (not rule ? 'maximum' or value::numeric <= (rule -> 'maximum')::numeric)
           and (not rule ? 'exclusiveMinimum' or value::numeric > (rule -> 'exclusiveMinimum')::numeric)
           and (not rule ? 'exclusiveMaximum' or value::numeric < (rule -> 'exclusiveMaximum')::numeric);
    elsif shape = 'string' then
        return (not rule ? 'minLength' or length(value #>> '{}') >= (rule -> 'minLength')::int)
           and (not rule ? 'maxLength' or length(value #>> '{}') <= (rule -> 'maxLength')::int)
           and (not rule ? 'pattern' or (value #>> '{}') ~ (rule ->> 'pattern'))
           and option_format_fits(value #>> '{}', rule ->> 'format');
    elsif shape = 'array' then
        if (rule ? 'minItems' and jsonb_array_length(value) < (rule -> 'minItems')::int)
           or (rule ? 'maxItems' and jsonb_array_length(value) > (rule -> 'maxItems')::int)
           or (rule -> 'uniqueItems' = 'true' and jsonb_array_length(value)
               <> (select count(distinct one) from jsonb_array_elements(option_fits.value) one)) then
            return false;
        end if;
        for element in select * from jsonb_array_elements(option_fits.value) loop
            if rule ? 'items' and not option_fits(element, rule -> 'items', defs) then
                return false;
            end if;
        end loop;
    end if;
    return true;
end
$$;

comment on function option_fits(jsonb, jsonb, jsonb) is 'Whether one option fits its part of the JSON Schema';

create or replace function option_format_fits(value text, format text) returns boolean
language plpgsql immutable
as $$
begin
    if format = 'date' then
        return value ~ '^\d{4}-\d{2}-\d{2}$' and value::date is not null;
    elsif format = 'date-time' then
        return value::timestamptz is not null;
    elsif format = 'duration' then
        return value::interval is not null;
    end if;
    return true;
exception when others then
    return false;
end
$$;

comment on function option_format_fits(text, text) is 'Whether a string is the date, instant or duration it should be';

create or replace function option_words(rule jsonb, defs jsonb) returns text
language plpgsql immutable
as $$
declare
    low text := coalesce(rule ->> 'minimum', 'more than ' || (rule ->> 'exclusiveMinimum'));
    high text := coalesce(rule ->> 'maximum', 'less than ' || (rule ->> 'exclusiveMaximum'));
    noun text;
begin
    if rule ? '$ref' then
        return option_words(defs -> replace(rule ->> '$ref', '#/$defs/', ''), defs);
    end if;
    if rule ? 'anyOf' then
        return (select string_agg(option_words(one, defs), ', or ') from jsonb_array_elements(rule -> 'anyOf') one);
    end if;
    if rule ? 'enum' then
        return 'one of ' || (select string_agg(one #>> '{}', ', ') from jsonb_array_elements(rule -> 'enum') one);
    end if;
    if rule ? 'const' then
        return rule ->> 'const';
    end if;
    noun := case rule ->> 'type'
        when 'integer' then 'a whole number' when 'number' then 'a number'
        when 'boolean' then 'true or false' when 'null' then 'null' when 'object' then 'an object'
        when 'array' then 'a list, each of it ' || option_words(coalesce(rule -> 'items', '{}'), defs)
        when 'string' then case rule ->> 'format' when 'date' then 'a date such as "2026-11-23"'
            when 'date-time' then 'an instant such as "2026-11-23T17:00:00Z"' else 'a text' end
        else 'any value' end;
    if rule ->> 'type' in ('integer', 'number') then
        noun := noun || case when low is not null and high is not null then format(' from %s to %s', low, high)
            when low is not null then format(', %s or more', low)
            when high is not null then format(', %s or less', high) else '' end;
    elsif rule ->> 'type' = 'string' then
        noun := noun || case when rule ? 'pattern' then format(' matching %s', rule ->> 'pattern') else '' end
            || case when rule ? 'maxLength' then format(' of at most %s characters', rule ->> 'maxLength') else '' end;
    elsif rule ->> 'type' = 'array' then
        noun := noun || case when rule ? 'minItems' then format(', at least %s', rule ->> 'minItems') else '' end
            || case when rule ? 'maxItems' then format(', at most %s', rule ->> 'maxItems') else '' end;
    end if;
    return noun;
end
$$;

comment on function option_words(jsonb, jsonb) is 'What an option may be, in words';

create or replace function options_check(task text, options jsonb, schema jsonb) returns void
language plpgsql immutable
as $$
declare
    name text;
    value jsonb;
    rule jsonb;
    wanted text;
    known text;
begin
    if options is null or options = '{}' and not schema ? 'required' then
        return;
    end if;
    select string_agg(key, ', ' order by key) into known from jsonb_object_keys(schema -> 'properties') key;
    for name, value in select * from jsonb_each(options) loop
        rule := schema -> 'properties' -> name;
        if rule is null then
            raise exception '% has no option "%"', task, name
                using errcode = '23514', column = 'options', hint = 'It takes: ' || coalesce(known, 'no options');
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
end
$$;

comment on function options_check(text, jsonb, jsonb) is
    'Refuses options that the kind''s JSON Schema does not allow (the subset that tests name)';


drop function arguments_check(text, jsonb, jsonb, jsonb);
drop function argument_check(text, jsonb, jsonb, jsonb);
alter table batch drop column plain, drop column retries;
drop index task_kind_plain;
alter table task_kind drop column plain, drop column acks_late;
