create or replace view discovery_runs as
select r.id as run_id, coalesce(r.schedule, 'by hand') as schedule, r.state, r.started_at, r.finished_at,
       (r.result -> 'counts' ->> 'found')::int as found, (r.result -> 'counts' ->> 'new')::int as new,
       (r.result -> 'counts' ->> 'updated')::int as updated, (r.result -> 'counts' ->> 'chosen')::int as chosen,
       p.tokens_analysed, p.tokens_to_analyse, p.profiled_wallets, p.new_wallets, p.updated_wallets, p.out_of_reach
  from run r,
       lateral (select count(*) filter (where profiled_at is not null) as tokens_analysed,
                       count(*) filter (where profiled_at is null) as tokens_to_analyse,
                       coalesce(sum(profiled_wallets), 0) as profiled_wallets,
                       coalesce(sum(new_wallets), 0) as new_wallets,
                       coalesce(sum(updated_wallets), 0) as updated_wallets,
                       count(note) as out_of_reach
                  from token_profile where run_id = r.id) p
 where r.task in ('tasks.discovery.discover', 'tasks.discovery.surveil')
 order by r.due_at desc;
comment on view discovery_runs is 'Each discovery run: tokens found and chosen, and the wallets that were early in them';
