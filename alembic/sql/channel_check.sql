create or replace function channel_check() returns trigger
language plpgsql
as $$
declare
    form constant text :=
        '^(env:WATCHKEEPER_CHANNEL_[A-Za-z0-9_]+|file:/run/secrets/channel-[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$';
    how constant text := 'A secret is env:WATCHKEEPER_CHANNEL_NAME (a variable of the workers)'
        ' or file:/run/secrets/channel-name.';
    before channel;
    name text;
    value text;
    login text;
begin
    if tg_op = 'UPDATE' then
        before := old;
    end if;
    for name, value in select * from jsonb_each_text(to_jsonb(new)) loop
        -- What was saved before stays: only a changed column is checked.
        continue when value is not distinct from to_jsonb(before) ->> name;
        if name <> 'note' and value ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]' then
            raise exception '% of channel "%" holds a line break or another control character', name, new.name
                using errcode = '23514', column = name, hint = 'Write it on one line, without control characters.';
        end if;
        if name <> 'target' and name <> 'note' and value ~* '^\s*(env|file):' then
            raise exception '% of channel "%" cannot be a secret', name, new.name
                using errcode = '23514', column = name, hint = 'Only target may name a secret. ' || how;
        end if;
    end loop;
    if new.upstream is distinct from before.upstream and not exists (select from upstream u where u.name = new.upstream) then
        raise exception 'no upstream named "%"', new.upstream
            using errcode = '23514', column = 'upstream', hint = upstream_hint(new.upstream);
    end if;
    if tg_op = 'UPDATE' and new.target is not distinct from before.target and new.kind = before.kind then
        return new;
    end if;
    if new.target ~* '^\s*(env|file):' then
        if new.target !~ form then
            raise exception 'target = % is not a secret that a channel may name', left(new.target, 100)
                using errcode = '23514', column = 'target', hint = how;
        end if;
    elsif new.kind in ('discord', 'apprise') then
        raise exception 'target of channel "%" must name its secret, not hold it', new.name
            using errcode = '23514', column = 'target', hint = how;
    elsif new.target ~ '//[^/@]*:[^/@]*@' then
        raise exception 'target of channel "%" holds a password', new.name
            using errcode = '23514', column = 'target', hint = how;
    elsif new.kind = 'email' then
        login := substring(new.target from ';(.*)$');
        if login is not null and regexp_replace(btrim(login), '^login=', '') !~ form then
            raise exception 'login of channel "%" must name its secret, not hold it', new.name
                using errcode = '23514', column = 'target',
                      hint = 'Write ann@example.org; login=env:WATCHKEEPER_CHANNEL_NAME, which holds user:password.';
        end if;
        if split_part(new.target, ';', 1) ~* '(^|,)\s*(env|file):' then
            raise exception 'target of channel "%" has a secret among its recipients', new.name
                using errcode = '23514', column = 'target', hint = 'Put all recipients into one secret, or none of them. ' || how;
        end if;
    end if;
    return new;
end
$$;

comment on function channel_check() is
    'Trigger: refuses secrets that a channel may not name, secrets written out, and control characters';

create or replace trigger channel_check
    before insert or update on channel
    for each row execute function channel_check();
