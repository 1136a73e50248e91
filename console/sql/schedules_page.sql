-- name: upkeep
select count(*) as number, count(*) filter (where st.last_state in ('failed', 'partial')) as bad
  from schedule s join task_kind k on k.name = s.task and k.queue = :queue
  left join schedule_state st on st.schedule = s.name where s.enabled
