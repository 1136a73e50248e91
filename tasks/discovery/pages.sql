-- name: found
select t.id::text as key, coalesce(t.symbol, t.name, t.chain || ':' || t.address) as title, t.chain,
       t.price_usd, t.price_change_h24 as change_24h, t.volume_h24 as volume_24h,
              t.liquidity_usd as liquidity,
       (select array_agg(price_usd order by taken_at)
          from (select price_usd, taken_at from token_snapshot s where s.token_id = t.id
                 order by taken_at desc limit 24) last) as spark,
       (select case when chosen then 'chosen' else coalesce(rejected_because, 'not chosen') end
          from token_sighting s join run r on r.id = s.run_id
         where s.token_id = t.id order by r.created_at desc limit 1) as verdict,
       t.last_seen_at as seen
  from token t
 where (cast(:q as text) is null or t.symbol ilike :q or t.name ilike :q or t.address ilike :q)
   and (cast(:after as text) is null or t.id < cast(:after as bigint))
 order by t.id desc limit :limit

-- name: runs
-- The view reads every run: the last are those of the schedules that ran last, or among the newest.
with kind(task) as (values ('tasks.discovery.discover'), ('tasks.discovery.surveil')),
latest as (
    (select r.id from (select st.schedule from schedule_state st join schedule s on s.name = st.schedule
                        where s.task in (table kind) order by st.last_run_at desc nulls last limit 8) st
      cross join lateral (select id, created_at from run where schedule = st.schedule
                           order by created_at desc limit 8) r
      order by r.created_at desc limit 8)
    union
    (select id from (select id, task, created_at from run order by created_at desc limit 5000) newest
      where task in (table kind) order by created_at desc limit 8)
)
select d.run_id, d.schedule, d.state, d.started_at as started, d.found, d.new, d.updated, d.chosen,
       d.profiled_wallets as wallets
  from discovery_runs d where d.run_id = any(array(select id from latest))
 order by d.started_at desc nulls last limit 8

-- name: facts
select symbol, name, chain, address, price_usd, market_cap, volume_h24, liquidity_usd, price_change_h24,
       pool_created_at, first_seen_at, last_seen_at, boosts, boost_total, orders
  from token where id = cast(:key as bigint)

-- name: values
select at, price_usd from (
    select taken_at as at, price_usd from token_snapshot where token_id = cast(:key as bigint)
     order by taken_at desc limit 1000) last
 order by at

-- name: verdicts
select s.run_id, r.created_at as seen, s.chosen, s.rejected_because as why_not, s.feeds, s.volume_h24
  from token_sighting s join run r on r.id = s.run_id
 where s.token_id = cast(:key as bigint) order by r.created_at desc limit 20

-- name: pools
select pool, dex, price_usd, liquidity_usd, volume_h24, created_at, checked_at
  from token_pool where token_id = cast(:key as bigint) order by liquidity_usd desc nulls last limit 20

-- name: wallets
select w.address, w.score, w.early_tokens, x.first_bought_at, x.bought_usd, x.gain_pct, x.run_id
  from wallet_token x join wallet w on w.id = x.wallet_id
 where x.token_id = cast(:key as bigint) order by x.gain_pct desc nulls last limit 50

-- name: profiles
select run_id, asked_at, profiled_at, trades, profiled_wallets, new_wallets, early_window_minutes,
       min_profit_pct, note
  from token_profile where token_id = cast(:key as bigint) order by asked_at desc limit 10

-- name: of_a_run
select t.id::text as key, coalesce(t.symbol, t.name, t.address) as title, s.is_new as new, s.chosen,
       s.rejected_because as why_not, s.volume_h24, s.feeds
  from token_sighting s join token t on t.id = s.token_id
 where s.run_id = :run order by s.chosen desc, s.volume_h24 desc nulls last limit 200

-- name: summary_of_a_run
select found, new, updated, chosen, tokens_analysed, tokens_to_analyse, profiled_wallets,
       new_wallets, out_of_reach
  from discovery_runs where run_id = :run
