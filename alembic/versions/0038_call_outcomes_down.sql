drop function call_outcomes(text, timestamptz, timestamptz);

create or replace function total_permits() returns boolean
language plpgsql
set plan_cache_mode = force_generic_plan
-- In the order of the index, a few rows are read; to sort them all are.
set enable_sort = off
set enable_bitmapscan = off
as $$
declare
    -- Calls from one total to the next: at its beginning and end a window counts fewer than so many, row by row.
    apart constant integer := 100;
    longest constant interval := max_permit_lease();
    one text;
    last permit_total;
    since timestamptz;
    now_ timestamptz;
    until timestamptz;
    made integer := 0;
    had integer;
begin
    for one in select distinct upstream from quota order by upstream
    loop
        select coalesce(max(stamp), '-infinity') into since from permit_total where upstream = one;
        perform from permit where upstream = one and stamp > since and granted_at > since - longest offset apart - 1 limit 1;
        continue when not found;
        -- No permit is given meanwhile, and what was given before is committed and seen.
        perform from upstream_state where upstream = one for update skip locked;
        continue when not found;
        select * into last from permit_total where upstream = one order by stamp desc limit 1;
        since := coalesce(last.stamp, '-infinity');
        -- The stamp of a call in flight will drop, at most to when it was let through; so may that of one
        -- whose lease has ended lately.
        now_ := clock_timestamp();
        until := greatest(since, now_ - interval '10 minutes');
        select coalesce(min(granted_at), now_) into until from permit
         where upstream = one and stamp > until and granted_at > until - longest and not settled;
        insert into permit_total (upstream, stamp, total)
        select one, stamp, coalesce(last.total, 0) + upto
          from (select stamp, count(*) over (order by stamp) as upto, row_number() over (order by stamp) as nth
                  from (select stamp from permit where upstream = one and stamp > since and stamp < until
                           and granted_at > since - longest and granted_at < until + longest
                         order by stamp fetch first 2000 rows with ties) young) numbered
         where nth % apart = 0
            on conflict do nothing;
        get diagnostics had = row_count;
        made := made + had;
        exit when made >= 20;
    end loop;
    return made >= 20;
end
$$;

comment on function total_permits() is
    'Continues permit_total by some two thousand calls at most; whether there may be more. Beat calls it';

alter table permit_total
    drop column answered,
    drop column refused,
    drop column broken,
    drop column others;
