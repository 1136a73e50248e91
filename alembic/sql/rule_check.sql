create or replace function rule_check() returns trigger
language plpgsql
as $$
declare
    known subject;
    missing text;
begin
    select * into known from subject where name = new.subject;
    if not found then
        raise exception 'subject: no watch finds a %', new.subject
            using errcode = '23514', column = 'subject',
                  hint = 'Subjects: ' || (select string_agg(name, ', ' order by name) from subject);
    end if;
    if new.currency is not null and not known.has_currency then
        raise exception 'currency: rules on % have none', known.plural
            using errcode = '23514', column = 'currency',
                  hint = 'Subjects with one: '
                         || (select string_agg(name, ', ' order by name) from subject where has_currency);
    end if;
    if currency_refusal(new.currency) is not null and (tg_op = 'INSERT' or new.currency is distinct from old.currency) then
        raise exception 'currency: there is no %', new.currency
            using errcode = '23514', column = 'currency', hint = currency_refusal(new.currency);
    end if;
    if new.occasions = '{}' and (tg_op = 'INSERT' or old.occasions <> '{}') then
        raise exception 'occasions: without any the rule never matches'
            using errcode = '23514', column = 'occasions',
                  hint = 'Occasions: new, price_drop, relisted, changed. A rule that is to rest has enabled = false.';
    end if;
    -- What was saved before stays: only a change is checked.
    if tg_op = 'INSERT' or new.channels is distinct from old.channels then
        select one into missing from unnest(new.channels) one
         where not exists (select from channel where channel.name = one) limit 1;
        if found then
            raise exception 'channels: no channel named "%"', missing
                using errcode = '23514', column = 'channels',
                      hint = did_you_mean(missing, (select array_agg(name) from channel)) || format('Channels: %s; null means every one.',
                          (select coalesce(string_agg(name, ', ' order by name), 'none yet') from channel));
        end if;
    end if;
    return new;
end
$$;
comment on function rule_check() is
    'Trigger: refuses a subject that no watch finds, an unknown currency or one where there is none, and rules that would be silent for ever';

create or replace trigger rule_check
    before insert or update of subject, currency, occasions, channels on rule
    for each row execute function rule_check();

create or replace function channel_named_check() returns trigger
language plpgsql
as $$
declare
    named text;
begin
    if tg_op = 'UPDATE' and new.name = old.name then
        return new;
    end if;
    select string_agg(name, ', ' order by name) into named from rule where old.name = any (channels);
    if named is not null then
        raise exception 'channel "%" is named by rules: %', old.name, named
            using errcode = '23514', column = 'name',
                  hint = 'Their matches would be told to nobody. First name others there, or null for every channel: '
                         || format('UPDATE rule SET channels = NULL WHERE %L = ANY (channels);', old.name);
    end if;
    select string_agg(name, ', ' order by name) into named from schedule where options ->> 'channel' = old.name;
    if named is not null then
        raise exception 'channel "%" is named by schedules: %', old.name, named
            using errcode = '23514', column = 'name',
                  hint = 'They would call nobody. First name another in their options, or remove them: '
                         || format('DELETE FROM schedule WHERE options ->> ''channel'' = %L;', old.name);
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function channel_named_check() is 'Trigger: refuses to take away a channel that rules or schedules name';

create or replace trigger channel_named_check
    before delete or update of name on channel
    for each row execute function channel_named_check();
