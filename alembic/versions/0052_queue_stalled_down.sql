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
), unserved as materialized (
    select queue from task_kind where retired_at is null
     union select queue from schedule where queue is not null
    except select jsonb_array_elements_text(queues) from sign where role = 'worker' and alive
), idle as materialized (
    -- Whose kinds or rows have an enabled schedule.  In an order that only the index of kinds has: of a kind without any
    -- schedule one look into it says so.
    select u.queue from unserved u
     where exists (select from schedule s where s.queue = u.queue and s.enabled)
        or exists (select from task_kind k where k.queue = u.queue
                      and (select s.enabled from schedule s where s.task = k.name order by s.enabled desc limit 1))
), given_up as materialized (
    select schedule, last_run_at from schedule_state where last_state = 'expired' and exists (select from idle)
), expired as materialized (
    -- A run that expires sooner than in 30 seconds is never seen waiting for so long.  All queues at once, from the runs
    -- on: where workers are overloaded, thousands expire in queues that are served.
    select coalesce(s.queue, k.queue) as queue, count(*) as number, min(g.last_run_at) as oldest, max(g.last_run_at) as latest
      from given_up g join at_work s on s.name = g.schedule join task_kind k on k.name = s.task
     where coalesce(s.queue, k.queue) in (select queue from idle)
     group by 1
), late as materialized (
    select st.schedule, st.claim_at, count(*) over () as number
      from (select schedule, claim_at from schedule_state
             where claim_at < statement_timestamp() - interval '1 minute' and tripped_at is null and error is null
               -- Beat knows that none is due since before that: dead entries of the index are passed by.
               and claim_at >= coalesce(nullif(current_setting('watchkeeper.none_due_before', true), '')::timestamptz, '-infinity')
             order by claim_at limit 1000) st
      join at_work s on s.name = st.schedule
     where not (select paused from pause_switch)
), late_together as materialized (
    -- Many have one cause; they stay one incident until few are left.
    select number > 20 or number > 5 and exists (select from incident i where i.kind = 'many late' and i.closed_at is null) as yes
      from late limit 1
)
select 'failing' as kind, s.name as subject,
       s.name || ' failed' || case when st.consecutive_failures > 1 then ' ' || st.consecutive_failures || ' times in a row' else '' end as title,
       coalesce(case when last.state = 'partial' then last.failed || ' of ' || count_words(last.total, 'item') || ' failed: ' else '' end
                || coalesce(last.error, last.reason), 'no reason kept') as text,
       'error' as severity, coalesce(st.failing_since, last.finished_at) as since
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
select 'late', l.schedule, l.schedule || ' is late',
       'due ' || to_char(l.claim_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC and not begun; is a beat running?',
       'error', l.claim_at
  from late l where not (select yes from late_together)
union all
select 'many late', 'schedules', case when max(l.number) < 1000 then max(l.number)::text else '1000 or more' end || ' schedules are late',
       'the first was due ' || to_char(min(l.claim_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
       || ' UTC: no beat runs, or more comes due than it can claim; to see the first: '
       || how_to('SELECT schedule, claim_at FROM schedule_state ORDER BY claim_at LIMIT 20;', 'schedule status'),
       'error', min(l.claim_at)
  from late l where (select yes from late_together) having count(*) > 0
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
                'there was never a heartbeat') || '; no run starts and no notice is sent until a beat runs that reaches Redis',
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
       case when waiting.oldest is null or waiting.oldest >= clock_timestamp() - interval '30 seconds'
                then 'the last run of ' || count_words(expired.number, 'schedule') || ' expired, the latest '
                     || sign_words(clock_timestamp() - expired.latest)
            else case waiting.number when 1 then '1 batch is' when 1000 then '1000 or more batches are' else waiting.number || ' batches are' end
                 || ' ready, the oldest made ' || sign_words(clock_timestamp() - waiting.oldest) end
       || '; start a worker with -Q ' || unserved.queue, 'error', coalesce(waiting.oldest, expired.oldest)
  from unserved left join expired on expired.queue = unserved.queue
 cross join lateral (
     select count(*) as number, min(due.created_at) as oldest
       from (select b.created_at from batch b
              where b.queue = unserved.queue and (b.state = 'sent' or b.state = 'waiting' and b.send_at <= clock_timestamp())
                and coalesce(b.not_before <= clock_timestamp(), true)
              limit 1000) due) waiting
 where waiting.oldest < clock_timestamp() - interval '30 seconds' or expired.number > 0
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
comment on view trouble is
    'What is broken at the moment of reading; beat sends one notice when it breaks and one when it is over';
comment on column trouble.kind is
    'failing, tripped, late, many late, set aside, paused, beat silent, worker silent, queue unserved, notices held, notices dead, quota low, blocked, rule wrong, partitions';
comment on column trouble.subject is 'Schedule, process, queue, channel, upstream or rule';
comment on column trouble.severity is 'error: schedule status and doctor exit 1; warning: it ends by itself';
comment on column trouble.since is 'Since when, as far as is known';
