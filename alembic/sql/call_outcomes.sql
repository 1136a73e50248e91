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
