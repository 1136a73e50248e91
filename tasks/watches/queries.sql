-- name: channels
select c.name, c.kind, c.target, c.upstream, c.enabled, c.max_per_hour, c.incidents,
       count(n.id) filter (where n.state in ('waiting', 'sending')) as waiting,
       count(n.id) filter (where n.state = 'sent') as sent,
       count(n.id) filter (where n.state = 'dead') as dead,
       (select case when free_at > clock_timestamp() then free_at end
          from channel_room(c.name)) as held_until
  from channel c left join notice n on n.channel = c.name group by c.name order by c.name

-- name: notices
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule, m.occasion,
       n.attempts, n.answer, n.created_at, n.sent_at
  from notice n left join match m on m.id = n.match_id order by n.id desc limit %s
