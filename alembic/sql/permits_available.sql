create or replace function permits_available(for_upstream text, now_ timestamptz) returns integer
language plpgsql stable
set plan_cache_mode = force_generic_plan
as $$
declare
    longest constant interval := max_permit_lease();
begin
    return (select case
        when not u.enabled or s.blocked_until > now_ then 0
        else greatest(0, least(
            case when s.failures > 0 and s.blocked_until is not null then 1 else u.concurrency end
            - (select count(*) from (select from permit p where p.upstream = u.name
                                        and p.stamp > now_ and p.granted_at > now_ - longest limit u.concurrency) flying),
            (select min(q.calls - used.calls)
               from quota q, window_start(q.per, q.timezone, now_) as begins, window_calls(u.name, begins) used
              where q.upstream = u.name),
            case when spaced > interval '0'
                 then 1 - (select count(*) from (select from permit p where p.upstream = u.name and p.stamp > now_ - spaced
                                                    and p.granted_at > now_ - spaced - longest limit 1) last)
            end))::integer
        end
      from upstream u join upstream_state s on s.upstream = u.name
      cross join lateral greatest(u.spacing, case when u.obey_robots then s.crawl_delay end,
          (select max(per / calls) from quota where upstream = u.name and paced)) as spaced
     where u.name = for_upstream);
end
$$;

comment on function permits_available(text, timestamptz) is 'How many calls the upstream would let through now';
