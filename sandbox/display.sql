-- name: ended
-- Five seconds back, because a run's end is stamped before its transaction is visible.
select id, coalesce(schedule, task) as name, state, coalesce(error, reason, result->>'summary') as summary,
       extract(epoch from finished_at - coalesce(started_at, created_at))::float8 as seconds, finished_at,
       coalesce(run_is_idle(run), false) as idle
  from run where finished_at > %s - interval '5 seconds'
 order by finished_at limit 200

-- name: sent
select n.message_id, min(m.rule) as rule, min(m.title) as title, count(*) as number, n.channel
  from notice n join match m on m.id = n.match_id
 where n.sent_at > %s - interval '5 seconds' group by n.message_id, n.channel order by max(n.id) limit 100

-- name: not_green
select coalesce(schedule, task) as name, state, coalesce(error, reason, result->>'summary', '') as summary
  from run where schedule = any(%s) order by created_at desc limit 6

-- name: left_to_browsers
select distinct coalesce(r.schedule, r.task) as name from batch b join run r on r.id = b.run_id
 where b.queue = 'browser' and (b.state = 'waiting' or b.state = 'sent')
