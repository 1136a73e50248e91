-- name: upstreams
select u.name, u.base_url, u.concurrency, u.spacing, duration_words(u.spacing) as spacing_words,
       u.enabled, u.note,
       u.obey_robots, s.blocked_until, s.blocked_reason, s.failures, s.next_permit_at,
              s.next_permit_reason,
       s.blocked_until > clock_timestamp() as blocked,
       (select count(*) from permit p where p.upstream = u.name and p.stamp > clock.now
               and p.granted_at > clock.now - max_permit_lease()) as in_flight
  from (select clock_timestamp() as now) clock
 cross join upstream u join upstream_state s on s.upstream = u.name
 order by coalesce(s.blocked_until > clock_timestamp(), false) desc, s.failures > 0 desc, u.name

-- name: windows
select q.upstream, q.per, duration_words(q.per) as words, q.timezone, q.paced, q.note, q.calls
       as allowed, used.calls as used, begins as since,
       case when used.calls = 0 then null when q.timezone is null then used.oldest + q.per
            else window_free(null, q.per, q.timezone, clock_timestamp()) end as resets_at
  from (select clock_timestamp() as now) clock
 cross join quota q
 cross join lateral window_start(q.per, q.timezone, clock.now) as begins
 cross join lateral window_calls(q.upstream, begins) used
 order by q.upstream, q.per desc

-- name: waiting
-- Who waits, in the order in which beat releases them.
select b.waiting_for as upstream, r.id as run_id, r.schedule, coalesce(r.schedule, r.task) as name, b.priority,
       count(*) as batches,
       sum(b.total - b.done - b.failed - b.deferred) as items, min(b.updated_at) as since
  from batch b join run r on r.id = b.run_id
 where b.waiting_for is not null and b.state in ('waiting', 'sent')
 group by b.waiting_for, r.id, name, b.priority
 order by b.waiting_for, b.priority desc, min(b.updated_at) limit 200

-- name: outcomes
select u.name as upstream, o.*, clock.since
  from (select clock_timestamp() - interval '24 hours' as since) clock
 cross join upstream u cross join lateral call_outcomes(u.name, clock.since) o
 where o.calls > 0

-- name: calls
-- The newest of each upstream, which an index has in their order.
select p.id, u.name as upstream, p.stamp, p.granted_at, p.status, p.path, p.run_id, p.outcome,
       p.stamp > clock_timestamp() as in_flight, coalesce(r.schedule, r.task) as name
  from upstream u
 cross join lateral (
    select * from permit p
     cross join lateral (select case when p.status is null then 'unanswered' when p.status = 429 then 'refused'
                                     when p.status >= 500 then 'broken' when p.status >= 400 then 'others'
                                     else 'answered' end as outcome) is_
     where p.upstream = u.name and (cast(:run as uuid) is null or p.run_id = :run)
       and (cast(:since as timestamptz) is null or p.stamp > :since
            and p.granted_at > cast(:since as timestamptz) - max_permit_lease())
       and (cast(:until as timestamptz) is null or p.stamp <= :until)
       and case :outcome when 'in flight' then p.stamp > clock_timestamp()
                         when 'failed' then is_.outcome <> 'answered'
                         else coalesce(is_.outcome = :outcome, true) end
       and (cast(:after_stamp as timestamptz) is null or (p.stamp, p.id) < (:after_stamp, :after_id))
     order by p.stamp desc, p.id desc limit :limit) p
  left join run r on r.id = p.run_id
 where (cast(:upstream as text) is null or u.name = :upstream)
   -- Totals say at once where there is none, of which a search would read all calls since then.
   and case when :outcome in ('refused', 'broken', 'others') and cast(:since as timestamptz) is not null
            then (select case :outcome when 'refused' then o.refused when 'broken' then o.broken else o.others end > 0
                    from call_outcomes(u.name, :since) o) else true end
 order by p.stamp desc, p.id desc limit :limit

-- name: a_day_ago
select now() - interval '1 day'

-- name: hours
select extract(epoch from hour)::bigint as at, answered, calls - answered as failed,
       to_json(hour at time zone 'UTC') as since, to_json(hour at time zone 'UTC' + interval '1 hour') as until
  from generate_series(date_trunc('hour', clock_timestamp()) - interval '23 hours',
                       date_trunc('hour', clock_timestamp()), interval '1 hour') hour
 cross join lateral call_outcomes(:name, hour, hour + interval '1 hour')
 order by hour

-- name: pace
select q.upstream, q.per, q.calls - used.calls as left_over, hour.calls as hourly,
       hour.calls * 24 as a_day, q.calls as allowed, clock.now - interval '1 hour' as since,
       case when hour.calls > 0 and used.calls < q.calls
            then clock_timestamp() + interval '1 hour' * ((q.calls - used.calls)::float8 / hour.calls)
       end as spent_at,
       case when q.timezone is not null then window_free(null, q.per, q.timezone,
              clock_timestamp()) end as day_ends_at
  from (select clock_timestamp() as now) clock
 cross join quota q
 cross join lateral window_start(q.per, q.timezone, clock.now) as begins
 cross join lateral window_calls(q.upstream, begins) used
 cross join lateral window_calls(q.upstream, clock.now - interval '1 hour') hour
 where q.per = interval '1 day'
