-- name: channels
select c.name, c.kind, c.target, c.max_per_hour, c.incidents, c.enabled, c.note, room.used,
       room.gathers,
       case when room.free_at > clock_timestamp() then room.free_at end as free_at,
       (select count(*) from (select from notice n where n.channel = c.name
              and n.state in ('waiting', 'sending') limit 1000) w)
           as waiting, last.state as last_state, last.answer, last.sent_at, last.created_at
  from channel c cross join lateral channel_room(c.name) room
  left join lateral (select * from notice n where n.channel = c.name
         and n.state <> 'waiting' order by n.id desc limit 1) last on true
 order by c.name

-- name: outbox
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule,
       m.occasion, m.id as match_id,
       n.attempts, r.id as run_id, n.answer, n.created_at, n.sent_at, n.not_before, c.enabled, u.blocked_until,
              room.free_at
  from (select * from notice where (cast(:state as text) is null or state = any(
                  case when :state in ('open', 'held') then array['waiting', 'sending'] else array[:state] end))
           and (:state is distinct from 'held' or channel in (select subject from trouble where kind = 'notices held'))
           and (cast(:channel as text) is null or channel = :channel)
           and (cast(:match as bigint) is null or match_id = :match)
           and (cast(:after_id as bigint) is null or id < :after_id)
         order by id desc limit :limit) n
  join channel c on c.name = n.channel
  left join match m on m.id = n.match_id
  left join run r on r.id = n.run_id
  left join upstream_state u on u.upstream = c.upstream and u.blocked_until > clock_timestamp()
  left join lateral (select case when r.free_at > clock_timestamp() then r.free_at end
         as free_at from channel_room(c.name) r
                      where n.state = 'waiting') room on true
 order by n.id desc

-- name: matches
select *, subject_id as key,
       (select count(*) from notice where match_id = match.id) as notices
  from match
 where (cast(:rule as text) is null or rule = :rule)
   and (cast(:since as timestamptz) is null or matched_at > :since) and (cast(:q as text) is null or title ilike :q)
   and (cast(:after_id as bigint) is null or id < :after_id)
 order by id desc limit :limit
