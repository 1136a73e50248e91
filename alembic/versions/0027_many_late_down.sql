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
comment on view trouble is
    'What is broken at the moment of reading; beat sends one notice when it breaks and one when it is over';
comment on column trouble.kind is
    'failing, tripped, late, set aside, paused, beat silent, worker silent, queue unserved, notices held, notices dead, quota low, blocked, rule wrong, partitions';
comment on column trouble.subject is 'Schedule, process, queue, channel, upstream or rule';
comment on column trouble.severity is 'error: schedule status and doctor exit 1; warning: it ends by itself';
comment on column trouble.since is 'Since when, as far as is known';

create or replace function tell_incident(notice_key text, kind_of text, about text, title text, said text) returns integer
language plpgsql
as $$
declare
    told integer;
begin
    insert into notice (channel, key, content)
    select c.name, notice_key, jsonb_build_object('title', title, 'text', said)
      from channel c
     -- A channel gets no notice of its own trouble: it could not send that either.
     where c.enabled and c.incidents and not (kind_of like 'notices %' and c.name = about)
        on conflict do nothing;
    get diagnostics told = row_count;
    return told;
end
$$;

comment on function tell_incident(text, text, text, text, text) is
    'Write a notice for every enabled channel with incidents, once for each key; returns how many';

create or replace function incident_goes_on(kind text, subject text) returns boolean
language sql stable
as $$
    -- An upstream that is blocked again and again, or a quota around its edge, is one incident.
    select case kind
        when 'blocked' then exists (select from upstream_state u where u.upstream = subject and u.blocked_until > clock_timestamp())
        when 'quota low' then exists (select from quota_status q where q.upstream || ' per ' || q.per = subject and q.used >= 0.8 * q.allowed)
        else false end
$$;

comment on function incident_goes_on(text, text) is 'Whether an incident is not yet over although view trouble has no row of it';

create or replace function incident_outcome(kind text, subject text) returns text
language plpgsql stable
as $$
declare
    s schedule;
    st schedule_state;
begin
    if kind in ('failing', 'tripped', 'late', 'set aside') then
        select * into s from schedule where name = subject;
        select * into st from schedule_state where schedule = subject;
        return case
            when s.name is null then 'the schedule was deleted'
            when not s.enabled then 'the schedule was disabled' || coalesce(': ' || s.note, '')
            when s.paused_until > clock_timestamp() then 'the schedule was paused' || coalesce(': ' || s.pause_reason, '')
            when kind = 'tripped' then 'the schedule runs again; it has not succeeded yet'
            when kind = 'failing' and st.tripped_at is not null then 'the schedule paused itself'
            when kind = 'failing' and st.consecutive_failures > 0 then 'it is reported only after ' || s.alert_after || ' failures in a row now'
            when kind = 'late' and (select paused from pause_switch) then 'everything was paused'
            when kind = 'late' and st.error is not null then 'the schedule is set aside' end;
    elsif kind in ('beat silent', 'worker silent') and subject <> 'beat' and not exists (
            select from heartbeat h where h.name = subject and (h.seen_at > clock_timestamp() - interval '30 seconds'
                                                                or h.detail ? 'ended')) then
        return 'other processes do its work';
    elsif kind = 'blocked' and exists (select from upstream_state u where u.upstream = subject and u.failures > 0) then
        return 'it may be called again; no call has succeeded yet';
    end if;
    return null;
end
$$;

comment on function incident_outcome(text, text) is
    'How an incident ended when not by recovering: disabled, paused, replaced …; null: it recovered';

create or replace function follow_incidents() returns table (opened integer, closed integer)
language plpgsql set lock_timeout = '1s'
as $$
declare
    one record;
    outcome text;
    told integer := 0;
begin
    opened := 0;
    closed := 0;
    for one in
        insert into incident (kind, subject, title, text)
        select t.kind, t.subject, t.title, coalesce(t.text, '') from trouble t
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
           and not exists (select from trouble t where t.kind = i.kind and t.subject = i.subject)
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
        insert into run_request (action, schedule, by_system, note)
        select 'run', name, true, 'notices wait' from schedule where name = 'send-notices';
    end if;
    return next;
end
$$;

comment on function follow_incidents() is
    'Opens an incident for each row of view trouble, closes those that are over, and writes notices of both; beat calls it';
