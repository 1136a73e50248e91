-- Words of the filter of schedules, each with its condition.
-- name: problem
(st.error is not null or st.consecutive_failures > 0 or st.tripped_at is not null
 or st.claim_at < now() - interval '1 minute' or st.schedule is null)

-- name: any
true

-- name: enabled
s.enabled

-- name: watching
s.enabled and s.task in (select name from task_kind where queue = any(:watching))

-- name: running
s.name in (select schedule from run where state in ('due', 'running', 'held'))

-- name: paused
s.paused_until > now()

-- name: disabled
not s.enabled

-- name: on
s.enabled and coalesce(s.paused_until <= now(), true)
