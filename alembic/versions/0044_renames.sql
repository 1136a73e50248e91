-- The same checks, by which rows follow a new name. These tables are small.
-- squawk-ignore ban-drop-constraint
alter table match drop constraint match_rule_fkey;
-- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
alter table match add constraint match_rule_fkey foreign key (rule) references rule (name) on update cascade on delete cascade;
-- squawk-ignore ban-drop-constraint
alter table rule_state drop constraint rule_state_rule_fkey;
-- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
alter table rule_state add constraint rule_state_rule_fkey foreign key (rule) references rule (name) on update cascade on delete cascade;
-- squawk-ignore ban-drop-constraint
alter table token_rule drop constraint token_rule_rule_fkey;
-- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
alter table token_rule add constraint token_rule_rule_fkey foreign key (rule) references rule (name) on update cascade on delete cascade;
-- squawk-ignore ban-drop-constraint
alter table notice drop constraint notice_channel_fkey;
-- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
alter table notice add constraint notice_channel_fkey foreign key (channel) references channel (name) on update cascade on delete cascade;
-- squawk-ignore ban-drop-constraint
alter table category drop constraint category_parent_id_fkey;
-- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
alter table category add constraint category_parent_id_fkey foreign key (parent_id) references category (id) on delete set null;
-- squawk-ignore ban-drop-constraint
alter table notice drop constraint "state must be waiting, sending, sent or dead";
-- squawk-ignore constraint-missing-not-valid
alter table notice add constraint "state must be waiting, sending, sent, dropped or dead" check (state in ('waiting', 'sending', 'sent', 'dropped', 'dead'));
comment on column notice.state is 'waiting | sending | sent | dropped | dead';
comment on column channel.enabled is 'false: gets no notices; those that wait already are kept';
comment on column rule.enabled is 'false: not evaluated, and what waits of it is dropped';
comment on column notice.answer is 'Last response of the server; why it was dropped';
create or replace function currency_codes() returns text[]
language sql immutable
as $$
    select regexp_split_to_array('AED AFL AFN AMD ANG AOA ARS ATS AUD AWG AZN BAM BBD BDT BEF BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN
        BZD CAD CDF CHE CHF CHW CLF CLP CNH CNY COP COU CRC CUC CUP CVE CYP CZK DEM DJF DKK DOP DZD EEK EGP ERN ESP
        ETB EUR FIM FJD FKP FRF GBP GEL GGP GHS GIP GMD GNF GRD GTQ GYD HKD HNL HRK HTG HUF IDR IEP ILS INR IQD IRR
        ISK ITL JEP JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LTL LUF LVL LYD MAD MDL MGA
        MKD MMK MNT MOP MRO MRU MTL MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NLG NOK NPR NZD OMR PAB PEN PGK PHP PKR
        PLN PRB PTE PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SKK SLE SLL SOS SRD SSP STD STN SVC SYP SZL
        THB TJS TMT TND TRY TTD TVD TWD TZS UAH UGX USD USN UYI UYU UZS VEF VES VND VUV WST XAF XAG XAU XBA XBB XBC
        XBD XCD XCG XDR XOF XPD XPF XPT XSU XUA YER ZAR ZMK ZMW ZWD ZWG ZWL', '\s+')
$$;
comment on function currency_codes() is 'Currencies (ISO 4217, some of the past) that prices are read in';
create or replace function currency_refusal(code text) returns text
language sql stable
as $$
    select did_you_mean(code, currency_codes()) || 'Write an ISO 4217 code such as EUR, USD or GBP.'
     where code ~ '^[A-Z]{3}$' and not code = any (currency_codes())
$$;
comment on function currency_refusal(text) is 'What to write instead of a currency that no price is read in; null for one that is';
create or replace function upstream_hint(wanted text) returns text
language sql stable
as $$
    select did_you_mean(wanted, array_agg(name::text)) || 'Upstreams: ' || coalesce(string_agg(name, ', ' order by name), 'none yet')
      from upstream
$$;
comment on function upstream_hint(text) is 'The upstreams, for whoever named one that is not there';
create or replace function category_removed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- With a site its ads go too.
    if exists (select from site where site.name = old.site) then
        with gone as (
            update listing set status = 'expired', changed_at = clock_timestamp()
             where category_id = old.id and status = 'active'
            returning id
        )
        insert into listing_status_change (listing_id, status, before) select id, 'expired', 'active' from gone;
    end if;
    return old;
end
$$;
comment on function category_removed() is 'Trigger: ads of a category that is removed expire, because nobody looks at them any more';
create or replace trigger category_removed
    before delete on category
    for each row execute function category_removed();
create or replace function sendable_channels() returns setof text
language sql stable
as $$
    select c.name from channel c cross join lateral channel_room(c.name) room
     where c.enabled and room.free_at <= clock_timestamp()
       and exists (select from notice n where n.channel = c.name and n.state in ('waiting', 'sending'))
     order by c.name
$$;
comment on function sendable_channels() is 'Enabled channels with notices, without those that wait at their limit of messages an hour';
create or replace function ask_for_sending() returns boolean
language plpgsql
as $$
begin
    insert into run_request (action, schedule, by_system, note)
    select 'run', name, true, 'notices wait' from schedule
     where name = 'send-notices' and exists (select from sendable_channels());
    return found;
end
$$;
comment on function ask_for_sending() is 'Request a run of send-notices, if a channel with notices may send now; whether it did';
create or replace function audit() returns trigger
language plpgsql security definer
set search_path = public, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres'
as $$
declare
    keys constant text[] := array(select attname::text from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
                                   where i.indrelid = tg_relid and i.indisprimary order by a.attnum);
    operation constant uuid := nullif(current_setting('app.operation', true), '')::uuid;
    undone constant bigint := nullif(current_setting('app.undo_of', true), '')::bigint;
    is_one boolean;
begin
    if tg_op = 'INSERT' then
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), 'insert', null, row_values(n), actor(),
               current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as n from new_rows r) rows, row_key(n, keys) k;
    elsif tg_op = 'DELETE' then
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), 'delete', row_values(o), null, actor(),
               current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as o from old_rows r) rows, row_key(o, keys) k;
    else
        -- Of several rows those whose key changed are some that went and some that came; one alone was renamed.
        is_one := (select count(*) from old_rows) = 1;
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), case when o is null then 'insert' when n is null then 'delete' else 'update' end,
               case when n is null then row_values(o) else before end,
               case when o is null then row_values(n) else after end,
               actor(), current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as o, case when not is_one then row_key(to_jsonb(r), keys) end as key from old_rows r) olds
          full join (select to_jsonb(r) as n, case when not is_one then row_key(to_jsonb(r), keys) end as key from new_rows r) news
               on coalesce(olds.key, '{}') = coalesce(news.key, '{}'),
               lateral (select row_key(coalesce(n, o), keys) as k) k,
               lateral (select case when o is not null then row_difference(o, coalesce(n, '{}')) end as before,
                               case when n is not null then row_difference(n, coalesce(o, '{}')) end as after) differ
         where before is distinct from after and (before <> '{}' or after <> '{}');
    end if;
    -- Open pages of the console look again.
    perform pg_notify('watchkeeper_change', tg_table_name);
    return null;
end
$$;
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
create or replace function rules_left_unread() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into run_request (action, schedule, by_system, note)
    select 'run', name, true, 'rules were edited during a pause' from schedule
     where name = 'check-rules'
       and exists (select from rule r left join rule_state s on s.rule = r.name where s.revision is distinct from r.revision);
    return null;
end
$$;
comment on function rules_left_unread() is 'Trigger: rules that were edited during a pause are parsed when it ends';
create or replace function rule_disabled() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update notice n set state = 'dropped', answer = 'the rule was disabled'
      from match m where m.id = n.match_id and m.rule = new.name and n.state = 'waiting';
    return null;
end
$$;
comment on function rule_disabled() is 'Trigger: what waits of a rule that is disabled is not sent';
create or replace trigger rule_disabled after update of enabled on rule
    for each row when (old.enabled and not new.enabled) execute function rule_disabled();
create or replace trigger rules_left_unread after update on pause_switch
    for each row when (old.paused and not new.paused) execute function rules_left_unread();
create or replace trigger rules_left_unread after update on schedule
    for each row when (new.name = 'check-rules' and new.enabled and coalesce(new.paused_until, '-infinity') <= clock_timestamp())
    execute function rules_left_unread();
create or replace view rule_status as
select r.name, r.subject, r.expression,
       case when not r.enabled then 'disabled'
            when s.revision is distinct from r.revision then 'not yet read'
            when s.error is not null then 'wrong: ' || s.error
            else 'active' end as state,
       case when s.revision = r.revision and s.error is not null
            then left(r.expression, s.error_at) || ' ⟶ ' || substr(r.expression, s.error_at + 1) end as wrong_at,
       case when s.revision = r.revision then s.hint end as hint,
       (select count(*) from match m where m.rule = r.name) as matches,
       (select max(m.matched_at) from match m where m.rule = r.name) as last_match_at,
       case when r.channels is null then 'every channel' when r.channels = '{}' then 'none'
            else (select string_agg(one || case when c.enabled then '' else ' (disabled)' end, ', ' order by place)
                    from unnest(r.channels) with ordinality named(one, place) left join channel c on c.name = one) end as channels,
       r.note
  from rule r left join rule_state s on s.rule = r.name
 order by r.name;
create or replace function follow_incidents() returns table (opened integer, closed integer)
language plpgsql set lock_timeout = '1s'
as $$
declare
    one record;
    outcome text;
    told integer := 0;
    began constant timestamptz := clock_timestamp();
    -- Read once: it looks at all that is late, held and low.
    broken constant trouble[] := array(select t from trouble t);
begin
    opened := 0;
    closed := 0;
    for one in
        insert into incident (kind, subject, title, text)
        select t.kind, t.subject, t.title, coalesce(t.text, '') from unnest(broken) t
         where not exists (select from incident i where i.kind = t.kind and i.subject = t.subject and i.closed_at is null)
         order by t.kind, t.subject
            on conflict (kind, subject) where closed_at is null do nothing
        returning *
    loop
        opened := opened + 1;
        told := told + tell_incident('incident ' || one.id, one.kind, one.subject, one.title, one.text);
    end loop;
    for one in
        update incident i set closed_at = clock_timestamp()
         where i.closed_at is null
           -- What another beat has opened meanwhile may have broken meanwhile.
           and i.opened_at < began
           and not exists (select from unnest(broken) t where t.kind = i.kind and t.subject = i.subject)
           and not incident_goes_on(i.kind, i.subject)
        returning *
    loop
        closed := closed + 1;
        outcome := incident_outcome(one.kind, one.subject);
        told := told + tell_incident(
            'recovery ' || one.id, one.kind, one.subject,
            case when outcome is null then 'Recovered: ' else 'Over: ' end || one.title,
            coalesce(upper(left(outcome, 1)) || substr(outcome, 2) || '. ', '') || 'It lasted '
            || duration_words(date_trunc('second', one.closed_at - one.opened_at)) || '.');
    end loop;
    if told > 0 then
        perform ask_for_sending();
    end if;
    return next;
end
$$;
