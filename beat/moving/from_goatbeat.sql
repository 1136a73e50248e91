-- name: read
select name, task_path, task_args, task_kwargs, trigger_kind, interval_us, start_at, cron, timezone,
       misfire_policy, misfire_grace_us, queue, priority, backend, enabled, next_run_at
  from goatbeat_schedule order by name
