-- name: process
select (detail ->> 'pid')::integer as pid, name from heartbeat
 where role = :role and not detail ? 'ended' and seen_at > clock_timestamp() - interval '5 seconds'
 order by random() limit 1

-- name: upstreams
select name, base_url from upstream where base_url like 'http://127.0.0.1:%' order by name

-- name: missing
-- Due times of the grid since each schedule was last edited, against those that runs account for.
select coalesce(sum(greatest(0, expected - covered)), 0)::bigint as missing
  from (select round(extract(epoch from max(r.due_at) - min(r.due_at)) / extract(epoch from s.every)) as expected,
               sum(r.covers_count) - (array_agg(r.covers_count order by r.due_at))[1] as covered
          from schedule s join run r on r.schedule = s.name
         where s.enabled and s.every is not null and s.calendar is null and r.trigger = 'schedule'
           and coalesce(r.covers_from, r.due_at) > s.updated_at
           -- What was due while everything was paused is nobody's.
           and coalesce(r.covers_from, r.due_at) > (select coalesce(changed_at, '-infinity') from pause_switch)
         group by s.name, s.every) each

-- name: twice
select count(*) from (select from run where trigger = 'schedule' group by schedule, due_at having count(*) > 1) twice

-- name: well
select min(finished_at) from run where state = 'succeeded' and started_at > to_timestamp(:at)

-- name: back
select min(started_at) from heartbeat where role = :role and started_at > to_timestamp(:at)
