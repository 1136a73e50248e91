create or replace function window_calls(
    for_upstream text, begins timestamptz, out calls bigint, out oldest timestamptz
)
language plpgsql stable
set plan_cache_mode = force_generic_plan
as $$
declare
    longest constant interval := max_permit_lease();
    first permit_total;
    last permit_total;
begin
    select * into first from permit_total where upstream = for_upstream and stamp > begins order by stamp limit 1;
    if not found then
        select count(*), min(stamp) into calls, oldest from permit
         where upstream = for_upstream and stamp > begins and granted_at > begins - longest;
        return;
    end if;
    -- Between the first total and the last nothing is counted again.
    select * into last from permit_total where upstream = for_upstream order by stamp desc limit 1;
    select count(*), min(stamp) into calls, oldest from permit
     where upstream = for_upstream and stamp > begins and stamp <= first.stamp
       and granted_at > begins - longest and granted_at <= first.stamp + longest;
    calls := calls + last.total - first.total
        + (select count(*) from permit where upstream = for_upstream and stamp > last.stamp
              and granted_at > last.stamp - longest);
end
$$;

comment on function window_calls(text, timestamptz) is
    'How many calls of an upstream a window holds, and the stamp of its oldest: counted from permit_total where it can';
