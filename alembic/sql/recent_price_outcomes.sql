create or replace view recent_price_outcomes as
select at, symbol, outcome, source, detail, run_id from price_outcome
union all
select coalesce(b.finished_at, b.updated_at), i ->> 'key',
       case when coalesce(i ->> 'state', 'waiting') <> 'deferred' then 'error'
            when coalesce(i ->> 'error', b.error) like '%blocked: %' then 'rate_limited'
            else 'deferred' end,
       null, coalesce(i ->> 'error', b.error), b.run_id
  from batch b cross join lateral jsonb_array_elements(b.items) i
 where b.task like 'tasks.prices.%' and (b.failed + b.deferred > 0 or b.state in ('failed', 'stopped'))
   -- A batch that ended early leaves items waiting: they share its error.
   and (i ->> 'state' in ('failed', 'deferred') or b.state in ('failed', 'stopped') and i ->> 'state' is distinct from 'done')
 order by 1 desc;
comment on view recent_price_outcomes is
    'Outcome of each symbol in each price run: ok, stale, not_found, rate_limited (the source said so), deferred (our quota is spent) or error; add LIMIT';
