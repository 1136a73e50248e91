create or replace function backfill_check(s schedule, first timestamptz, last timestamptz, overlap text) returns void
language plpgsql stable
as $$
declare
    known date := (select min(session_date) from market_session where mic = s.calendar);
    number integer;
begin
    if s.every is null and (s.cron is null or sun_event(s.cron) is not null) then
        raise exception 'schedule "%" has no due times to backfill', s.name
            using errcode = '23514', hint = case when s.cron is null then 'Only schedules with every or cron can be backfilled; '
                                                 else 'Past due times by the sun are not known; ' end || 'to run it once: '
                         || how_to(format('SELECT run_now(%L);', s.name), 'schedule run ' || s.name);
    elsif not isfinite(first) or not isfinite(last) or last < first then
        raise exception 'a backfill must end after it starts, not from % to %', first, last
            using errcode = '23514', column = 'backfill_until', hint = 'Both ends are included.';
    elsif overlap not in ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all') then
        raise exception 'there is no overlap policy "%"', overlap
            using errcode = '23514', column = 'overlap',
                  hint = did_you_mean(overlap, array['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all'])
                         || 'One of skip, buffer_one, buffer_all, cancel_other, allow_all.';
    elsif s.calendar is not null and (known is null or first < known) then
        raise exception 'trading days of % are known %', s.calendar,
                        coalesce('from ' || known || ' on, not at ' || to_char(first, 'YYYY-MM-DD'), 'not at all yet')
            using errcode = '23514', column = 'backfill_from',
                  hint = coalesce(format('Begin at %s or later.', known), 'Run the task tasks.upkeep.sessions first.');
    end if;
    number := cardinality(backfill_dues(s, first, last));
    if number = 0 then
        raise exception 'schedule "%" has no due time from % to %', s.name, first, last
            using errcode = '23514', column = 'backfill_from',
                  hint = format('It runs %s. Both ends are included.', schedule_words(s));
    elsif number > 10000 then
        raise exception 'a backfill of more than 10000 runs is refused'
            using errcode = '23514', column = 'backfill_until', hint = 'Request shorter ranges, one after the other.';
    end if;
end
$$;

create or replace function run_request_check() returns trigger
language plpgsql
as $$
declare
    asked schedule;
begin
    if guarded_role(tg_relid) is not null then
        -- Who asked, and the answer, are not for people to write.
        new.requested_by := actor();
        new.program := current_setting('application_name');
        new.requested_at := clock_timestamp();
        new.answered_at := null;
        new.answer := null;
        new.answer_run_id := null;
        new.next_due_at := null;
    end if;
    -- The run that comes of it is known by its id before beat has answered.
    new.new_run_id := case when new.action in ('run', 'retry') then gen_random_uuid() end;
    if new.schedule is not null then
        asked := schedule_named(new.schedule);
        if new.options is not null then
            perform options_check(asked.task, asked.options || new.options,
                                  (select options_schema from task_kind where name = asked.task));
        end if;
        if new.action = 'backfill' and new.backfill_from is not null and new.backfill_until is not null then
            perform backfill_check(asked, new.backfill_from, new.backfill_until, coalesce(new.overlap, 'buffer_all'));
        end if;
    elsif new.run_id is not null and not exists (select from run where id = new.run_id) then
        raise exception 'no run with id %', new.run_id
            using errcode = 'P0002', hint = 'The last runs: ' || how_to('SELECT id, name FROM recent_runs LIMIT 10;', 'schedule runs');
    end if;
    return new;
end
$$;

create or replace function quota_check() returns trigger
language plpgsql
as $$
begin
    if new.calls < 1 then
        raise exception 'calls = % is not allowed for %', new.calls, new.upstream
            using errcode = '23514', column = 'calls',
                  hint = 'calls must be 1 or more; to stop calls disable the upstream: '
                         || how_to(format('UPDATE upstream SET enabled = false WHERE name = %L;', new.upstream),
                                   format('upstream set %s --disabled', new.upstream));
    end if;
    if extract(year from new.per) <> 0 or extract(month from new.per) <> 0 then
        raise exception 'per = % has months or years, which have no fixed length', new.per
            using errcode = '23514', column = 'per', hint = 'per takes no months or years, write 30 days.';
    end if;
    if new.per <= interval '0' then
        raise exception 'per = % is not a length of time', new.per
            using errcode = '23514', column = 'per', hint = 'per must be longer than zero, e.g. per = ''1 minute''.';
    end if;
    if new.per > interval '31 days' then
        raise exception 'per = % is too long', new.per
            using errcode = '23514', column = 'per', hint = 'per is at most 31 days: calls are counted no longer than that.';
    end if;
    if new.timezone is not null then
        if new.per <> interval '1 day' then
            raise exception 'per = % is not a calendar day', new.per
                using errcode = '23514', column = 'per',
                      hint = 'A quota with a timezone counts calendar days: per must be 1 day. For a rolling window: timezone = NULL.';
        end if;
        perform schedule_check_timezone(new.timezone);
    end if;
    if not exists (select from upstream where name = new.upstream) then
        raise exception 'no upstream named "%"', new.upstream
            using errcode = '23503', column = 'upstream',
                  hint = did_you_mean(new.upstream, (select array_agg(name) from upstream)) || 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    return new;
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
                  hint = 'spacing cannot be negative and is at most 1 day, e.g. ''2 seconds''. For longer pauses add a quota, e.g. calls = 1, per = ''3 days''.';
    end if;
    return new;
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

create or replace function undo_change(change_id bigint) returns change
language plpgsql
set timezone = 'UTC' set intervalstyle = 'postgres'
as $$
declare
    c change;
    target regclass;
    condition text;
    columns text;
    now_there jsonb;
    differ text;
    made change;
begin
    select * into c from change where id = change_id;
    if c.id is null then
        raise exception 'no change with id %', change_id
            using errcode = 'P0002', hint = 'The last changes: ' || how_to('SELECT id, what, change FROM recent_changes LIMIT 20;', 'schedule changes');
    end if;
    select tgrelid into target from pg_trigger
     where tgname = 'audit_updated' and tgrelid = to_regclass(format('public.%I', c.table_name));
    if target is null then
        raise exception 'a change of % cannot be undone here', c.table_name
            using errcode = '42501', hint = 'Ask an owner.';
    end if;
    perform require_operator(target, 'change');
    select string_agg(format('t.%1$I is not distinct from (jsonb_populate_record(null::%2$s, $1)).%1$I', name, target), ' and ')
      into condition from jsonb_object_keys(c.key) name;
    execute format('select to_jsonb(t) from %s t where %s for update', target, condition) into now_there using c.key;
    if c.action = 'delete' then
        differ := case when now_there is not null then 'it is there again' end;
    elsif now_there is null then
        differ := 'it is no longer there';
    else
        -- What was not kept was null.
        select 'changed since: ' || string_agg(name, ', ' order by name) into differ
          from jsonb_object_keys(case c.action when 'insert' then row_difference(now_there, '{}') else c.new end) name
         where coalesce(now_there -> name, 'null') is distinct from coalesce(c.new -> name, 'null');
    end if;
    if differ is not null then
        raise exception '% "%" cannot be undone: %', c.table_name, c.name, differ
            using errcode = 'WK412', hint = 'Make the edit by hand. The earlier values: ' || how_to(format('SELECT old, new FROM recent_changes WHERE id = %s;', c.id), 'schedule changes');
    end if;
    perform set_config('app.undo_of', c.id::text, true);
    if c.action = 'insert' then
        execute format('delete from %s t where %s', target, condition) using c.key;
    else
        select string_agg(quote_ident(a.attname), ', '), string_agg('r.' || quote_ident(a.attname), ', ')
          into columns, differ
          from pg_attribute a
         where a.attrelid = target and a.attgenerated = '' and c.old ? a.attname::text;
        execute case c.action
            when 'update' then format('update %1$s t set (%2$s) = (select %3$s from jsonb_populate_record(null::%1$s, $2) r) where %4$s',
                                      target, columns, differ, condition)
            else format('insert into %1$s (%2$s) overriding system value select %3$s from jsonb_populate_record(null::%1$s, $2) r',
                        target, columns, differ) end
          using c.key, c.old;
    end if;
    perform set_config('app.undo_of', '', true);
    select * into made from change where undo_of = c.id order by id desc limit 1;
    return made;
end
$$;

create or replace function partition_troubles(out table_name text, out problem text, out severity text)
returns setof record
language plpgsql stable security definer
set search_path = public, pg_temp
as $$
declare
    rules partitioned_table;
    outside boolean;
begin
    for rules in select * from partitioned_table
    loop
        table_name := rules.name;
        execute format('select exists (select from history.%I)', rules.name || '_default') into outside;
        severity := 'warning';
        if outside then
            problem := 'its default partition holds rows, because no other partition covers their time';
            return next;
        end if;
        if not exists (select from partitions_of(rules.name) p where p.ends > clock_timestamp() + rules.ahead / 2) then
            problem := 'partitions for the time ahead are missing';
            return next;
        end if;
    end loop;
end
$$;

create or replace view trouble as
-- Kind and subject name an incident; paused and disabled schedules are silent.
with sign as materialized (
    select h.name, h.role, split_part(h.name, '@', 1) as "group", h.started_at, h.seen_at, h.detail -> 'queues' as queues,
           h.seen_at > clock_timestamp() - interval '30 seconds' as alive
      from heartbeat h
     where h.seen_at > clock_timestamp() - interval '1 day' and not h.detail ? 'ended'
), silent as materialized (
    select s.*, case when s.role = 'beat' then exists (select from sign b where b.role = 'beat' and b.alive)
                else not exists (select from jsonb_array_elements_text(s.queues) q(queue)
                                  where not exists (select from sign w where w.role = 'worker' and w.alive and w.queues ? q.queue))
                end as covered
      from sign s
     where not s.alive
       -- A process of its group, or for its queues, that began after its last heartbeat took its place; each takes one place.
       and (select count(*) from sign n
             where n.alive and n.role = s.role and (n."group" = s."group" or n.queues @> s.queues) and n.started_at > s.seen_at)
           < (select count(*) from sign o
               where not o.alive and o.role = s.role and (o."group" = s."group" or o.queues @> s.queues) and o.seen_at >= s.seen_at)
), at_work as not materialized (
    select s.* from schedule s
     where s.enabled and not coalesce(s.paused_until > statement_timestamp(), false)
)
select 'failing' as kind, s.name as subject,
       s.name || ' failed' || case when st.consecutive_failures > 1 then ' ' || st.consecutive_failures || ' times in a row' else '' end as title,
       coalesce(case when last.state = 'partial' then last.failed || ' of ' || count_words(last.total, 'item') || ' failed: ' else '' end
                || coalesce(last.error, last.reason), 'no reason kept') as text,
       'error' as severity, last.finished_at as since
  from at_work s join schedule_state st on st.schedule = s.name
  left join lateral (select * from run r where r.schedule = s.name and r.state in ('failed', 'partial')
                       and run_is_failure(r, s.alert_on_partial) order by r.created_at desc limit 1) last on true
 where st.tripped_at is null and st.consecutive_failures > 0 and st.consecutive_failures >= s.alert_after
union all
select 'tripped', s.name, s.name || ' paused itself',
       st.tripped_reason || '; to resume it: ' || how_to(format('SELECT resume(%L);', s.name), 'schedule resume ' || s.name),
       'error', st.tripped_at
  from at_work s join schedule_state st on st.schedule = s.name
 where st.tripped_at is not null
union all
select 'late', s.name, s.name || ' is late',
       'due ' || to_char(st.claim_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC and not begun; is a beat running?',
       'error', st.claim_at
  from at_work s join schedule_state st on st.schedule = s.name
 where st.tripped_at is null and st.error is null
   and not (select paused from pause_switch) and st.claim_at < statement_timestamp() - interval '1 minute'
union all
select 'set aside', s.name, s.name || ' is set aside: beat cannot plan it',
       st.error || '; beat tries again after any edit of the schedule', 'error', st.error_at
  from at_work s join schedule_state st on st.schedule = s.name where st.error is not null
union all
select 'paused', 'everything', 'everything is paused',
       'by ' || coalesce(p.changed_by, 'somebody')
       || coalesce(' since ' || to_char(p.changed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', '')
       || ': ' || coalesce(p.note, 'no reason given') || '; to end it: ' || how_to('SELECT resume_all();', 'schedule resume --all'),
       'error', p.changed_at
  from pause_switch p where p.paused
union all
select 'beat silent', 'beat', 'no beat runs',
       coalesce('the last heartbeat was ' || last.name || '''s, ' || sign_words(clock_timestamp() - last.seen_at),
                'there was never a heartbeat') || '; no run starts and no notice is sent until a beat runs',
       'error', last.seen_at
  from (select) always
  left join lateral (select h.name, h.seen_at from heartbeat h where h.role = 'beat' order by h.seen_at desc limit 1) last on true
 where not exists (select from sign where role = 'beat' and alive)
union all
select 'beat silent', s.name, 'beat ' || s.name || ' is silent',
       'last heartbeat ' || sign_words(clock_timestamp() - s.seen_at) || '; another beat runs', 'error', s.seen_at
  from silent s where s.role = 'beat' and s.covered and s.seen_at > clock_timestamp() - interval '1 hour'
union all
select 'worker silent', s.name, 'worker ' || s.name || ' is silent',
       'last heartbeat ' || sign_words(clock_timestamp() - s.seen_at) || '; its queues: '
       || coalesce((select string_agg(queue, ', ' order by queue) from jsonb_array_elements_text(s.queues) queue), 'none')
       || case when s.covered then ', which other workers serve too' else '' end,
       'error', s.seen_at
  from silent s
 where s.role = 'worker' and (not s.covered or s.seen_at > clock_timestamp() - interval '1 hour')
union all
select 'queue unserved', unserved.queue, 'no worker serves the queue ' || unserved.queue,
       case waiting.number when 1 then '1 batch is' when 1000 then '1000 or more batches are' else waiting.number || ' batches are' end
       || ' ready, the oldest made ' || sign_words(clock_timestamp() - waiting.oldest)
       || '; start a worker with -Q ' || unserved.queue, 'error', waiting.oldest
  from (select queue from task_kind where retired_at is null
        union select queue from schedule where queue is not null
        except select jsonb_array_elements_text(queues) from sign where role = 'worker' and alive) unserved
 cross join lateral (
     select count(*) as number, min(due.created_at) as oldest
       from (select b.created_at from batch b
              where b.queue = unserved.queue and (b.state = 'sent' or b.state = 'waiting' and b.send_at <= clock_timestamp())
                and coalesce(b.not_before <= clock_timestamp(), true)
              limit 1000) due) waiting
 where waiting.oldest < clock_timestamp() - interval '30 seconds'
union all
select 'notices held', c.name,
       case when room.free_at > clock_timestamp() then c.name || ' is near its limit of messages an hour'
            else 'notices for ' || c.name || ' are not sent' end,
       waiting.number || ' waiting; ' ||
       case when room.free_at > clock_timestamp()
            then 'messages in the last hour: ' || room.used || ' of ' || c.max_per_hour || '; one with all waiting notices goes at '
                 || to_char(room.free_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
            else 'the oldest is from ' || ago_words(waiting.oldest)
                 || coalesce('; the server said: ' || waiting.answer, '; does the schedule send-notices run?') end,
       case when room.free_at > clock_timestamp() then 'warning' else 'error' end, waiting.oldest
  from channel c
 cross join lateral (
     select count(*) as number, min(n.created_at) as oldest, (array_agg(n.answer order by n.id) filter (where n.answer is not null))[1] as answer
       from notice n where n.channel = c.name and n.state in ('waiting', 'sending')) waiting
 cross join lateral channel_room(c.name) room
 where c.enabled and waiting.number > 0
   and (room.free_at > clock_timestamp() or waiting.oldest < clock_timestamp() - interval '5 minutes')
union all
select 'notices dead', n.channel, 'notices for ' || n.channel || ' were given up',
       count(*) || ' in the last day, the last because: ' || coalesce((array_agg(n.answer order by n.id desc))[1], 'no answer kept')
       || '; once that is fixed: ' || how_to('UPDATE notice SET state = ''waiting'' WHERE state = ''dead'';', 'notify resend'),
       'error', min(n.not_before)
  from notice n where n.state = 'dead' and n.not_before > clock_timestamp() - interval '1 day' group by n.channel
union all
select 'quota low', q.upstream || ' per ' || q.per, 'quota of ' || q.upstream || ' is nearly spent',
       q.used || ' of ' || case when q.per like 'day of %' then count_words(q.allowed, 'call') || ' a ' || q.per
                             else rate_words(q.allowed, q.per_interval) end || ' used', 'warning', null
  from quota_status q where q.per_interval >= interval '1 hour' and q.used >= 0.9 * q.allowed and q.allowed >= 10
union all
select 'blocked', u.upstream, u.upstream || ' is blocked',
       coalesce(u.blocked_reason, 'no reason kept') || '; no calls before '
       || to_char(u.blocked_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC; sooner: '
       || how_to('SELECT unblock(''' || u.upstream || ''', ''why'');', 'upstream unblock ' || u.upstream), 'error', null
  from upstream_state u where u.blocked_until > clock_timestamp()
   -- A short pause, the first in a row, is how limits work.
   and (u.failures >= 2 or u.blocked_until > clock_timestamp() + interval '5 minutes')
union all
select 'rule wrong', r.name, 'rule ' || r.name || ' cannot be read and matches nothing',
       s.error || coalesce('; ' || s.hint, ''), 'error', s.checked_at
  from rule r join rule_state s on s.rule = r.name and s.revision = r.revision
 where r.enabled and s.error is not null
union all
select 'partitions', p.table_name, 'table ' || p.table_name || ' lacks partitions',
       p.problem || '; the schedule retention makes them: ' || how_to('SELECT run_now(''retention'');', 'schedule run retention'), p.severity, null
  from partition_troubles() p;

-- The name of a CHECK is its message; no program looks for one.
-- squawk-ignore renaming-object
alter table watchlist_item rename constraint "symbol: capitals, e.g. AAPL, BRK.B, TSCO.LON" to "symbol must be in capitals, e.g. AAPL, BRK.B, TSCO.LON";
-- squawk-ignore renaming-object
alter table watchlist_item rename constraint "priority: 0 or more, lower goes first" to "priority must be 0 or more; lower goes first";
-- squawk-ignore renaming-object
alter table watchlist_item rename constraint "refresh_every is longer than nothing" to "refresh_every must be longer than 0";
-- squawk-ignore renaming-object
alter table watchlist_item rename constraint "refresh_every is at most 31 days, e.g. 5 minutes" to "refresh_every must be at most 31 days, e.g. 5 minutes";
-- squawk-ignore renaming-object
alter table transaction rename constraint "symbol: capitals, e.g. AAPL, BRK.B, TSCO.LON" to "symbol must be in capitals, e.g. AAPL, BRK.B, TSCO.LON";
-- squawk-ignore renaming-object
alter table transaction rename constraint "quantity: bought above, sold below nothing" to "quantity must be above 0 (bought) or below 0 (sold)";
-- squawk-ignore renaming-object
alter table transaction rename constraint "price must be more than nothing" to "price must be more than 0";
-- squawk-ignore renaming-object
alter table channel rename constraint "kind: discord, email, webhook or apprise" to "kind must be discord, email, webhook or apprise";
-- squawk-ignore renaming-object
alter table channel rename constraint "name: lower-case words and digits joined by hyphens" to "name must be lower-case words and digits joined by hyphens";
-- squawk-ignore renaming-object
alter table rule rename constraint "currency: three capitals such as EUR, or null (the site's)" to "currency must be three capitals, e.g. EUR, or null (the site's)";
-- squawk-ignore renaming-object
alter table rule rename constraint "grammar: 1 (as it was) or 2" to "grammar must be 1 (original) or 2 (extended)";
-- squawk-ignore renaming-object
alter table rule rename constraint "name: lower-case words and digits joined by hyphens" to "name must be lower-case words and digits joined by hyphens";
-- squawk-ignore renaming-object
alter table rule rename constraint "occasions: new, price_drop, relisted, changed" to "occasions must be of: new, price_drop, relisted, changed";
-- squawk-ignore renaming-object
alter table site rename constraint "currency is three capitals, such as USD" to "currency must be three capitals, e.g. USD";
-- squawk-ignore renaming-object
alter table site rename constraint "expire_after is from 1 to 100" to "expire_after must be from 1 to 100";
-- squawk-ignore renaming-object
alter table site rename constraint "fetch_by is http, or browser (pages that scripts draw)" to "fetch_by must be http, or browser (pages that scripts draw)";
-- squawk-ignore renaming-object
alter table site rename constraint "id_pattern needs a group: (...)" to "id_pattern must have a group: (...)";
-- squawk-ignore renaming-object
alter table site rename constraint "page_pause is from 0 to 1 hour" to "page_pause must be from 0 to 1 hour";
-- squawk-ignore renaming-object
alter table site rename constraint "site name: lower-case words and digits joined by _" to "name must be lower-case words and digits joined by _";
-- squawk-ignore renaming-object
alter table global_filter rename constraint "there is one row of global filters only" to "global_filter has one row only; update it";
-- squawk-ignore renaming-object
alter table pause_switch rename constraint "there is one switch only" to "pause_switch has one row only; update it";
-- squawk-ignore renaming-object
alter table run_request rename constraint "a backfill ends no earlier than it begins" to "backfill_until must not be before backfill_from";
-- squawk-ignore renaming-object
alter table run_request rename constraint "a backfill, and only it, has a range" to "backfill_from and backfill_until are for a backfill alone";
-- squawk-ignore renaming-object
alter table run_request rename constraint "action: run, backfill, stop, retry" to "action must be run, backfill, stop or retry";
-- squawk-ignore renaming-object
alter table run_request rename constraint "run and backfill name a schedule, stop and retry a run" to "schedule must be given for run and backfill alone";
-- squawk-ignore renaming-object
alter table run_request rename constraint "stop and retry name a run" to "run_id must be given for stop and retry alone";

comment on column schedule.title is 'Title for people';
comment on column schedule.at is 'Runs once, at this time';
comment on column schedule.note is 'Reason for these settings';
comment on column upstream.note is 'Reason for these settings';
comment on column channel.note is 'Reason for these settings';
comment on column worker_group.note is 'Reason for these settings';
comment on column upstream.base_url is 'Address; paths are added to it';
comment on column upstream_state.blocked_until is 'No calls before this time';
comment on column run.expires_at is 'A run that has not started by then expires';
comment on column run.counted is 'Whether beat has counted its end (failures in a row, schedules that run after it)';
comment on column run.created_at is 'When the run was decided on';
comment on column run_request.next_due_at is 'Where a long backfill continues';
comment on table quota is 'Limits of upstreams: at most calls in any window of length per.';
comment on column quota.timezone is 'Counts calendar days of this timezone; null: a rolling window';
comment on column pause_switch.paused is 'true: nothing is claimed';
comment on table incident is 'What broke, and when it recovered.';
comment on column incident.opened_at is 'When it was seen first';
comment on column transaction.quantity is 'Shares: above 0 bought, below 0 sold';
comment on table transaction is 'Our trades; prices of their symbols are kept fresh.';
comment on column watchlist_item.refresh_every is 'Maximum age of a price while the market is open';
comment on column rule.grammar is 'Language of the expression: 1 (original) or 2 (extended)';
comment on column site.selectors is 'CSS selectors of the parts of a card, or CSS@attribute; checked when saved';
comment on column category.path is 'Path of its first page; with {page} where the page number stands inside the path';
comment on column price_bar.source is 'Source of the prices';
comment on column price_bar.revised_at is 'When the source last changed these values';
comment on table price_bar is 'Daily bars by symbol and source; a revision overwrites them and sets revised_at.';
comment on column quote.source is 'Source of the price';
comment on column subject.plural is 'Plural of the name';
comment on column match.occasion_key is 'Tells occasions apart: each lower price, return or day is a new one';
comment on column listing.currency is 'Currency (ISO 4217); null beside a price: the currency is not known';
comment on column list_page.page is 'Number of the page, from 1';
comment on column scrape.cards is 'Ads on these pages';
comment on column scrape.started_at is 'When its first page was read';
comment on column token_sighting.chosen is 'Passed, and among the max_tokens with the greatest volume';
comment on table wallet is 'Wallets that were early in tokens that gained, with a score.';
comment on function require_operator(regclass, text) is 'Refuses a function to a viewer and says why: a viewer has no grant, so that no trigger fires';
comment on function how_to(text, text) is 'What to type: a command when a command asks, else SQL';
comment on function max_permit_lease() is 'Longest lease of a permit: stamp is at most so long after granted_at';
