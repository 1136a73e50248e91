-- name: runs
select count(*) filter (where state = 'succeeded') as good,
       count(*) filter (where state = 'partial') as partial,
       count(*) filter (where state = 'failed') as failed,
       count(*) filter (where state in ('missed', 'expired')) as missed,
       count(*) filter (where trigger = 'schedule'
                          and started_at > due_at + interval '5 minutes') as late
  from run
 where finished_at > clock_timestamp() - :span and task not like :ours

-- name: new
select split_part(task, '.', 2) as domain, sum((result -> 'counts' ->> 'new')::int) as new from run
 where finished_at > clock_timestamp() - :span and task like 'tasks.%' group by 1

-- name: failed
select coalesce(schedule, task) || ': ' || case when count(*) > 1 then count(*) || ' times, the last: ' else '' end
       || coalesce((array_agg(error order by finished_at desc))[1], 'no reason kept') as line,
       count(*) over () as lines from run
 where state = 'failed' and finished_at > clock_timestamp() - :span
 group by schedule, task order by 1 limit 10

-- name: partial
select coalesce(schedule, task) || ': ' || sum(failed) || ' of ' || sum(total) || ' items failed'
       || case when sum(deferred) > 0 then ', ' || sum(deferred) || ' deferred' else '' end
       || coalesce(': ' || (array_agg(error order by finished_at desc))[1], '') as line,
       count(*) over () as lines from run
 where state = 'partial' and finished_at > clock_timestamp() - :span
 group by schedule, task order by 1 limit 10

-- name: matches
select m.rule || ': ' || m.title || coalesce(' ' || (m.facts ->> 'url'), '') as line,
       count(*) over () as lines from match m
 where matched_at > clock_timestamp() - :span order by matched_at desc limit 10

-- name: changes
select schedule || ': ' || action || ' by ' || changed_by as line, count(*) over () as lines from schedule_change
 where changed_at > clock_timestamp() - :span order by id desc limit 10

-- name: quotas
select upstream || ': ' || used || ' of ' || allowed || ' per ' || per as line,
       count(*) over () as lines from quota_status
 where per_interval >= interval '1 hour' and used > 0 order by 1
