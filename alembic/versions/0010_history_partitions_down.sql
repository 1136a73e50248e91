alter table run reset (fillfactor);
alter table batch reset (fillfactor);
alter table schedule_state reset (fillfactor);
create table price_outcome_plain (like price_outcome including defaults including constraints including comments);
insert into price_outcome_plain select * from price_outcome;
create table token_sighting_plain (like token_sighting including defaults including constraints including comments);
insert into token_sighting_plain select * from token_sighting;
alter table token_sighting_plain drop column due_at;
drop view recent_price_outcomes;
drop table price_outcome;
drop table token_sighting;
alter table price_outcome_plain rename to price_outcome;
alter table token_sighting_plain rename to token_sighting;
comment on table price_outcome is 'Outcome of each symbol in each price run.';
comment on table token_sighting is 'Decision of each discovery run about each token it saw.';
alter table price_outcome add constraint price_outcome_pkey primary key (run_id, symbol);
create index price_outcome_by_symbol on price_outcome (symbol, at);
create index price_outcome_by_time on price_outcome (at);
alter table token_sighting add constraint token_sighting_pkey primary key (run_id, token_id);
alter table token_sighting add constraint token_sighting_token_id_fkey foreign key (token_id) references token (id) on delete cascade;
create index token_sighting_by_token on token_sighting (token_id);
delete from partitioned_table where name in ('price_outcome', 'token_sighting');
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
