-- name: marks
-- Each row: a key, and a mark that differs once something about it changed.  What ended in the last
-- 15 s stays in view, so that no end falls between two looks.  Edits are what people did, and that
-- beat has planned it.
select 'run:' || r.id as key, 'schedule:' || r.schedule as also,
       concat_ws(' ', r.state, r.stop_requested_at, r.finished_at, b.ended, b.waiting) as mark,
       null as edit
  from (select * from (select * from run where state in ('due', 'running', 'held')
                        order by created_at desc limit 300) active
        union
        select * from (select * from run where created_at > now() - interval '15 seconds'
                        order by created_at desc limit 300) recent) r
 cross join lateral (select sum(done + failed + deferred) as ended, max(waiting_for) as waiting
                       from batch where run_id = r.id) b
union all
select table_name || ':' || name, null, max(id)::text, 'made'
  from (select * from change where changed_at > now() - interval '15 seconds'
         order by changed_at desc limit 300) c group by 1
union all
select 'schedule:' || schedule, null, 'unplanned ' || max(id), 'not planned'
  from (select * from schedule_edit order by id desc limit 300) e group by 1
union all
select 'upstream:' || upstream, null, concat_ws(' ', blocked_until, next_permit_at), null
  from upstream_state
union all
select 'process:' || name, null,
       concat_ws(' ', seen_at > clock_timestamp() - interval '30 seconds', detail ->> 'processes',
              detail ->> 'ended'), null
  from heartbeat where seen_at > now() - interval '1 day'
union all
select 'notice:*', null, (select concat(max(id), ' ', count(*) filter (where state = 'waiting'))
                            from (select id, state from notice order by id desc limit 50) n), null
union all
select 'match:*', null, (select max(id)::text from match), null
