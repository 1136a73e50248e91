-- name: rows
-- Counts of a run that has ended stand in its row; those of one under way in its batches.
select r.id, r.schedule, r.task, r.trigger, r.state, r.due_at, r.created_at, r.started_at, r.finished_at,
       coalesce(r.error, r.reason, r.result ->> 'summary') as summary, r.requested_by, r.covers_count,
       coalesce(b.total, r.total) as total, coalesce(b.done, r.done) as done,
       coalesce(b.failed, r.failed) as failed, coalesce(b.deferred, r.deferred) as deferred, b.waiting_for
  from run r
  left join lateral (
    select greatest(sum(total), r.total) as total, sum(done) as done, sum(failed) as failed,
           sum(deferred) as deferred,
           array_agg(distinct waiting_for) filter (where waiting_for is not null) as waiting_for
      from batch where run_id = r.id and r.state in ('due', 'running', 'held') having count(*) > 0) b on true
 where r.id = any(:ids) order by r.created_at desc, r.id desc

-- name: one
select r.*, coalesce(r.error, r.reason, r.result ->> 'summary') as summary, b.waiting_for,
       coalesce(b.total, r.total) as all_items, coalesce(b.done, r.done) as all_done,
       coalesce(b.failed, r.failed) as all_failed, coalesce(b.deferred, r.deferred) as all_deferred,
       exists (select from schedule s where s.name = r.schedule) as has_schedule,
       case when r.covers_count between 2 and 200 then (select backfill_dues(s, r.covers_from, r.due_at)
                                            from schedule s where s.name = r.schedule) end as due_times,
       (select max(deaths) from batch where run_id = r.id) as deaths,
       (select max(w.next_permit_at) from upstream_state w
         where w.upstream = any(b.waiting_for)) as waits_until,
       (select max(w.blocked_until) from upstream_state w where w.upstream = any(b.waiting_for)
           and w.blocked_until > clock_timestamp()) as blocked_until,
       (select min(not_before) from batch where run_id = r.id and state in ('waiting', 'sent')
           and not_before > clock_timestamp()) as later_at
  from run r
  left join lateral (
    select greatest(sum(total), r.total) as total, sum(done) as done, sum(failed) as failed,
           sum(deferred) as deferred,
           array_agg(distinct waiting_for) filter (where waiting_for is not null) as waiting_for
      from batch where run_id = r.id and r.state in ('due', 'running', 'held') having count(*) > 0) b on true
 where r.id = :id

-- name: batches
select seq, state, total, done, failed, deferred, attempt, deaths, worker, waiting_for, not_before,
       error,
       started_at, finished_at
  from batch where run_id = :id
 order by case state when 'failed' then 0 when 'running' then 1 when 'sent'
        then 2 when 'waiting' then 3 else 4 end, seq
 limit 100

-- name: all_batches
-- States beyond those of the table are of those that wait, in the words of queue_status.
select b.run_id, b.seq, coalesce(r.schedule, r.task) as name, b.queue, b.state, b.total, b.done, b.failed,
       b.deferred, b.attempt, b.worker, b.waiting_for, b.not_before, b.error, b.created_at
  -- Each state by an index of its own: what has ended is not read.
  from (select * from batch where cast(:run as uuid) is not null and run_id = :run
         union all select * from batch where cast(:run as uuid) is null and state = 'running'
         union all select * from batch where cast(:run as uuid) is null and state = 'sent'
         union all select * from batch where cast(:run as uuid) is null and state = 'waiting') b
  join run r on r.id = b.run_id
 cross join lateral (select case when b.state = 'running' then 'running'
                                 when b.state not in ('waiting', 'sent') then b.state
                                 when b.send_at is null then 'waiting_for_quota'
                                 when b.not_before > clock_timestamp() then 'later' else 'ready' end as word) is_
 where (cast(:queue as text) is null or b.queue = :queue)
   and (cast(:worker as text) is null or b.worker = :worker)
   and (cast(:upstream as text) is null or b.waiting_for = :upstream)
   and (cast(:state as text) is null or is_.word = :state
        and (:state <> 'waiting_for_quota' or b.waiting_for is not null))
   and (cast(:after_run_id as uuid) is null or (b.run_id, b.seq) > (:after_run_id, :after_seq))
 order by b.run_id, b.seq limit :limit

-- name: failures
select coalesce(item ->> 'error', 'no reason kept') as error, item ->> 'state' as state,
       count(*) as number,
       (array_agg(item ->> 'key'))[1:8] as keys
  from batch, jsonb_array_elements(batch.items) item
 where batch.run_id = :id and item ->> 'state' in ('failed', 'deferred', 'stopped')
 group by 1, 2 order by 3 desc, 1 limit 20

-- name: items
select item ->> 'key' as key, coalesce(item ->> 'state', 'waiting') as state, item ->> 'error' as error,
       item -> 'counts' as counts, batch.seq, place
  from batch, jsonb_array_elements(batch.items) with ordinality as each(item, place)
 where batch.run_id = :id and (cast(:state as text) is null or coalesce(item ->> 'state', 'waiting') = any(
          case :state when 'ended' then array['done', 'failed', 'deferred'] else array[:state] end))
   and (cast(:batch as bigint) is null or batch.seq = :batch)
   and (cast(:upstream as text) is null or batch.waiting_for = :upstream)
   and (cast(:error as text) is null or coalesce(item ->> 'error', 'no reason kept') = :error)
   and (cast(:after_seq as bigint) is null or (batch.seq, place) > (:after_seq, :after_place))
 order by batch.seq, place limit :limit

-- name: requests
select id, action, schedule, note, requested_at, requested_by, answered_at, answer, answer_run_id
  from run_request where run_id = :id or answer_run_id = :id order by id desc limit 10

-- name: strips
-- The oldest first.
select name, coalesce(found.runs, '[]') as runs from unnest(cast(:names as text[])) name
 cross join lateral (
     select json_agg(last.run order by last.created_at) as runs
       from (select r.created_at,
                    json_build_object('id', r.id, 'state', r.state,
                        'seconds', extract(epoch from r.finished_at - r.started_at)::float8,
                        'at', to_char(r.created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
                        'said', left(coalesce(r.error, r.reason, r.result ->> 'summary'), 120)) as run
               from run r where r.schedule = name and r.created_at <= clock_timestamp()
              order by r.created_at desc limit 24) last) found

-- name: request
select * from run_request where id = :number

-- name: last_failed
-- The last failed run of each schedule.
select distinct on (schedule) id, schedule, state, error, finished_at from run
 where state in ('failed', 'partial') and schedule is not null and finished_at > :since
   and (cast(:schedule as text) is null or schedule = :schedule)
 order by schedule, finished_at desc

-- name: pending
select id, action, schedule, requested_at, requested_by, answered_at, answer from run_request
 where new_run_id = :id

-- name: calls
select count(*) from permit where run_id = :id
