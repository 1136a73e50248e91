create or replace function argument_check(name text, value jsonb, rule jsonb, defs jsonb) returns void
language plpgsql immutable
as $$
begin
    if not option_fits(value, rule, defs) then
        raise exception 'argument "%" = % is not allowed', name, left(value::text, 100)
            using errcode = '23514', column = 'options', hint = format('It must be %s.', option_words(rule, defs));
    end if;
end
$$;

comment on function argument_check(text, jsonb, jsonb, jsonb) is 'Refuses an argument that its part of the schema does not allow';

create or replace function arguments_check(task text, args jsonb, kwargs jsonb, schema jsonb) returns void
language plpgsql immutable
as $$
declare
    known text;
    one jsonb;
    value jsonb;
    name text;
    place integer := 0;
    places integer;
    rest jsonb;
    others jsonb;
begin
    -- Each parameter of the task's function: taken by place (positional, either), by name (either, named), or many (rest, others).
    select count(*) filter (where a ->> 'kind' in ('positional', 'either')),
           string_agg(a ->> 'name', ', ' order by n) filter (where a ->> 'kind' in ('either', 'named')),
           (array_agg(a -> 'schema') filter (where a ->> 'kind' = 'rest'))[1],
           (array_agg(a -> 'schema') filter (where a ->> 'kind' = 'others'))[1]
      into places, known, rest, others
      from jsonb_array_elements(schema -> 'arguments') with ordinality as given(a, n);
    for name, value in select * from jsonb_each(kwargs) loop
        if not exists (select from jsonb_array_elements(schema -> 'arguments') a
                        where a ->> 'name' = name and a ->> 'kind' in ('either', 'named')) then
            if others is null then
                raise exception '% has no argument "%"', task, name
                    using errcode = '23514', column = 'options', hint = 'It takes: ' || coalesce(known, 'no arguments by name');
            end if;
            perform argument_check(name, value, others, schema -> '$defs');
        end if;
    end loop;
    if rest is null and jsonb_array_length(args) > places then
        raise exception '% takes at most % arguments by place, not %', task, places, jsonb_array_length(args)
            using errcode = '23514', column = 'options', hint = 'It takes: ' || coalesce(known, 'no arguments');
    end if;
    for one in select * from jsonb_array_elements(schema -> 'arguments') loop
        name := one ->> 'name';
        value := null;
        if one ->> 'kind' in ('positional', 'either') then
            value := args -> place;
            place := place + 1;
        end if;
        if one ->> 'kind' in ('either', 'named') and kwargs ? name then
            if value is not null then
                raise exception 'argument "%" of % is given twice, in args and in kwargs', name, task
                    using errcode = '23514', column = 'options', hint = 'Leave it out of one of them.';
            end if;
            value := kwargs -> name;
        end if;
        if one ->> 'kind' in ('rest', 'others') then
            continue;
        elsif value is not null then
            perform argument_check(name, value, one -> 'schema', schema -> '$defs');
        elsif (one ->> 'required')::boolean then
            raise exception '% needs argument "%"', task, name
                using errcode = '23514', column = 'options',
                      hint = format('It must be %s, e.g. options = ''{"kwargs": {"%s": …}}''.',
                                    option_words(one -> 'schema', schema -> '$defs'), name);
        end if;
    end loop;
    for value in select a from jsonb_array_elements(args) with ordinality as given(a, n) where n > places loop
        perform argument_check('*' , value, rest, schema -> '$defs');
    end loop;
end
$$;

comment on function arguments_check(text, jsonb, jsonb, jsonb) is
    'Refuses arguments that a plain task''s signature does not take';
