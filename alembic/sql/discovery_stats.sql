create or replace view discovery_stats as
select coalesce(r.schedule, 'by hand') as schedule,
       count(*) as total,
       count(*) filter (where r.state = 'succeeded') as successful,
       count(*) filter (where r.state = 'partial') as partial,
       count(*) filter (where r.state = 'failed') as failed,
       coalesce(sum(c.new), 0) as new,
       coalesce(sum(c.updated), 0) as updated,
       round(coalesce(sum(c.new), 0) / count(*), 1) as avg_new_per_run,
       round(avg(extract(epoch from r.finished_at - r.started_at)), 1) as avg_seconds,
       max(r.finished_at) as last_at
  from run r,
       lateral (select (r.result -> 'counts' ->> 'new')::numeric as new,
                       (r.result -> 'counts' ->> 'updated')::numeric as updated) c
 where r.task in ('tasks.discovery.discover', 'tasks.discovery.surveil') and r.finished_at is not null
   and r.state in ('succeeded', 'partial', 'failed')
 group by 1
 order by 1;
comment on view discovery_stats is 'Results of each discovery schedule: runs, new and updated tokens, new ones a run';
