-- Dear to a planner that would evaluate it for each row instead of reading the index.
create or replace function short_terms(written text) returns text[]
language plpgsql immutable strict parallel safe cost 5000
as $$
begin
    return string_to_array(written, null)
        || array(select substr(written, place, 2) from generate_series(1, length(written) - 1) place);
end
$$;
comment on function short_terms(text) is 'Every one and two characters of a text that stand together, which an index of trigrams cannot find';
