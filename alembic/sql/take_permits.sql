create or replace function take_permits(
    for_upstream text, leases double precision[], for_runs uuid[], for_seqs integer[], for_paths text[],
    answered bigint[], elapsed double precision[], statuses integer[]
)
returns table (
    permit_id bigint, wait_seconds double precision, reason text, window_length interval,
    trying boolean, cause text
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
    stopped uuid[];
    refused boolean := false;
    free_at_ timestamptz;
    waits_for text;
begin
    if (select max(lease) from unnest(leases) lease) * interval '1 second' > max_permit_lease() then
        raise exception 'the lease of a permit is at most %', max_permit_lease()
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
    -- The clock was set back: calls may come to be stamped between these totals.
    delete from permit_total where upstream = for_upstream and stamp >= now_;
    select * into rules from upstream where name = for_upstream;
    select array_agg(id) into stopped from run where id = any(for_runs) and stop_requested_at is not null;
    spare_ := state.spare;
    for nth in 1..cardinality(leases)
    loop
        permit_id := null;
        window_length := null;
        trying := state.failures > 0;
        if for_runs[nth] = any(stopped) then
            wait_seconds := 86400;
            reason := 'stop requested';
            cause := 'stop';
            return next;
            continue;
        end if;
        -- Who is refused leaves nothing behind: those after it are refused for the same reason.
        if not refused then
            state.spare := spare_;
            refusal := permit_refusal(rules, state, now_, false);
            spare_ := coalesce(refusal.spare, spare_);
            refused := coalesce(refusal.free_at > now_, false);
        end if;
        if refused then
            free_at_ := refusal.free_at;
            waits_for := refusal.reason;
            wait_seconds := extract(epoch from least(refusal.free_at, now_ + interval '31 days') - now_);
            reason := refusal.reason;
            cause := refusal.cause;
            window_length := refusal.window_length;
            return next;
            continue;
        end if;
        -- Stamps only leave windows and only drop: what was spare is spare still, less what is given.
        spare_ := spare_ - 1;
        insert into permit (upstream, granted_at, stamp, run_id, seq, path)
        values (for_upstream, now_, now_ + leases[nth] * interval '1 second', for_runs[nth], for_seqs[nth], for_paths[nth])
        returning id into permit_id;
        wait_seconds := 0;
        reason := null;
        cause := null;
        return next;
    end loop;
    update upstream_state
       set spare = spare_, next_permit_at = coalesce(free_at_, next_permit_at),
           next_permit_reason = coalesce(waits_for, next_permit_reason)
     where upstream = for_upstream
       and (spare is distinct from spare_ or next_permit_at is distinct from coalesce(free_at_, next_permit_at));
end
$$;

comment on function take_permits(text, double precision[], uuid[], integer[], text[], bigint[], double precision[], integer[]) is
    'Settles answered calls, then answers each question for a permit in its order: granted, or how long to wait and for what';
