create or replace view scrape_log as
select s.started_at, c.site, c.slug as category,
       case when given.early then 'incomplete' else s.state end as state,
       case when given.early then concat_ws(': ', 'its run ended first', r.error) else s.reason end as reason,
       s.pages, s.cards, s.new, s.changed, s.expired,
       s.state = 'complete' as complete,
       case when s.state = 'blocked' then s.reason end as blocked_why,
       s.thorough, s.unchanged_pages, s.price_changes,
       s.ended_at - s.started_at as took, r.state as run_state, r.schedule, s.run_id
  from scrape s
  join category c on c.id = s.category_id
  left join run r on r.id = s.run_id
  -- A run that was stopped or ran out of time leaves its row as it stood.
  cross join lateral (select s.state = 'running' and r.state is distinct from 'running' as early) given
 order by s.started_at desc;
comment on view scrape_log is
    'Each category in each scrape run: pages, ads, new, changed, complete or not, blocked why; add LIMIT';
