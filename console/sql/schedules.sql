-- name: problems
-- What needs a person: at most :most names of each sort.
select array(
(select schedule from schedule_state where error is not null limit :most)
union (select schedule from schedule_state where consecutive_failures > 0 limit :most)
union (select schedule from schedule_state where tripped_at is not null limit :most)
union (select schedule from schedule_state where claim_at < now() - interval '1 minute' limit :most)
union (select schedule from schedule_edit e
        where not exists (select from schedule_state st where st.schedule = e.schedule) limit :most)
limit :most)

-- name: rows
select s.name, s.title, s.task, schedule_words(s) as runs, s.enabled, s.every, s.cron, s.at, s.after,
       s.timezone, s.paused_until, s.pause_reason, s.note, s.revision, s.updated_at, s.updated_by,
       s.options, coalesce(s.queue, k.queue) as queue, k.queue = :upkeep as is_upkeep,
       case when st.error is not null then 'set aside: ' || st.error
            when not s.enabled then 'disabled'
            when switch.paused then 'paused (all)'
            when s.paused_until = 'infinity' then 'paused'
            when s.paused_until > clock_timestamp() then 'paused until '
                || to_char(s.paused_until at time zone s.timezone, 'MM-DD HH24:MI') || ' ' || s.timezone
            when st.tripped_at is not null then 'paused itself: ' || st.tripped_reason
            when st.claim_at < clock_timestamp() - interval '1 minute'
                then 'LATE by ' || duration_words(date_trunc('second', clock_timestamp() - st.claim_at))
            else 'on' end as state,
       st.planned_revision is not distinct from s.revision as seen_by_beat,
       st.last_run_id, st.last_run_at, st.last_state, st.last_summary, st.success_share,
       st.partial_share, st.median_duration, st.consecutive_failures, st.tripped_at, st.error,
       case when s.enabled then st.next_run_at end as next_run_at, active.id as active_run_id,
       active.state as active_state, active.id is not null as is_running
  from unnest(cast(:names as text[])) with ordinality as wanted(name, place)
  join schedule s on s.name = wanted.name
  cross join pause_switch switch
  left join task_kind k on k.name = s.task
  left join schedule_state st on st.schedule = s.name
  left join lateral (select r.id, r.state from run r
                      where r.schedule = s.name and r.state in ('due', 'running', 'held')
                      order by r.created_at desc limit 1) active on true
 order by wanted.place

-- name: next_runs
select * from next_runs(:name, :number)

-- name: upkeep
-- Counted no further than a list counts; of those with problems, how many.
select count(*) as number, count(*) filter (where name = any(:problems)) as bad
  from (select s.name from schedule s join task_kind k on k.name = s.task and k.queue = :queue limit :most) found

-- name: queues
select distinct queue from task_kind where retired_at is null order by 1
