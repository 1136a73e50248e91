-- name: totals
select count(*) as total, count(*) filter (where enabled) as active,
       count(*) filter (where paused_until > clock_timestamp()) as paused,
       (select count(*) from run where state = 'running') as running,
       (select count(*) from run where state in ('due', 'running', 'held')) as active_runs
  from schedule

-- name: today
select coalesce(sum(number) filter (where state = 'succeeded'), 0)::bigint as done,
       coalesce(sum(number) filter (where state = 'partial'), 0)::bigint as partial,
       coalesce(sum(number) filter (where state = 'failed'), 0)::bigint as failed,
       coalesce(sum(number) filter (where state in ('succeeded', 'partial', 'failed')), 0)::bigint as ended,
       coalesce(sum(number), 0)::bigint as all_ended,
       (sum(number) filter (where state = 'succeeded') / nullif(sum(number), 0))::float8 as success_share,
       date_trunc('day', clock_timestamp() at time zone 'UTC') as day
  from run_count where day = (clock_timestamp() at time zone 'UTC')::date

-- name: next
select s.name, s.title, st.next_run_at, schedule_words(s) as words
  from (select schedule, next_run_at, claim_at from schedule_state
         where claim_at is not null order by claim_at limit 8) st
  join schedule s on s.name = st.schedule order by st.claim_at

-- name: kinds
select * from task_kind where retired_at is null order by name

-- name: notices
select * from notice_log where (cast(:after_id as bigint) is null or id < :after_id)
   and (cast(:state as text) is null or state = any(
          case when :state in ('open', 'held') then array['waiting', 'sending'] else array[:state] end))
   and (:state is distinct from 'held' or channel in (select subject from trouble where kind = 'notices held'))
   and (cast(:channel as text) is null or channel = :channel)
   and (cast(:match as bigint) is null or id in (select id from notice where match_id = :match)) order by id desc limit :limit
