create or replace function options_check(task text, options jsonb, schema jsonb) returns void
language plpgsql stable
as $$
declare
    name text;
    value jsonb;
    rule jsonb;
    wanted text;
    known text;
    -- Read once: each look into the schema unpacks all of it.
    properties constant jsonb := schema -> 'properties';
    defs constant jsonb := schema -> '$defs';
begin
    if options is null or options = '{}' and not schema ?| array['required', 'arguments'] then
        return;
    end if;
    for name, value in select * from jsonb_each(options) loop
        rule := properties -> name;
        if rule is null then
            select string_agg(key, ', ' order by key) into known from jsonb_object_keys(properties) key;
            raise exception '% has no option "%"', task, name
                using errcode = '23514', column = 'options', 
                      hint = did_you_mean(name, string_to_array(known, ', ')) || 'It takes: ' || coalesce(known, 'no options');
        end if;
        if not option_fits(value, rule, defs) then
            wanted := option_words(rule, defs);
            raise exception 'option "%" = % is not allowed', name, left(value::text, 100)
                using errcode = '23514', column = 'options', hint = format('It must be %s.', wanted);
        end if;
    end loop;
    for name in select * from jsonb_array_elements_text(coalesce(schema -> 'required', '[]')) loop
        if not options ? name then
            raise exception '% needs option "%"', task, name
                using errcode = '23514', column = 'options',
                      hint = format('It must be %s.', option_words(properties -> name, defs));
        end if;
    end loop;
    if schema ? 'arguments' then
        perform arguments_check(task, coalesce(options -> 'args', '[]'), coalesce(options -> 'kwargs', '{}'), schema);
    end if;
end
$$;

comment on function options_check(text, jsonb, jsonb) is
    'Refuses options that the kind''s JSON Schema does not allow (the subset that tests name)';
