create or replace function take_permit(
    for_upstream text, lease interval, for_run uuid, for_seq integer, for_path text,
    out permit_id bigint, out wait_seconds double precision, out reason text, out window_length interval,
    out trying boolean
)
language plpgsql
as $$
declare
    rules upstream;
    door upstream_state;
    limits quota;
    now_ timestamptz;
    nth timestamptz;
    spaced interval;
    until_ timestamptz := '-infinity';
begin
    select * into rules from upstream where name = for_upstream;
    if rules is null then
        raise exception 'no upstream named "%"', for_upstream
            using hint = 'INSERT INTO upstream (name, base_url) …';
    end if;
    select * into door from upstream_state where upstream = for_upstream for update;
    -- Read after the lock: a clock read before it would be older than stamps it must count.
    now_ := clock_timestamp();
    trying := door.failures > 0;

    if not rules.enabled then
        until_ := 'infinity';
        reason := 'disabled' || coalesce(': ' || rules.note, '');
    elsif door.closed_until > now_ then
        until_ := door.closed_until;
        reason := 'closed: ' || coalesce(door.closed_reason, 'no reason kept');
    else
        for limits in
            select q.* from quota q where q.upstream = for_upstream
            union all
            -- After a closing one call goes first to try; the others wait for its answer.
            select for_upstream, null::interval,
                   case when door.failures > 0 and door.closed_until is not null then 1 else rules.concurrency end, null
        loop
            if limits.per is null then
                -- In flight: not settled and its lease not over.  The n-th youngest lease frees a place.
                select stamp into nth from permit
                 where upstream = for_upstream and not settled and stamp > now_
                 order by stamp desc offset limits.calls - 1 limit 1;
                if nth is not null and nth > until_ then
                    -- An answer usually comes long before the lease ends, so look again soon.
                    until_ := least(nth, now_ + interval '50 milliseconds');
                    reason := limits.calls || ' calls in flight';
                    window_length := null;
                end if;
            else
                select stamp into nth from permit
                 where upstream = for_upstream and stamp > now_ - limits.per
                 order by stamp desc offset limits.calls - 1 limit 1;
                if nth + limits.per > until_ then
                    until_ := nth + limits.per;
                    reason := limits.calls || ' calls per ' || limits.per;
                    window_length := limits.per;
                    if nth > now_ then
                        until_ := least(until_, now_ + limits.per);
                    end if;
                end if;
            end if;
        end loop;
        spaced := greatest(rules.spacing, coalesce(door.crawl_delay, interval '0'));
        if spaced > interval '0' then
            select stamp into nth from permit
             where upstream = for_upstream and stamp > now_ - spaced order by stamp desc limit 1;
            if nth + spaced > until_ then
                until_ := least(nth + spaced, now_ + spaced);
                reason := 'one call per ' || spaced;
                window_length := spaced;
            end if;
        end if;
    end if;

    if until_ > now_ then
        wait_seconds := extract(epoch from until_ - now_);
        if until_ = 'infinity' then
            wait_seconds := 86400;
        end if;
        update upstream_state set next_permit_at = until_, next_permit_reason = take_permit.reason
         where upstream = for_upstream and next_permit_at is distinct from until_;
        return;
    end if;
    insert into permit (upstream, granted_at, stamp, run_id, seq, path)
    values (for_upstream, now_, now_ + lease, for_run, for_seq, for_path)
    returning id into permit_id;
    wait_seconds := 0;
    reason := null;
    window_length := null;
end
$$;

comment on function take_permit(text, interval, uuid, integer, text) is
    'Takes a permit for one call, or says how long to wait and for what (the settled log)';
