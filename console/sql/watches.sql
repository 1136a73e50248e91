-- name: matches
select id, rule, occasion, title, matched_at, run_id from match
 where subject = :subject and subject_id = :key order by id desc limit 20

-- name: schedules
-- An index gives the first of each kind.
select s.name, s.enabled
  from task_kind k
 cross join lateral (select name, enabled from schedule where task = k.name
                      order by enabled desc, name limit 20) s
 where k.name like :tasks order by s.enabled desc, s.name limit 20

-- name: counts
select (select count(*) from rule) as rules, (select count(*) from channel) as channels,
       (select count(*) from (select from match
              where matched_at > now() - interval '1 day' limit 1000) m)
           as matches, now() - interval '1 day' as since,
       (select count(*) from (select from notice where state in ('waiting', 'sending')
              limit 1000) n) as waiting
