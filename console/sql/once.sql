-- name: take
insert into console.idempotency_key (person, key, fingerprint) values (:person, :key, :fingerprint)
on conflict do nothing returning true

-- name: found
select fingerprint, status, answer from console.idempotency_key where person = :person and key = :key

-- name: keep
update console.idempotency_key set status = :status, answer = cast(:answer as jsonb)
 where person = :person and key = :key

-- name: forget
delete from console.idempotency_key where ctid = any(array(select ctid from console.idempotency_key
 where created_at < clock_timestamp() - interval '1 day' limit 100))
