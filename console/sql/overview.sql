-- name: totals
select count(*) as total, count(*) filter (where enabled) as active,
       count(*) filter (where enabled and paused_until > clock_timestamp()) as paused,
       (select count(*) from run where state = 'running') as running
  from schedule

-- name: today
select state, sum(number)::bigint as number from run_count
 where day = (clock_timestamp() at time zone 'UTC')::date group by state

-- name: notices
select * from notice_log where (cast(:before as bigint) is null or id < :before)
   and (cast(:state as text) is null or state = :state) order by id desc limit :limit

-- name: matches
select * from match where (cast(:before as bigint) is null or id < :before)
   and (cast(:rule as text) is null or rule = :rule) order by id desc limit :limit
