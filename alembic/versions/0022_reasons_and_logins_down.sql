create or replace function pause(schedule_name text, why text default null, until timestamptz default 'infinity')
returns text language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('schedule', 'change');
    if until is null or until <= clock_timestamp() then
        raise exception 'a pause must end in the future, not at %', coalesce(until::text, 'null')
            using errcode = '23514', column = 'paused_until',
                  hint = how_to(format('SELECT pause(%L, ''why'', now() + interval ''2 hours''); without an end: SELECT pause(%L, ''why'');', kept.name, kept.name),
                                format('schedule pause %s --for 2h; without an end, leave --for out', kept.name));
    end if;
    -- A pause that is made longer keeps its reason.
    update schedule
       set paused_until = until,
           pause_reason = coalesce(why, case when paused_until > clock_timestamp() then pause_reason end)
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return format('%s %s%s%s.', kept.name, case when kept.enabled then 'is paused' else 'stays disabled and is paused' end,
                  case when until = 'infinity' then '' else ' until ' || to_char(until at time zone kept.timezone, 'YYYY-MM-DD HH24:MI') || ' ' || kept.timezone end,
                  coalesce(': ' || kept.pause_reason, ''));
end
$$;

create or replace function pause_all(why text default null) returns text language plpgsql
as $$
begin
    perform require_operator('pause_switch', 'change');
    update pause_switch set paused = true, note = coalesce(why, case when paused then note end);
    return 'Everything is paused; to end it: ' || how_to('SELECT resume_all();', 'schedule resume --all');
end
$$;

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
    end if;
    if new.concurrency < 1 then
        raise exception 'concurrency = % is not allowed for %', new.concurrency, new.name
            using errcode = '23514', column = 'concurrency',
                  hint = 'concurrency must be 1 or more; to stop calls: '
                         || how_to(format('UPDATE upstream SET enabled = false WHERE name = %L;', new.name),
                                   format('upstream set %s --disabled', new.name));
    end if;
    if extract(year from new.spacing) <> 0 or extract(month from new.spacing) <> 0
       or new.spacing < interval '0' or new.spacing > interval '1 day' then
        raise exception 'spacing = % is not allowed for %', new.spacing, new.name
            using errcode = '23514', column = 'spacing',
                  hint = 'spacing cannot be negative and is at most a day, e.g. ''2 seconds''; for more write a quota, e.g. one call per ''3 days''.';
    end if;
    return new;
end
$$;
