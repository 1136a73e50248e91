create or replace function take_permit(
    for_upstream text, lease interval, for_run uuid, for_seq integer, for_path text,
    answered bigint[], elapsed double precision[], statuses integer[],
    out permit_id bigint, out wait_seconds double precision, out reason text, out window_length interval,
    out trying boolean, out cause text
)
language plpgsql
-- Partitions make a plan for the values of one call look cheaper than it is: it would be made at each call.
set plan_cache_mode = force_generic_plan
as $$
declare
    rules upstream;
    state upstream_state;
    refusal record;
    now_ timestamptz;
    spare_ integer;
begin
    if lease > max_permit_lease() then
        raise exception 'the lease of a permit is at most %, not %', max_permit_lease(), lease
            using errcode = '22023', hint = 'A call''s total deadline must be shorter.';
    end if;
    if current_setting('synchronous_commit') = 'off' then
        -- What is granted must outlive a crash, whatever the server is set to.
        perform set_config('synchronous_commit', 'on', true);
    end if;
    if cardinality(answered) > 0 then
        perform settle_permits(answered, elapsed, statuses);
    end if;
    select * into state from upstream_state where upstream = for_upstream for update;
    if not found then
        raise exception 'no upstream named "%"', for_upstream
            using hint = 'INSERT INTO upstream (name, base_url) …';
    end if;
    -- All is read after the lock: a clock read before it would be older than stamps it must count,
    -- and an edit may have been committed while this waited.
    now_ := clock_timestamp();
    select * into rules from upstream where name = for_upstream;
    trying := state.failures > 0;

    if for_run is not null
       and exists (select from run where id = for_run and stop_requested_at is not null) then
        wait_seconds := 86400;
        reason := 'stop requested';
        cause := 'stop';
        return;
    end if;
    refusal := permit_refusal(rules, state, now_, false);
    if refusal.free_at > now_ then
        wait_seconds := extract(epoch from least(refusal.free_at, now_ + interval '31 days') - now_);
        reason := refusal.reason;
        cause := refusal.cause;
        window_length := refusal.window_length;
        update upstream_state set next_permit_at = refusal.free_at, next_permit_reason = refusal.reason
         where upstream = for_upstream and next_permit_at is distinct from refusal.free_at;
        return;
    end if;
    spare_ := coalesce(refusal.spare, state.spare);
    if spare_ is not null then
        -- Stamps only leave windows and only drop: what was spare is spare still, less what is given.
        update upstream_state set spare = spare_ - 1 where upstream = for_upstream;
    end if;
    insert into permit (upstream, granted_at, stamp, run_id, seq, path)
    values (for_upstream, now_, now_ + lease, for_run, for_seq, for_path)
    returning id into permit_id;
    wait_seconds := 0;
end
$$;

comment on function take_permit(text, interval, uuid, integer, text, bigint[], double precision[], integer[]) is
    'Settles answered calls, then takes a permit for one call, or says how long to wait and for what';

drop function if exists take_permits(
    text, double precision[], uuid[], integer[], text[], bigint[], double precision[], integer[]
);
