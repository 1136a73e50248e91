create or replace function global_filter_check() returns trigger
language plpgsql
as $$
declare
    lists constant text[] := array['categories', 'exclude_listing_types', 'exclude_status', 'listing_types', 'ships_to'];
    number constant text := 'min_seller_reputation';
    name text;
    value jsonb;
begin
    -- A constraint says what is to be said of what is no object.
    for name, value in select * from jsonb_each(case jsonb_typeof(new.filters) when 'object' then new.filters else '{}' end) loop
        if not name = any (lists || number) then
            raise exception 'there is no filter "%"', name
                using errcode = '23514', column = 'filters',
                      hint = did_you_mean(name, lists || number) || 'Filters: ' || array_to_string(lists || number, ', ');
        elsif name = number and value <> 'null' and value::text !~ '^-?\d+$' then
            raise exception 'filter % is a whole number, % is not', name, left(value::text, 100)
                using errcode = '23514', column = 'filters', hint = 'Write {"min_seller_reputation": 10}.';
        elsif name <> number and value <> 'null' and (jsonb_typeof(value) <> 'array' or exists (
                select from jsonb_array_elements(value) one where jsonb_typeof(one) <> 'string'
                   -- Punctuation alone; of other scripts nothing is judged.
                   or one #>> '{}' !~ '[[:alnum:]_]' and octet_length(one #>> '{}') = length(one #>> '{}'))) then
            raise exception 'filter % is a list of texts, % is not', name, left(value::text, 100)
                using errcode = '23514', column = 'filters', hint = format('Write {"%s": ["…"]}; [] sets no limit.', name);
        end if;
    end loop;
    return new;
end
$$;
comment on function global_filter_check() is 'Trigger: refuses filters that no rule could be read with, so that no scrape could store anything';

create or replace trigger global_filter_check
    before insert or update on global_filter
    for each row execute function global_filter_check();
