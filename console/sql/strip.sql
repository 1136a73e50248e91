-- name: plans
-- To plan the view of trouble costs more than to read it: from here on plans are kept.
select set_config('plan_cache_mode', 'auto', true)

-- name: trouble
select kind, subject, title, text, severity, since from trouble
 where cast(:severity as text) is null or severity = :severity
 order by severity, since nulls last limit 500

-- name: near
select upstream, used, allowed from quota_status
 where per_interval >= interval '1 hour' and used >= 0.8 * allowed and allowed >= 10
 order by used::float8 / allowed desc limit 3

-- name: items
select s.name, coalesce(s.title, s.name) as title, s.after, st.next_run_at, st.last_run_at,
       st.last_state = 'failed' as failed
  from schedule s
  join task_kind k on k.name = s.task
  left join schedule_state st on st.schedule = s.name
 where s.enabled and k.queue = any(:queues)
 order by s.name limit :shown

-- name: count
select count(*) from (select from schedule s join task_kind k on k.name = s.task
                       where s.enabled and k.queue = any(:queues)
                       offset :named limit :most) found

-- name: paused
select changed_by, changed_at, note from pause_switch where paused

-- name: signs
select count(*) filter (where role = 'beat') as beats, count(*) filter (where role = 'worker') as workers
  from health where state = 'ok'
