-- name: try
insert into console.login_attempt as a (name, address, failures, tried_at)
values (:name, :address, 1, clock_timestamp())
on conflict (name, address) do update
   set failures = case when a.tried_at < clock_timestamp() - interval '1 day' then 1
                       else a.failures + 1 end,
       tried_at = clock_timestamp()
 where a.failures < 5 or a.tried_at < clock_timestamp() - interval '1 minute'
returning a.failures

-- name: forget
delete from console.login_attempt
 where name = :name and address = :address
    or ctid = any(array(select ctid from console.login_attempt
                         where tried_at < clock_timestamp() - interval '1 day' limit 100))
