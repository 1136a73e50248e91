create or replace function site_check() returns trigger
language plpgsql
as $$
declare
    known constant text[] := array['card', 'title', 'link', 'id', 'price', 'type', 'image', 'seller', 'reputation',
        'condition', 'negotiability', 'ships_to', 'fields', 'listed', 'edited', 'overlay', 'next'];
    name text;
    value jsonb;
    css text;
    plain text;
begin
    if tg_op = 'UPDATE' and new.name <> old.name then
        raise exception 'a site cannot be renamed'
            using errcode = '23514', column = 'name',
                  detail = format('Its categories, its ads and the options of schedules name it "%s".', old.name),
                  hint = format('Its name for people is title: UPDATE site SET title = %L WHERE name = %L;', new.name, old.name);
    end if;
    if currency_refusal(new.currency) is not null and (tg_op = 'INSERT' or new.currency <> old.currency) then
        raise exception 'currency: there is no %', new.currency
            using errcode = '23514', column = 'currency', hint = currency_refusal(new.currency);
    end if;
    if (tg_op = 'INSERT' or new.upstream <> old.upstream) and not exists (select from upstream u where u.name = new.upstream) then
        raise exception 'no upstream named "%"', new.upstream
            using errcode = '23514', column = 'upstream', hint = upstream_hint(new.upstream);
    end if;
    if jsonb_typeof(new.selectors) <> 'object' then
        raise exception 'selectors must be an object of CSS selectors'
            using errcode = '23514', column = 'selectors', hint = 'Such as {"card": "div.ad", "title": "h3"}.';
    end if;
    foreach name in array array['card', 'title'] loop
        if not new.selectors ? name then
            raise exception 'selector "%" is missing', name
                using errcode = '23514', column = 'selectors',
                      hint = 'A site needs at least card (one ad on a list page) and title (inside it).';
        end if;
    end loop;
    for name, value in select * from jsonb_each(new.selectors) loop
        if not name = any (known) then
            raise exception 'there is no selector "%"', name
                using errcode = '23514', column = 'selectors', hint = 'Known: ' || array_to_string(known, ', ');
        end if;
        css := regexp_replace(value #>> '{}', '@\s*[A-Za-z][A-Za-z0-9_:-]*\s*$', '');
        if jsonb_typeof(value) <> 'string' or not selector_fits(css) then
            raise exception 'selector "%" = % is not CSS', name, left(value::text, 100)
                using errcode = '23514', column = 'selectors',
                      hint = 'Write CSS such as "div.ad > h3", with @name at its end for an attribute: "time@datetime".';
        end if;
    end loop;
    begin
        perform '' ~ new.id_pattern;
    exception when others then
        raise exception 'id_pattern = % is not a regular expression', new.id_pattern
            using errcode = '23514', column = 'id_pattern', hint = 'Its first group is the ad''s number: /(\d+)/?$';
    end;
    -- Without escaped characters and classes every ( that is followed by no ? begins a group.
    plain := regexp_replace(regexp_replace(new.id_pattern, '\\.', '', 'g'), '\[\^?\]?[^]]*\]', '', 'g');
    if plain !~ '\((?!\?)' then
        raise exception 'id_pattern = % has no group', new.id_pattern
            using errcode = '23514', column = 'id_pattern', hint = 'Its first group is the ad''s number: /(\d+)/?$';
    end if;
    if new.page_path ~ '[{}]' and replace(new.page_path, '{page}', '') ~ '[{}]' then
        raise exception 'page_path = % has braces other than {page}', new.page_path
            using errcode = '23514', column = 'page_path', hint = 'Write e.g. page_path = ''page-{page}''.';
    end if;
    if tg_op = 'INSERT' or new.upstream <> old.upstream then
        update upstream set obey_robots = true where upstream.name = new.upstream and not obey_robots;
        if found then
            raise notice 'obey_robots = true for upstream %: it is a web site now', new.upstream;
        end if;
    end if;
    new.updated_at := clock_timestamp();
    return new;
end
$$;
comment on function site_check() is 'Trigger: refuses selectors that cannot be used, in words a person understands';

create or replace function selector_fits(css text) returns boolean
language plpgsql immutable
as $$
declare
    attribute constant text := '\[\s*[[:alpha:]_][[:alnum:]_:-]*\s*([~|^$*]?=\s*("s"|[[:alpha:]_-][[:alnum:]_-]*)\s*([is]\s*)?)?\]';
    compound constant text := '(\*|[[:alpha:]_][[:alnum:]_-]*)?([.#][[:alpha:]_-][[:alnum:]_-]*|\[a\]|:[a-z-]+)*';
    rest text := btrim(css);
    before text;
    one text;
begin
    if css is null or rest = '' or length(css) > 300 then
        return false;
    end if;
    -- Escaped characters are letters of a name, strings and attributes are one of each, what stands in
    -- brackets is left to the parser: then only names, combinators and commas are to be judged.
    rest := regexp_replace(rest, '\\.', 'x', 'g');
    rest := regexp_replace(rest, '"[^"]*"|''[^'']*''', '"s"', 'g');
    rest := regexp_replace(rest, attribute, '[a]', 'g');
    loop
        before := rest;
        rest := regexp_replace(rest, '(:[a-z-]+)\(\s*[^()\s][^()]*\)', '\1', 'g');
        exit when rest = before;
    end loop;
    foreach one in array regexp_split_to_array(rest, '\s*,\s*') loop
        -- A combinator stands between two parts, never first, last or twice.
        if one = '' or one !~ ('^' || compound || '((\s*[>+~]\s*|\s+)' || compound || ')*$')
           or one ~ '[>+~]\s*([>+~]|$)' or one ~ '^\s*[>+~]' then
            return false;
        end if;
    end loop;
    return true;
end
$$;
comment on function selector_fits(text) is 'Whether a text looks like a CSS selector; what is left is checked when it is used';

create or replace trigger site_check
    before insert or update on site
    for each row execute function site_check();
