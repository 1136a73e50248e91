-- name: runs
select r.id, coalesce(r.schedule, r.task) as name, r.state, r.finished_at, r.error,
       coalesce(r.error, r.reason, r.result ->> 'summary') as summary,
       greatest(r.total, b.total, 0) as total, coalesce(b.ended, 0) as ended,
       coalesce(b.failed, 0) as failed, b.waiting_for,
       extract(epoch from least(u.next_permit_at, clock_timestamp() + interval '1 year')
                          - clock_timestamp())::float8 as waits
  from run r
  left join lateral (
      select sum(total) as total, sum(done + failed + deferred) as ended, sum(failed) as failed,
             min(waiting_for) as waiting_for
        from batch where run_id = r.id) b on true
  left join upstream_state u on u.upstream = b.waiting_for
 where r.id = any(%(ids)s::uuid[])
    or %(ids)s::uuid[] is null and r.state in ('due', 'running', 'held')
 order by r.created_at
