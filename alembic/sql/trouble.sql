create or replace view trouble as
-- Kind and subject name an incident; paused and disabled schedules are silent.
select 'failing' as kind, s.name as subject,
       s.name || ' failed ' || st.consecutive_failures || ' times in a row' as title,
       coalesce((select coalesce(r.error, r.reason) from run r where r.schedule = s.name and r.state = 'failed'
                  order by r.due_at desc limit 1), 'no reason kept') as text
  from schedule s join schedule_state st on st.schedule = s.name
 where s.enabled and s.paused_until is null and st.tripped_at is null and st.consecutive_failures >= 3
union all
select 'tripped', s.name, s.name || ' paused itself', st.tripped_reason
  from schedule s join schedule_state st on st.schedule = s.name
 where s.enabled and st.tripped_at is not null
union all
select 'late', s.name, s.name || ' is late',
       'due ' || to_char(st.claim_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC and not begun; is a beat running?'
  from schedule s join schedule_state st on st.schedule = s.name
 where s.enabled and s.paused_until is null and st.tripped_at is null and st.error is null
   and not (select paused from pause_switch) and st.claim_at < clock_timestamp() - interval '5 minutes'
union all
select 'set aside', s.name, s.name || ' is set aside: beat cannot obey it', st.error
  from schedule s join schedule_state st on st.schedule = s.name where s.enabled and st.error is not null
union all
select 'quota low', q.upstream || ' per ' || q.per, 'quota of ' || q.upstream || ' is nearly spent',
       q.used || ' of ' || q."limit" || ' calls per ' || q.per || ' used'
  from quota_status q where q.per_interval >= interval '1 hour' and q.used >= 0.9 * q."limit" and q."limit" >= 10
union all
select 'blocked', u.upstream, u.upstream || ' does not let us in', coalesce(u.closed_reason, 'no reason kept')
  from upstream_state u where u.closed_until > clock_timestamp() and u.failures >= 2
union all
select 'beat silent', 'beat', 'no beat has given a sign for two minutes',
       'last sign: ' || sign_words(clock_timestamp() - max(seen_at))
  from heartbeat where role = 'beat' having coalesce(max(seen_at), '-infinity') < clock_timestamp() - interval '2 minutes';
comment on view trouble is 'What is broken now; tasks.watches.incidents tells people once when it breaks and once when it recovers';
