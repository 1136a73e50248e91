-- name: backfill
select * from backfill(%(name)s, %(first)s, %(last)s, %(overlap)s,
                       dry_run => %(dry_run)s, reason => %(note)s)

-- name: one
select id, coalesce(schedule, task) as schedule, state, error, finished_at from run where id = %s

-- name: failed_since
select distinct on (schedule) id, schedule, state, error, finished_at from run
 where state in ('failed', 'partial') and schedule is not null
   and finished_at > clock_timestamp() - %(since)s::interval
   and (%(name)s::text is null or schedule = %(name)s)
 order by schedule, finished_at desc
