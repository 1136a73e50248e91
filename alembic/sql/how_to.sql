create or replace function how_to(in_sql text, as_command text) returns text
language sql stable
as $$
    -- Commands say in app.surface how they are called.
    select coalesce(nullif(current_setting('app.surface', true), '') || ' ' || as_command, in_sql)
$$;

comment on function how_to(text, text) is
    'What to type: a command when a command asks, else SQL';

create or replace function did_you_mean(wanted text, known text[]) returns text
language sql stable
as $$
    select coalesce((select 'Did you mean ' || near || '? ' from unnest(known) near
                      where similarity(near, wanted) >= 0.3
                         or length(near) < 5 and lower(left(near, 2)) = lower(left(wanted, 2))
                      order by near <-> wanted, near limit 1), '')
$$;

comment on function did_you_mean(text, text[]) is
    'A question that names the word nearest to a mistyped one; empty when none is near';

create or replace function short_id(id uuid) returns text
language sql immutable
as $$ select left(id::text, 8) $$;

comment on function short_id(uuid) is 'The first 8 characters of an id, which tell runs apart';

create or replace function cut_words(words text, width integer) returns text
language sql immutable
as $$
    select case when length(words) <= width then words
                else rtrim(regexp_replace(left(words, greatest(width - 1, 1)), '\s\S*$', ''), ' ,;:') || '…' end
$$;

comment on function cut_words(text, integer) is
    'A text of at most so many characters, cut after a word, with an ellipsis';
