-- name: found
select q.symbol as key, q.symbol as title, q.price, q.previous_close,
       round(100 * (q.price - q.previous_close) / nullif(q.previous_close, 0), 2)
              as change_percent, q.volume,
       (select array_agg(close order by bar_date)
          from (select distinct on (bar_date) close, bar_date from price_bar b where b.symbol = q.symbol
                 order by bar_date desc, source limit 60) last) as spark,
       q.session_date as session, q.source, q.fetched_at as fetched
  from (select distinct on (symbol) * from quote order by symbol, fetched_at desc) q
 where (cast(:q as text) is null or q.symbol ilike :q)
   and (cast(:after as text) is null or q.symbol > :after)
 order by q.symbol limit :limit

-- name: freshness
-- Behind: without the last session of its exchange a day after it ended.  Where no sessions are known, or
-- none to come, a price is old after three days.
select freshness, count(*) as symbols,
       string_agg(symbol, ', ' order by priority, symbol) filter (where freshness <> 'fresh') as which
  from (select symbol, priority,
               case when q.fetched_at is null then 'never fetched'
                    when m.goes_on and q.session_date < m.last then 'behind'
                    when m.goes_on then 'fresh'
                    when q.fetched_at < clock_timestamp() - interval '3 days' then 'older than 3 days'
                    else 'fresh' end as freshness
          from watchlist_item w
          left join (select symbol, max(fetched_at) as fetched_at, max(session_date) as session_date
                       from quote group by symbol) q using (symbol)
          left join {markets} market (suffix, mic)
                 on suffix = case when length(split_part(symbol, '.', 2)) < 2 then ''
                                  else split_part(symbol, '.', 2) end
          left join (select mic, max(close_at) > clock_timestamp() as goes_on, max(session_date) filter (
                            where close_at < clock_timestamp() - interval '1 day') as last
                       from market_session where session_date > current_date - 60 group by mic) m using (mic)
         where w.active) of_symbol
 group by 1 order by 2 desc

-- name: quotes
select source, price, previous_close, volume, session_date, fetched_at from quote
       where symbol = :key order by source

-- name: closes
select (bar_date::timestamp at time zone 'UTC') as at, close from (
    select distinct on (bar_date) bar_date, close from price_bar where symbol = :key
     order by bar_date desc, source limit 2000) last
 order by bar_date

-- name: gaps
-- Sessions of the exchange on which the symbol has no bar between its first and its last.
with span as (select min(bar_date) as first, max(bar_date) as last from price_bar where symbol = :key)
select m.session_date as missing_session
  from span
  join {markets} market (suffix, mic)
    on suffix = case when length(split_part(:key, '.', 2)) < 2 then '' else split_part(:key, '.', 2) end
  join market_session m on m.mic = market.mic and m.session_date between span.first and span.last
 where not exists (select from price_bar b where b.symbol = :key and b.bar_date = m.session_date)
 order by 1 desc limit 100

-- name: outcomes
select run_id, at, outcome, source, detail from price_outcome where symbol = :key
       order by at desc limit 20

-- name: trades
select traded_at, quantity, price from transaction where symbol = :key order by traded_at desc limit 20

-- name: followed
select active, priority, refresh_every, note from watchlist_item where symbol = :key

-- name: of_a_run
select symbol as key, symbol as title, outcome, source, detail, at from price_outcome
 where run_id = :run order by outcome = 'ok', symbol limit 500

-- name: summary_of_a_run
select outcome, count(*) as symbols from price_outcome
       where run_id = :run group by outcome order by 2 desc
