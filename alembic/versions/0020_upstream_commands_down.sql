drop function retry_run(uuid, text, boolean);
drop function retry_run(text, text, boolean);

create or replace function retry_run(run text, reason text default null) returns text language plpgsql
as $$
declare
    wanted uuid;
    asked run_request;
begin
    perform require_operator('run_request', 'insert into');
    wanted := run_named(run);
    insert into run_request (action, run_id, note) values ('retry', wanted, reason) returning * into asked;
    return format('Run %s is requested: %s again, with the same options.', short_id(asked.new_run_id), run_words(wanted));
end
$$;
comment on function retry_run(text, text) is 'Run a run again with the same options; a schedule''s name stands for its last run';

create or replace function retry_run(run uuid, reason text default null) returns text language sql
as $$ select retry_run(run::text, reason) $$;
comment on function retry_run(uuid, text) is 'Run a run again, by the id that a column holds: SELECT retry_run(id) FROM recent_failures;';

create or replace function unblock(upstream_name text, why text default null) returns text
language plpgsql
as $$
declare
    kept upstream;
begin
    perform require_operator('upstream', 'change');
    select * into kept from upstream where name = upstream_name;
    if kept.name is null then
        raise exception 'no upstream named "%"', upstream_name
            using errcode = 'P0002',
                  hint = did_you_mean(upstream_name, (select array_agg(name) from upstream)) || 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    if not kept.enabled then
        raise exception 'upstream "%" is disabled, not blocked', kept.name
            using hint = format('UPDATE upstream SET enabled = true WHERE name = %L;', kept.name);
    end if;
    if not exists (select from upstream_state where upstream = kept.name and blocked_until > clock_timestamp()) then
        return format('Upstream %s is not blocked.', kept.name);
    end if;
    update upstream set unblocked_at = clock_timestamp(), note = coalesce(why, note) where name = kept.name
    returning * into kept;
    return format('%s is unblocked; one call tries first.', kept.name);
end
$$;
comment on function unblock(text, text) is
    'Lift the block of an upstream before its time; one call tries first: SELECT unblock(''head_fi'', ''they said we may'');';

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
            using errcode = 'P0002', hint = 'SELECT id, what, change FROM recent_changes LIMIT 20;';
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
            using errcode = 'WK412', hint = 'Make the edit by hand; recent_changes has the values of before.';
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
comment on function undo_change(bigint) is
    'Undo a change by a new edit; refused where its columns were changed since: SELECT undo_change(1841);';

create or replace function quota_check() returns trigger
language plpgsql
as $$
begin
    if new.calls < 1 then
        raise exception 'calls = % is not allowed for %', new.calls, new.upstream
            using errcode = '23514', column = 'calls',
                  hint = format('calls must be 1 or more; to stop calls disable the upstream: UPDATE upstream SET enabled = false WHERE name = %L;', new.upstream);
    end if;
    if extract(year from new.per) <> 0 or extract(month from new.per) <> 0 then
        raise exception 'per = % has months or years, which have no fixed length', new.per
            using errcode = '23514', column = 'per', hint = 'per: no months or years, write 30 days.';
    end if;
    if new.per <= interval '0' then
        raise exception 'per = % is not a length of time', new.per
            using errcode = '23514', column = 'per', hint = 'per must be longer than zero, e.g. per = ''1 minute''.';
    end if;
    if new.per > interval '31 days' then
        raise exception 'per = % is too long', new.per
            using errcode = '23514', column = 'per', hint = 'per is at most 31 days: older calls are forgotten.';
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

comment on function quota_check() is 'Trigger: refuses an invalid limit, with a hint';

create or replace trigger quota_check
    before insert or update on quota
    for each row execute function quota_check();

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
                  hint = format('concurrency must be 1 or more; to stop calls: UPDATE upstream SET enabled = false WHERE name = %L;', new.name);
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

comment on function upstream_check() is 'Trigger: refuses an upstream that cannot be called, with a hint';

create or replace trigger upstream_check
    before insert or update on upstream
    for each row execute function upstream_check();

create or replace view quota_status as
select u.name as upstream,
       case when q.timezone is null then duration_words(q.per) else 'day of ' || q.timezone end as per,
       used.calls as used, q.calls as allowed,
       round(100.0 * used.calls / q.calls) || ' %' as share,
       in_words(case when used.calls = 0 then null
                     when q.timezone is null then used.oldest + q.per
                     else window_free(null, q.per, q.timezone, clock_timestamp()) end) as resets,
       waiting.batches as waiting, waiting.who as who_waits,
       case when s.blocked_until > clock_timestamp() then s.blocked_until end as blocked_until,
       case when not u.enabled then 'disabled' || coalesce(': ' || u.note, '')
            when s.blocked_until > clock_timestamp() then s.blocked_reason end as blocked_because,
       case when s.blocked_until > clock_timestamp() then 'open'
            when s.failures > 0 and s.blocked_until is not null then 'half open'
            else 'closed' end as breaker,
       s.next_permit_at, s.next_permit_reason, s.failures, q.per as per_interval, q.paced
  from (select clock_timestamp() as now_) clock
 cross join upstream u
  join upstream_state s on s.upstream = u.name
  left join quota q on q.upstream = u.name
  cross join lateral window_start(q.per, q.timezone, clock.now_) as begins
  cross join lateral (select count(*) as calls, min(p.stamp) as oldest from permit p
                       where p.upstream = u.name and p.stamp > begins
                         and p.granted_at > begins - max_permit_lease()) used
  cross join lateral (select count(*) as batches,
                             string_agg(distinct coalesce(r.schedule, r.task), ', ') as who
                        from batch b join run r on r.id = b.run_id
                       where b.waiting_for = u.name and b.state in ('waiting', 'sent')) waiting
 order by u.name, q.per;
comment on view quota_status is
    'How much of each upstream''s limits is used, who waits, what is blocked and why (breaker: closed lets calls through)';

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
select 'tripped', s.name, s.name || ' paused itself', st.tripped_reason, 'error', st.tripped_at
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
select 'set aside', s.name, s.name || ' is set aside: beat cannot plan it', st.error, 'error', st.error_at
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
       || ' ready, the oldest made ' || sign_words(clock_timestamp() - waiting.oldest), 'error', waiting.oldest
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
       || to_char(u.blocked_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC; sooner: SELECT unblock(''' || u.upstream || ''', ''why'');', 'error', null
  from upstream_state u where u.blocked_until > clock_timestamp() and u.failures >= 2
union all
select 'rule wrong', r.name, 'rule ' || r.name || ' cannot be read and matches nothing',
       s.error || coalesce('; ' || s.hint, ''), 'error', s.checked_at
  from rule r join rule_state s on s.rule = r.name and s.revision = r.revision
 where r.enabled and s.error is not null
union all
select 'partitions', p.table_name, 'table ' || p.table_name || ' lacks partitions',
       p.problem || '; the schedule retention makes them: SELECT run_now(''retention'');', p.severity, null
  from partition_troubles() p;
comment on view trouble is
    'What is broken at the moment of reading; beat sends one notice when it breaks and one when it is over';
comment on column trouble.kind is
    'failing, tripped, late, set aside, paused, beat silent, worker silent, queue unserved, notices held, notices dead, quota low, blocked, rule wrong, partitions';
comment on column trouble.subject is 'Schedule, process, queue, channel, upstream or rule';
comment on column trouble.severity is 'error: schedule status and doctor exit 1; warning: it ends by itself';
comment on column trouble.since is 'Since when, as far as is known';
