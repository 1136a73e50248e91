-- name: pending
select id, action, schedule, requested_at, requested_by, answered_at, answer from run_request
       where new_run_id = :id
