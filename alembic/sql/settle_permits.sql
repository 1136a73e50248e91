create or replace function settle_permits(answered bigint[], elapsed double precision[], statuses integer[])
returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
declare
    -- Nothing older can be unsettled and still count: older partitions are not looked at.
    since constant timestamptz := clock_timestamp() - max_permit_lease()
        - (select coalesce(max(e), 0) from unnest(elapsed) e) * interval '1 second';
begin
    -- The answer was in `elapsed` seconds before the caller asked: by this clock now less that, never too early.
    update permit
       set settled = true, status = one.status,
           stamp = least(permit.stamp, clock_timestamp() - one.elapsed * interval '1 second')
      from unnest(answered, elapsed, statuses) as one(id, elapsed, status)
     where permit.id = one.id and not permit.settled and permit.granted_at > since;
end
$$;

comment on function settle_permits(bigint[], double precision[], integer[]) is
    'Lowers the stamps of answered calls from the end of their lease to the time of the response';
