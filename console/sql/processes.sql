-- name: processes
select h.name, h.role, h.state, h.seen_at, h.started_at, split_part(h.name, '@', 1) as group_name,
       h.detail,
       (h.detail ->> 'clock_skew')::float8 as clock_skew, h.detail ->> 'version' as version,
       (h.detail ->> 'processes')::integer as processes, (h.detail ->> 'min')::integer as min,
              (h.detail ->> 'max')::integer as max,
       (h.detail ->> 'slots')::integer as slots,
       (h.detail ->> 'wanted')::integer as wanted, (h.detail ->> 'qty')::integer as busy,
              h.detail ->> 'measure' as measure,
       (select string_agg(q, ', ' order by q)
              from jsonb_array_elements_text(h.detail -> 'queues') q) as queues,
       (select count(*) from batch b where b.state = 'running' and b.worker = h.name) as batches
  from health h
 where (cast(:role as text) is null or h.role = :role) and (cast(:state as text) is null or h.state = :state)
   and (cast(:group as text) is null or split_part(h.name, '@', 1) = :group)
 order by h.role, h.state <> 'SILENT', h.name

-- name: queues
select k.queue, coalesce(q.ready, 0) as ready, coalesce(q.running, 0) as running,
       coalesce(q.waiting_for_quota, 0) as waiting_for_quota, coalesce(q.later, 0) as later, q.oldest,
       (select string_agg(h.name, ', ' order by h.name) from health h
         where h.role = 'worker' and h.state = 'ok' and h.detail -> 'queues' ? k.queue) as workers
  from (select queue from task_kind where retired_at is null union select queue from schedule
         where queue is not null
        union select queue from queue_status) k
  left join queue_status q on q.queue = k.queue
 order by coalesce(q.ready, 0) > 0 desc, k.queue

-- name: groups
select g.name, g.min_processes, g.max_processes, g.note,
       (select count(*) from health h where h.role = 'worker' and h.state = 'ok'
              and split_part(h.name, '@', 1) = g.name) as alive
  from worker_group g order by g.name

-- name: lines
select queue, array_agg(ready order by at) as ready, array_agg(age order by at) as ages
  from (select queue, date_bin('30 minutes', at, timestamptz '2026-01-01') as at, max(ready) as ready,
               greatest(extract(epoch from max(oldest)), 0)::float8 as age
          from queue_sample where at > now() - interval '24 hours' group by 1, 2) half
 group by queue
