-- name: queues
-- Written by the first beat that comes by in a minute; the condition is looked at before anything else.
insert into queue_sample (at, queue, ready, running, waiting, oldest)
with q as materialized (select * from queue_status)
select %(at)s, k.queue, coalesce(q.ready, 0), coalesce(q.running, 0),
       coalesce(q.waiting_for_quota, 0),
       -- What this tick has planned is ready later than it began.
       case when q.oldest > %(now)s then '0' else %(now)s - q.oldest end
  from (select queue from task_kind where retired_at is null union select queue from q) k
  left join q on q.queue = k.queue
 where not exists (select from queue_sample where at = %(at)s)
on conflict do nothing

-- name: upstreams
insert into upstream_sample (at, upstream, calls, outcomes, waiting, blocked)
select %(at)s, u.name, coalesce(c.calls, 0), coalesce(c.outcomes, '{}'),
       (select count(*) from batch b where b.waiting_for = u.name and b.state in ('waiting', 'sent')),
       coalesce(s.blocked_until > %(now)s, false)
  from upstream u
  left join upstream_state s on s.upstream = u.name
 cross join lateral (
    select sum(number)::bigint as calls, jsonb_object_agg(outcome, number) as outcomes
      from (select coalesce(status::text, 'none') as outcome, count(*) as number from permit p
             where p.upstream = u.name and p.stamp >= %(at)s - interval '1 minute'
               and p.granted_at >= %(at)s - interval '1 minute' - max_permit_lease()
               and p.stamp < %(at)s and p.granted_at < %(at)s group by 1) counted) c
 where not exists (select from upstream_sample where at = %(at)s)
on conflict do nothing

-- name: forget_queues
delete from queue_sample where at < %(before)s

-- name: forget_upstreams
delete from upstream_sample where at < %(before)s
