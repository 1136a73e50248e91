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

-- Writers of schedule, who are people, wait while it is built: some 10 seconds for 100,000 rows.
-- squawk-ignore require-concurrent-index-creation
create index schedule_by_short_term on schedule using gin
    ((short_terms(lower((((name || ' ') || coalesce(title, '')) || ' ') || coalesce(note, ''))) collate "C"));
-- The planner knows how common each is.
analyze schedule;
