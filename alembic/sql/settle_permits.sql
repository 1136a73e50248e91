create or replace function settle_permits(answered bigint[], elapsed double precision[], statuses integer[])
returns void
language sql
as $$
    -- The answer was in `elapsed` seconds before the caller asked: by this clock now less that, never too early.
    update permit
       set settled = true, status = one.status,
           stamp = least(permit.stamp, clock_timestamp() - one.elapsed * interval '1 second')
      from unnest(answered, elapsed, statuses) as one(id, elapsed, status)
     where permit.id = one.id and not permit.settled
$$;

comment on function settle_permits(bigint[], double precision[], integer[]) is
    'Lowers the stamps of answered calls from the end of their lease to the time of the response';
