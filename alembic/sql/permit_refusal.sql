create or replace function permit_refusal(
    rules upstream, state upstream_state, now_ timestamptz, recount boolean,
    out free_at timestamptz, out reason text, out cause text, out window_length interval, out spare integer
)
language plpgsql stable
set plan_cache_mode = force_generic_plan
as $$
declare
    limits record;
    nth timestamptz;
    used bigint;
    places integer;
    spaced interval;
    -- Windows that hold more than this are counted only when what was spare at the last count is used up.
    wide constant integer := 50;
    -- A stamp lies at most so long after its call was let through: older partitions are not looked at.
    longest constant interval := max_permit_lease();
    begins timestamptz;
    leaves_at timestamptz;
begin
    if not rules.enabled then
        free_at := now_ + interval '1 day';
        reason := 'disabled' || coalesce(': ' || rules.note, '');
        cause := 'disabled';
        return;
    elsif state.blocked_until > now_ then
        free_at := state.blocked_until;
        reason := 'blocked: ' || coalesce(state.blocked_reason, 'no reason kept');
        cause := 'blocked';
        return;
    end if;
    -- In flight: a stamp that lies ahead.  A response usually comes long before the lease ends, so look
    -- again soon.  After a block one call goes first; the others wait for its response.
    places := case when state.failures > 0 and state.blocked_until is not null then 1 else rules.concurrency end;
    select stamp into nth from permit where upstream = rules.name and stamp > now_
       and granted_at > now_ - longest order by stamp desc offset places - 1 limit 1;
    if found then
        free_at := now_ + interval '50 milliseconds';
        reason := places || case places when 1 then ' call' else ' calls' end || ' in flight';
        cause := 'in flight';
    end if;
    spaced := greatest(rules.spacing, case when rules.obey_robots then state.crawl_delay end,
        (select max(per / calls) from quota where upstream = rules.name and paced));
    if spaced > interval '0' then
        select stamp into nth from permit where upstream = rules.name and stamp > now_ - spaced
           and granted_at > now_ - spaced - longest order by stamp desc limit 1;
        if found and least(nth, now_) + spaced > coalesce(free_at, now_) then
            free_at := least(nth, now_) + spaced;
            reason := 'one call per ' || spaced;
            cause := 'spacing';
        end if;
    end if;
    for limits in select calls, per, timezone from quota where upstream = rules.name
    loop
        begins := window_start(limits.per, limits.timezone, now_);
        used := null;
        if limits.calls > wide then
            continue when state.spare > 0 and not recount;
            select calls, oldest into used, nth from window_calls(rules.name, begins);
            -- None while one of several such windows is full, whatever the others have.
            spare := least(spare, limits.calls - used);
            continue when used < limits.calls;
        end if;
        -- From a window that is just full the oldest call leaves first.
        if used is distinct from limits.calls then
            select stamp into nth from permit where upstream = rules.name and stamp > begins
               and granted_at > begins - longest order by stamp desc offset limits.calls - 1 limit 1;
            continue when not found;
        end if;
        leaves_at := window_free(nth, limits.per, limits.timezone, now_);
        if leaves_at > coalesce(free_at, now_) then
            free_at := leaves_at;
            reason := rate_words(limits.calls, limits.per) || coalesce(' of ' || limits.timezone, '');
            cause := 'quota';
            window_length := limits.per;
        end if;
    end loop;
end
$$;

comment on function permit_refusal(upstream, upstream_state, timestamptz, boolean) is
    'Why a call may not be made now and when to ask again (free_at, cause: disabled, blocked, in flight, spacing, quota); free_at is null when it may';
