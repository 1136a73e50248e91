drop view scaling_status;

create or replace view scaling_status as
select h.name as worker, (h.detail ->> 'processes')::int as processes,
       (h.detail ->> 'min')::int as "min", (h.detail ->> 'max')::int as "max",
       (h.detail ->> 'wanted')::int as wanted, (h.detail ->> 'ready')::int as ready,
       (select count(*) from batch b where b.state = 'running' and b.worker = h.name) as busy,
       coalesce(h.detail ->> 'measure', 'fixed size') as measure,
       (select string_agg(queue, ', ') from jsonb_array_elements_text(h.detail -> 'queues') queue) as queues,
       h.seen_at
  from heartbeat h
 where h.role = 'worker' and h.seen_at > clock_timestamp() - interval '1 minute' and not h.detail ? 'ended'
 order by h.name;
comment on view scaling_status is 'Each worker''s pool: its size, its bounds, and what the size follows';
