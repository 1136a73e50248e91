-- name: changes_of
select *, ago_words(changed_at) as ago from recent_changes
 where %(name)s::text is null or schedule = %(name)s limit %(count)s

-- name: runs_of
select * from every_run where (%(name)s::text is null or name = %(name)s)
   and (not %(failed)s or state in ('failed', 'partial'))
   and (%(all)s or idle is not true)
   and created_at > coalesce(clock_timestamp() - %(since)s::interval, '-infinity')
 limit %(count)s

-- name: idle
-- Upkeep that found nothing to do since the oldest run that is shown.
select schedule as name, count(*) as runs,
       coalesce((array_agg(result ->> 'summary' order by created_at desc))[1], 'nothing to do') as found
  from run r
 where schedule = any(array(select name from schedule
                             where task like any('{tasks.upkeep.%%,tasks.watches.%%}')))
   and created_at >= %(since)s and run_is_idle(r) and (%(name)s::text is null or schedule = %(name)s)
 group by 1 order by 2 desc
