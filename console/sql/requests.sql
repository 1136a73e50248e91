-- name: failed
select distinct on (schedule) id, schedule, state, error, finished_at from run
 where state in ('failed', 'partial') and schedule is not null and finished_at > :since
   and (cast(:schedule as text) is null or schedule = :schedule)
 order by schedule, finished_at desc
