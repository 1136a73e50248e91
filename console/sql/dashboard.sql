-- name: totals
select count(*) as total, count(*) filter (where enabled) as enabled,
       count(*) filter (where enabled and paused_until > clock_timestamp()) as paused
  from schedule

-- name: today
select coalesce(sum(number) filter (where state = 'succeeded'), 0) as succeeded,
       coalesce(sum(number) filter (where state = 'partial'), 0) as partial,
       coalesce(sum(number) filter (where state = 'failed'), 0) as failed,
       coalesce(sum(number) filter (where state in ('succeeded', 'partial', 'failed')), 0) as ended,
       date_trunc('day', clock_timestamp() at time zone 'UTC') as day
  from run_count where day = (clock_timestamp() at time zone 'UTC')::date

-- name: next
select s.name, s.title, st.next_run_at, schedule_words(s) as words
  from (select schedule, next_run_at, claim_at from schedule_state
         where claim_at is not null order by claim_at limit 8) st
  join schedule s on s.name = st.schedule order by st.claim_at
