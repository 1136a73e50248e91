create or replace function option_fits(value jsonb, rule jsonb, defs jsonb) returns boolean
language plpgsql immutable
as $$
declare
    kind text;
    shape text := jsonb_typeof(value);
    element jsonb;
    name text;
    place integer := 0;
begin
    if rule = 'true' or rule = 'false' then
        return rule = 'true';
    end if;
    if rule ? '$ref' then
        return option_fits(value, defs -> replace(rule ->> '$ref', '#/$defs/', ''), defs);
    end if;
    if rule ? 'anyOf' then
        return exists (select from jsonb_array_elements(rule -> 'anyOf') one where option_fits(option_fits.value, one, option_fits.defs));
    end if;
    if rule ? 'oneOf' then
        return exists (select from jsonb_array_elements(rule -> 'oneOf') one where option_fits(option_fits.value, one, option_fits.defs));
    end if;
    if rule ? 'allOf' and exists (select from jsonb_array_elements(rule -> 'allOf') one
                                   where not option_fits(option_fits.value, one, option_fits.defs)) then
        return false;
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
           and (not rule ? 'exclusiveMaximum' or value::numeric < (rule -> 'exclusiveMaximum')::numeric)
           and (not rule ? 'multipleOf' or mod(value::numeric, (rule -> 'multipleOf')::numeric) = 0);
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
            if coalesce(not option_fits(element, coalesce(rule -> 'prefixItems' -> place, rule -> 'items'), defs), false) then
                return false;
            end if;
            place := place + 1;
        end loop;
    elsif shape = 'object' then
        if exists (select from jsonb_array_elements_text(coalesce(rule -> 'required', '[]')) needed where not option_fits.value ? needed) then
            return false;
        end if;
        for name, element in select * from jsonb_each(option_fits.value) loop
            if coalesce(not option_fits(element, coalesce(rule -> 'properties' -> name, rule -> 'additionalProperties'), defs), false) then
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
    elsif format = 'uuid' then
        return value::uuid is not null;
    end if;
    return true;
exception when others then
    return false;
end
$$;

comment on function option_format_fits(text, text) is 'Whether a string is the date, instant or duration it should be';
