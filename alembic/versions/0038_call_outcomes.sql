-- Totals of before say nothing of outcomes; beat makes them anew.
delete from permit_total;
alter table permit_total
    add column answered bigint not null default 0,
    add column refused bigint not null default 0,
    add column broken bigint not null default 0,
    add column others bigint not null default 0;
comment on column permit_total.answered is 'Of these, answered';
comment on column permit_total.refused is 'Of these, refused: 429';
comment on column permit_total.broken is 'Of these, answered with a server error: 5xx';
comment on column permit_total.others is 'Of these, answered with another 4xx';

create or replace function call_outcomes(
    for_upstream text, begins timestamptz, ends timestamptz default 'infinity',
    out calls bigint, out answered bigint, out refused bigint, out broken bigint, out others bigint,
    out unanswered bigint
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
    select * into last from permit_total where upstream = for_upstream and stamp <= ends order by stamp desc limit 1;
    if first.stamp is null or last.stamp is null or first.stamp >= last.stamp then
        -- No two totals lie between: every call is counted.
        first := null;
        first.stamp := ends;
        last := null;
        last.stamp := 'infinity';
    end if;
    select count(*), count(*) filter (where status < 400), count(*) filter (where status = 429),
           count(*) filter (where status >= 500),
           count(*) filter (where status >= 400 and status < 500 and status <> 429)
      into calls, answered, refused, broken, others
      from (select status from permit
             where upstream = for_upstream and stamp > begins and stamp <= first.stamp
               and granted_at > begins - longest and granted_at <= first.stamp + longest
            union all
            select status from permit
             where upstream = for_upstream and stamp > last.stamp and stamp <= ends
               and granted_at > last.stamp - longest and granted_at <= ends + longest) at_the_ends;
    calls := calls + coalesce(last.total - first.total, 0);
    answered := answered + coalesce(last.answered - first.answered, 0);
    refused := refused + coalesce(last.refused - first.refused, 0);
    broken := broken + coalesce(last.broken - first.broken, 0);
    others := others + coalesce(last.others - first.others, 0);
    unanswered := calls - answered - refused - broken - others;
end
$$;

comment on function call_outcomes(text, timestamptz, timestamptz) is
    'What became of the calls of an upstream after begins, up to ends: answered, refused (429), broken (5xx), other 4xx, unanswered; counted from permit_total where it can';

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
    for one in select name from upstream order by name
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
        insert into permit_total (upstream, stamp, total, answered, refused, broken, others)
        select one, stamp, coalesce(last.total, 0) + upto, coalesce(last.answered, 0) + answered,
               coalesce(last.refused, 0) + refused, coalesce(last.broken, 0) + broken, coalesce(last.others, 0) + others
          from (select stamp, count(*) over upto as upto, row_number() over (order by stamp) as nth,
                       count(*) filter (where status < 400) over upto as answered,
                       count(*) filter (where status = 429) over upto as refused,
                       count(*) filter (where status >= 500) over upto as broken,
                       count(*) filter (where status >= 400 and status < 500 and status <> 429) over upto as others
                  from (select stamp, status from permit where upstream = one and stamp > since and stamp < until
                           and granted_at > since - longest and granted_at < until + longest
                         order by stamp fetch first 2000 rows with ties) young
                window upto as (order by stamp)) numbered
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
