create or replace function upstream_check() returns trigger
language plpgsql
as $$
declare
    written inet;
    why text;
begin
    if new.name !~ '^[a-z0-9]+(_[a-z0-9]+)*$' then
        raise exception 'name "%" is not made of lower-case words and digits joined by _', left(new.name, 100)
            using errcode = '23514', column = 'name', hint = 'Write e.g. ''head_fi''.';
    end if;
    if new.base_url !~ '^(https?|smtps?|smtp[+]starttls)://[^/]' then
        raise exception 'base_url of % is not a URL', new.name
            using errcode = '23514', column = 'base_url', hint = 'base_url must begin with http(s):// or smtp(s)://, e.g. ''https://api.example.org''.';
    end if;
    if tg_op = 'INSERT' or new.base_url <> old.base_url then
        -- A first look; each call looks again at the address that it is about to connect to.
        begin
            written := url_address(new.base_url);
        exception when invalid_text_representation then
            raise exception 'base_url of % has an invalid host', new.name
                using errcode = '23514', column = 'base_url',
                      hint = 'Write an IPv4 address as four decimal numbers, an IPv6 address in brackets, or a name.';
        end;
        why := address_refusal(written);
        if why is not null then
            raise exception 'base_url of % leads to % (%), where no call may go', new.name, host(written), why
                using errcode = '23514', column = 'base_url',
                      hint = format('An owner can allow it: INSERT INTO allowed_network (network, note) VALUES (%L, ''why'');', host(written));
        end if;
        if new.base_url ~ '[[:space:]]' then
            raise exception 'base_url of % contains a blank', new.name
                using errcode = '23514', column = 'base_url', hint = 'Write a blank of a path as %20.';
        end if;
        if new.base_url ~ '^[^:]+://[^/?#]*@' then
            raise exception 'base_url of % contains a login, which everybody who may read could see', new.name
                using errcode = '23514', column = 'base_url',
                      hint = 'Write the address without it. Keys of upstreams are settings of the workers, logins of mail servers are secrets of channels.';
        end if;
    end if;
    if coalesce(new.concurrency, 0) < 1 then
        raise exception 'concurrency = % is not allowed for %', coalesce(new.concurrency::text, 'null'), new.name
            using errcode = '23514', column = 'concurrency',
                  hint = 'concurrency must be 1 or more; to stop calls: '
                         || how_to(format('UPDATE upstream SET enabled = false WHERE name = %L;', new.name),
                                   format('upstream set %s --disabled', new.name));
    end if;
    if new.spacing is null or extract(year from new.spacing) <> 0 or extract(month from new.spacing) <> 0
       or new.spacing < interval '0' or new.spacing > interval '1 day' then
        raise exception 'spacing = % is not allowed for %', coalesce(new.spacing::text, 'null'), new.name
            using errcode = '23514', column = 'spacing',
                  hint = 'spacing cannot be negative and is at most 1 day, e.g. ''2 seconds''. For longer pauses add a quota, e.g. calls = 1, per = ''3 days''.';
    end if;
    return new;
end
$$;

comment on function upstream_check() is 'Trigger: refuses an upstream that cannot be called, with a hint';

create or replace trigger upstream_check
    before insert or update on upstream
    for each row execute function upstream_check();
