-- name: schedules
-- A schedule that runs after another has the other's cadence.
with recursive leads as (
    select name, name as leader from schedule where task like 'tasks.prices.%%' and enabled
    union
    select leads.name, s.after
      from leads join schedule s on s.name = leads.leader where s.after is not null
)
select s.name as schedule, schedule_words(s) as runs, now_ as now, last.last_good_run, first.at,
       s.paused_until > now_ or first.paused_until > now_
           or (select paused from pause_switch) as paused,
       due_times(first, coalesce(first.starts_at, now_), greatest(now_, first.starts_at), 'infinity',
                 %(ahead)s) as dues
  from leads
  join schedule s using (name)
  join schedule first on first.name = leads.leader and first.after is null
 cross join clock_timestamp() now_
  left join lateral (select created_at as last_good_run from run
                      where run.schedule = s.name and state in ('succeeded', 'partial')
                        and run_is_failure(run, s.alert_on_partial) is not true
                      order by created_at desc limit 1) last on true
 order by s.name

-- name: watchlist
-- The most urgent first; with true also removed symbols, at its end.
select w.*, last.outcome
  from watchlist_item w
  left join lateral (select outcome from price_outcome o where o.symbol = w.symbol
                      order by at desc limit 1) last on true
 where active or %s order by active desc, priority, symbol

-- name: outcomes
-- What became of symbols when they were last asked for.
select distinct on (symbol) symbol, outcome, detail from price_outcome
 where symbol = any(%(symbols)s) order by symbol, at desc

-- name: quotes
-- The newest quote of each symbol, from any source.
select distinct on (symbol) * from quote where %(symbols)s::text[] is null or symbol = any(%(symbols)s)
 order by symbol, session_date desc, fetched_at desc
