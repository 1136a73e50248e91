-- name: history
select id, extract(epoch from created_at)::float8 as at, state, extract(epoch
       from finished_at - started_at)::float8 as seconds,
       extract(epoch from coalesce(started_at, created_at) - due_at)::float8 as late,
       coalesce(started_at, created_at) - due_at as late_by
  from (select * from run where schedule = :name and trigger = 'schedule' and started_at is not null
         order by created_at desc limit :last) last
 order by created_at

-- name: cost
select k.upstream, round(avg(c.calls), 1) as calls,
       (select string_agg(q.calls || ' per ' || duration_words(q.per), ', ' order by q.per)
         from quota q where q.upstream = k.upstream) as limits
  from task_kind k
  join lateral (select id, created_at from run where schedule = :name and state in ('succeeded', 'partial')
                 order by created_at desc limit 10) r on true
 cross join lateral (select count(*) as calls from permit where run_id = r.id
                       and granted_at >= r.created_at) c
 where k.name = :task and k.upstream is not null group by k.upstream

-- name: beat
select coalesce(st.planned_revision >= :revision, false) as has, st.planned_revision,
       extract(epoch from st.updated_at - s.updated_at)::float8 as seconds,
       exists (select from heartbeat where role = 'beat'
              and seen_at > clock_timestamp() - interval '30 seconds') as beats
  from schedule s left join schedule_state st on st.schedule = s.name where s.name = :name

-- name: words
select schedule_words(s) from schedule s where name = :name
