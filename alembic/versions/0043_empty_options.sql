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
        noun := noun || case when rule ->> 'pattern' = '\S' then ' that is not empty'
                          when rule ? 'pattern' then format(' matching %s', rule ->> 'pattern') else '' end
            || case when rule ? 'maxLength' then format(' of at most %s characters', rule ->> 'maxLength') else '' end;
    elsif rule ->> 'type' = 'array' then
        noun := noun || case when rule ? 'minItems' then format(', at least %s', rule ->> 'minItems') else '' end
            || case when rule ? 'maxItems' then format(', at most %s', rule ->> 'maxItems') else '' end;
    end if;
    return noun;
end
$$;
