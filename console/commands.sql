-- name: list
select p.name, p.role, p.disabled, count(s.hash) as sessions, max(s.seen_at) as seen_at,
       (select count(*) from console.api_token t where t.person = p.name) as tokens
  from console.person p left join console.session s on s.person = p.name
 group by p.name order by p.name

-- name: add
insert into console.person (name, role, password) values (%s, %s, %s)

-- name: change
update console.person set role = coalesce(%s, role), password = coalesce(%s, password),
       disabled = coalesce(%s, disabled) where name = %s

-- name: remove
delete from console.person where name = %s
