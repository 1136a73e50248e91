-- name: batches
select seq, state, total, done, failed, deferred, attempt, deaths, worker, waiting_for, not_before,
       error,
       started_at, finished_at
  from batch where run_id = :id
 order by case state when 'failed' then 0 when 'running' then 1 when 'sent'
        then 2 when 'waiting' then 3 else 4 end, seq
 limit 100

-- name: failures
select coalesce(item ->> 'error', 'no reason kept') as error, item ->> 'state' as state,
       count(*) as number,
       (array_agg(item ->> 'key'))[1:8] as keys
  from batch, jsonb_array_elements(batch.items) item
 where batch.run_id = :id and item ->> 'state' in ('failed', 'deferred', 'stopped')
 group by 1, 2 order by 3 desc, 1 limit 20

-- name: items
select item ->> 'key' as key, coalesce(item ->> 'state', 'waiting') as state, item ->> 'error' as error,
       item -> 'counts' as counts, batch.seq
  from batch, jsonb_array_elements(batch.items) with ordinality as each(item, place)
 where batch.run_id = :id and (cast(:state as text) is null or coalesce(item ->> 'state',
        'waiting') = :state)
   and (batch.seq, place) > (:seq, :place)
 order by batch.seq, place limit :limit

-- name: requested
select id, action, schedule, note, requested_at, requested_by, answered_at, answer, answer_run_id
  from run_request where run_id = :id or answer_run_id = :id order by id desc limit 10

-- name: strips
select name, found.* from unnest(cast(:names as text[])) name
 cross join lateral (
     select r.id::text, r.state, extract(epoch from r.finished_at - r.started_at)::float8 as seconds,
            to_char(r.created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as at,
            left(coalesce(r.error, r.reason, r.result ->> 'summary'), 120) as said
       from run r where r.schedule = name and r.created_at <= clock_timestamp()
      order by r.created_at desc limit :last) found
