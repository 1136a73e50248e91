create or replace function take_permit(
    for_upstream text, lease interval, for_run uuid, for_seq integer, for_path text,
    answered bigint[], elapsed double precision[], statuses integer[],
    out permit_id bigint, out wait_seconds double precision, out reason text, out window_length interval,
    out trying boolean
)
language plpgsql
as $$
declare
    rules upstream;
    door upstream_state;
    limits record;
    now_ timestamptz;
    nth timestamptz;
    used integer;
    spare_ integer;
    places integer;
    spaced interval;
    -- Windows that hold more than this are counted only when what was spare at the last count is used up.
    wide constant integer := 50;
    begins timestamptz;
    free_at timestamptz;
    until_ timestamptz := '-infinity';
begin
    if cardinality(answered) > 0 then
        perform settle_permits(answered, elapsed, statuses);
    end if;
    select * into door from upstream_state where upstream = for_upstream for update;
    if not found then
        raise exception 'no upstream named "%"', for_upstream
            using hint = 'INSERT INTO upstream (name, base_url) …';
    end if;
    -- All is read after the lock: a clock read before it would be older than stamps it must count,
    -- and an edit may have been committed while this waited.
    now_ := clock_timestamp();
    select * into rules from upstream where name = for_upstream;
    trying := door.failures > 0;

    if for_run is not null
       and exists (select from run where id = for_run and stop_requested_at is not null) then
        wait_seconds := 86400;
        reason := 'stop requested';
        return;
    end if;
    if not rules.enabled then
        until_ := 'infinity';
        reason := 'disabled' || coalesce(': ' || rules.note, '');
    elsif door.closed_until > now_ then
        until_ := door.closed_until;
        reason := 'closed: ' || coalesce(door.closed_reason, 'no reason kept');
    else
        -- In flight: a stamp that lies ahead.  An answer usually comes long before the lease ends, so look
        -- again soon.  After a closing one call goes first to try; the others wait for its answer.
        places := case when door.failures > 0 and door.closed_until is not null then 1 else rules.concurrency end;
        select stamp into nth from permit where upstream = for_upstream and stamp > now_
         order by stamp desc offset places - 1 limit 1;
        if found then
            until_ := now_ + interval '50 milliseconds';
            reason := places || case places when 1 then ' call' else ' calls' end || ' in flight';
        end if;
        spaced := greatest(rules.spacing, case when rules.obey_robots then door.crawl_delay end,
            (select max(per / calls) from quota where upstream = for_upstream and paced));
        if spaced > interval '0' then
            select stamp into nth from permit where upstream = for_upstream and stamp > now_ - spaced
             order by stamp desc limit 1;
            if found and least(nth, now_) + spaced > until_ then
                until_ := least(nth, now_) + spaced;
                reason := 'one call per ' || spaced;
                window_length := spaced;
            end if;
        end if;
        for limits in select calls, per, timezone from quota where upstream = for_upstream
        loop
            begins := window_start(limits.per, limits.timezone, now_);
            if limits.calls > wide then
                continue when door.spare > 0;
                select count(*), min(stamp) into used, nth
                  from (select stamp from permit where upstream = for_upstream and stamp > begins
                         order by stamp desc limit limits.calls) youngest;
                if used < limits.calls then
                    spare_ := least(spare_, limits.calls - used);
                    continue;
                end if;
            else
                select stamp into nth from permit where upstream = for_upstream and stamp > begins
                 order by stamp desc offset limits.calls - 1 limit 1;
                continue when not found;
            end if;
            free_at := window_free(nth, limits.per, limits.timezone, now_);
            if free_at > until_ then
                until_ := free_at;
                reason := limits.calls || ' calls per ' || limits.per || coalesce(' of ' || limits.timezone, '');
                window_length := limits.per;
            end if;
        end loop;
    end if;

    if until_ > now_ then
        wait_seconds := case until_ when 'infinity' then 86400 else extract(epoch from until_ - now_) end;
        update upstream_state set next_permit_at = until_, next_permit_reason = take_permit.reason
         where upstream = for_upstream and next_permit_at is distinct from until_;
        return;
    end if;
    spare_ := coalesce(spare_, door.spare);
    if spare_ is not null then
        -- Stamps only leave windows and only drop: what was spare is spare still, less what is given.
        update upstream_state set spare = spare_ - 1 where upstream = for_upstream;
    end if;
    insert into permit (upstream, granted_at, stamp, run_id, seq, path)
    values (for_upstream, now_, now_ + lease, for_run, for_seq, for_path)
    returning id into permit_id;
    wait_seconds := 0;
    reason := null;
    window_length := null;
end
$$;

comment on function take_permit(text, interval, uuid, integer, text, bigint[], double precision[], integer[]) is
    'Settles answered calls, then takes a permit for one call, or says how long to wait and for what (the settled log)';
