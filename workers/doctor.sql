-- name: trouble
select kind, severity, title || ': ' || text as sentence from trouble order by severity, kind, since

-- name: skewed
select string_agg(format('%%s by %%s s', name, round((detail ->> 'clock_skew')::numeric, 1)), ', ')
       as names
  from health where state = 'ok' and abs((detail ->> 'clock_skew')::float8) > %s

-- name: offsets
select at, zone_offset(at, %s) as ahead
  from generate_series(now(), now() + interval '1 year', interval '10 days') at

-- name: overdue
-- A row lock is written in the row itself: ``xmax`` is the transaction that holds it.
select st.schedule as name,
       duration_words(date_trunc('second', clock_timestamp() - st.claim_at)) as late,
       a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'a program') as program,
       duration_words(date_trunc('second', clock_timestamp() - a.xact_start)) as since,
       count(*) over () as number
  from schedule_state st
  left join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = st.xmax
  left join pg_stat_activity a on a.pid = l.pid
 where st.claim_at < clock_timestamp() - interval '1 minute'
   and not (select paused from pause_switch)
 order by st.claim_at limit 10

-- name: aside
select string_agg(schedule || ' (' || error || ')', ', ' order by error_at)
       || case when max(number) > 10
               then format(' and %s more: SELECT schedule, error FROM schedule_state'
                           ' WHERE error IS NOT NULL', max(number) - 10)
               else '' end as names
  from (select schedule, error, error_at, count(*) over () as number from schedule_state
         where error is not null order by error_at limit 10) st

-- name: unknown
select string_agg(s.name || ' (' || s.task || ')', ', ' order by s.name) as names
  from schedule s left join task_kind k on k.name = s.task
 where s.enabled and (k.name is null or k.retired_at is not null)

-- name: logins
select string_agg(name, ', ' order by name) as names,
       string_agg(format('SELECT limit_login(%L);', name), ' ' order by name) as cure
  from login_without_limits

-- name: sessions
select string_agg(s.calendar || coalesce(' until ' || last, ' not at all'), ', ') as names
  from (select distinct calendar from schedule where calendar is not null and enabled) s
  left join lateral (
      select max(session_date) as last from market_session where mic = s.calendar) m on true
 where last is null or last < current_date + 30
