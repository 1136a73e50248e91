-- Conditions of the filter of runs, by its fields.
-- name: schedule
schedule = :schedule

-- name: state
state = any(:states)

-- name: trigger
trigger = :trigger

-- name: task
task = :task

-- name: queue
queue = :queue

-- name: ended
finished_at >= :ended

-- name: upstream
id in (select run_id from batch where waiting_for = :upstream and state in ('waiting', 'sent'))

-- name: q
coalesce(error, reason, result ->> 'summary') ilike :q
