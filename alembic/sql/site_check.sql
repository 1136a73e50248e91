create or replace function site_check() returns trigger
language plpgsql
as $$
declare
    known constant text[] := array['card', 'title', 'link', 'id', 'price', 'type', 'image', 'seller', 'reputation',
        'condition', 'negotiability', 'ships_to', 'fields', 'listed', 'edited', 'overlay', 'next'];
    name text;
    value jsonb;
    css text;
begin
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
    if new.page_path ~ '[{}]' and replace(new.page_path, '{page}', '') ~ '[{}]' then
        raise exception 'page_path = % has braces beside {page}', new.page_path
            using errcode = '23514', column = 'page_path', hint = 'Write e.g. page_path = ''page-{page}''.';
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
    compound constant text := '(\*|[A-Za-z][A-Za-z0-9-]*)?([.#][A-Za-z_-][A-Za-z0-9_-]*|\[[A-Za-z][A-Za-z0-9_:-]*([~|^$*]?=("[^"]*"|''[^'']*''|[A-Za-z0-9_-]+))?( [is])?\]|:[a-z-]+(\([^()]*\))?)*';
    one text;
begin
    if css is null or btrim(css) = '' or length(css) > 300 then
        return false;
    end if;
    foreach one in array regexp_split_to_array(btrim(css), '\s*,\s*') loop
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

create trigger site_check
    before insert or update on site
    for each row execute function site_check();
