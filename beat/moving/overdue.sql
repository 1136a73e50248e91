-- name: unplanned
select count(*) as number from schedule s left join schedule_state st on st.schedule = s.name
 where s.name = any(%(names)s) and st.planned_revision is distinct from s.revision

-- name: ask
insert into run_request (action, schedule, note)
select 'run', s.name, 'was due at ' || due.at || ', while it was moved'
  from unnest(%(names)s::text[], %(firsts)s::timestamptz[]) as due(name, at)
  join schedule s on s.name = due.name
  join schedule_state st on st.schedule = s.name
 where s.enabled and due.at < coalesce(st.next_run_at, 'infinity') and due.at <= clock_timestamp()
   and not exists (select from run where schedule = s.name)
   and not exists (select from run_request where schedule = s.name)
returning schedule
