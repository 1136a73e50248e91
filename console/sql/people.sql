-- name: may_log_in
select password, disabled from console.person where name = :name

-- name: change_password
update console.person set password = :password where name = :name

-- name: start_session
insert into console.session (hash, person, address, expires_at)
values (:hash, :person, :address, clock_timestamp() + :hours * interval '1 hour')

-- name: end_session
-- With it those that are over.
delete from console.session where hash = :hash or expires_at < clock_timestamp()

-- name: session
-- Times of use are written at most every 5 minutes.
select p.name, p.role, p.role as own, s.seen_at < clock_timestamp() - interval '5 minutes' as note
  from console.session s join console.person p on p.name = s.person
 where s.hash = :hash and s.expires_at > clock_timestamp() and not p.disabled

-- name: session_used
-- A session ends a week after its login, however often it is used.
update console.session set seen_at = clock_timestamp(),
       expires_at = least(clock_timestamp() + :hours * interval '1 hour', created_at + :max_age)
 where hash = :hash

-- name: token
select p.name, p.role, t.role as own,
       coalesce(t.used_at < clock_timestamp() - interval '5 minutes', true) as note
  from console.api_token t join console.person p on p.name = t.person
 where t.hash = :hash and t.expires_at > clock_timestamp() and not p.disabled

-- name: token_used
update console.api_token set used_at = clock_timestamp() where hash = :hash

-- name: link
-- It is used up, also when it is too old.
with used as (delete from console.login_link where hash = :hash
              returning person, expires_at > clock_timestamp() as good)
select p.name from used join console.person p on p.name = used.person where used.good and not p.disabled

-- name: make_token
insert into console.api_token (person, title, role, hash, expires_at)
values (:person, :title, :role, :hash, clock_timestamp() + :days * interval '1 day') returning id

-- name: tokens
select * from console.api_token where person = :person order by id

-- name: revoke_token
delete from console.api_token where person = :person and id = :id

-- name: try
-- Counted before the password is looked at: after five failures in a day, one try a minute is allowed.
insert into console.login_attempt as tried (name, address, failures, tried_at)
values (:name, :address, 1, clock_timestamp())
    on conflict (name, address) do update
   set failures = case when tried.tried_at < clock_timestamp() - interval '1 day' then 1
                       else tried.failures + 1 end, tried_at = clock_timestamp()
 where tried.failures < 5 or tried.tried_at < clock_timestamp() - interval '1 minute'
returning failures

-- name: succeeded
-- The failures of this name and address are forgotten, and some of a day ago.
delete from console.login_attempt
 where name = :name and address = :address
    or (name, address) in (select name, address from console.login_attempt
                            where tried_at < clock_timestamp() - interval '1 day' limit 100)

-- name: forget_keys
delete from console.idempotency_key
 where (person, key) in (select person, key from console.idempotency_key
                          where created_at < clock_timestamp() - interval '1 day' limit 100)

-- name: take_key
-- Waits for another request with the same key.
insert into console.idempotency_key (person, key, fingerprint) values (:person, :key, :fingerprint)
    on conflict do nothing returning key

-- name: key
select fingerprint, status, answer from console.idempotency_key where person = :person and key = :key

-- name: keep_answer
update console.idempotency_key set status = 202, answer = cast(:answer as jsonb)
 where person = :person and key = :key

-- name: act_as
-- The role, the audit's actor and its program end with the transaction, behind a pooler too.  Filters
-- of lists differ too much for one plan.
select set_config('role', :role, true), set_config('app.actor', :actor, true),
       set_config('application_name', :program, true),
       set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: login
select session_user::text as login, pg_has_role(session_user, to_regrole('service'), 'member')
       or pg_has_role(session_user, to_regrole('owner'), 'member') as too_much
