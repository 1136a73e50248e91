create table permit_total (
    upstream text not null,
    stamp timestamptz not null,
    total bigint not null,
    constraint permit_total_pkey primary key (upstream, stamp)
);
comment on table permit_total is 'How many calls an upstream had answered up to a stamp, every hundred calls: windows count only those before the first of these and after the last.';
comment on column permit_total.upstream is 'The upstream';
comment on column permit_total.stamp is 'Stamp of a call; all up to this have one that will not change';
comment on column permit_total.total is 'Calls up to this stamp since counting began; only differences mean something';

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

create or replace function permit_changed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    since timestamptz;
begin
    if tg_op = 'TRUNCATE' then
        delete from permit_total;
        return null;
    end if;
    since := least(old.stamp, new.stamp, new.granted_at);
    -- Totals are not continued meanwhile.
    perform from upstream_state where upstream in (old.upstream, new.upstream) order by upstream for update;
    delete from permit_total where upstream in (old.upstream, new.upstream) and stamp >= since;
    return null;
end
$$;

comment on function permit_changed() is
    'Trigger: forgets totals that a change of calls made long ago, or by hand, has made wrong';

-- A permit is inserted with a stamp ahead, and settled once, soon after its lease at the latest: neither fires.
create or replace trigger permit_inserted
    after insert on permit for each row
    when (new.stamp <= clock_timestamp() or new.granted_at < clock_timestamp() - interval '10 seconds')
    execute function permit_changed();

create or replace trigger permit_updated
    after update on permit for each row
    when (old.settled or old.stamp <= clock_timestamp() - interval '10 minutes' or new.stamp < new.granted_at
          or (new.upstream, new.granted_at) is distinct from (old.upstream, old.granted_at))
    execute function permit_changed();

create or replace trigger permit_deleted
    after delete on permit for each row execute function permit_changed();

create or replace trigger permit_truncated
    after truncate on permit for each statement execute function permit_changed();

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

create or replace function backfill_dues(s schedule, first timestamptz, last timestamptz) returns timestamptz[]
language plpgsql stable
as $$
declare
    anchor timestamptz := coalesce(s.starts_at, (select st.anchor_at from schedule_state st where st.schedule = s.name), first);
begin
    if s.every is not null and first < anchor then
        -- The grid has no beginning: what was before the schedule can be made up for too.
        anchor := anchor - interval '1 microsecond' * (ceil(extract(epoch from anchor - first) / extract(epoch from s.every))
                                                       * extract(epoch from s.every) * 1000000)::float8;
    end if;
    return due_times(s, anchor, first, last + interval '1 microsecond', 10001);
end
$$;

comment on function backfill_dues(schedule, timestamptz, timestamptz) is
    'Due times of a backfill, both ends included; at most 10001, one more than are accepted';

create or replace function backfill_check(s schedule, first timestamptz, last timestamptz, overlap text) returns void
language plpgsql stable
as $$
declare
    known date := (select min(session_date) from market_session where mic = s.calendar);
    number integer;
begin
    if s.every is null and (s.cron is null or sun_event(s.cron) is not null) then
        raise exception 'schedule "%" has no due times to backfill', s.name
            using errcode = '23514', hint = case when s.cron is null then 'Only schedules with every or cron can be backfilled; '
                                                 else 'Past due times by the sun are not known; ' end || 'to run it once: '
                         || how_to(format('SELECT run_now(%L);', s.name), 'schedule run ' || s.name);
    elsif not isfinite(first) or not isfinite(last) or last < first then
        raise exception 'a backfill must end after it starts, not from % to %', first, last
            using errcode = '23514', column = 'backfill_until', hint = 'Both ends are included.';
    elsif overlap not in ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all') then
        raise exception 'there is no overlap policy "%"', overlap
            using errcode = '23514', column = 'overlap',
                  hint = did_you_mean(overlap, array['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all'])
                         || 'One of skip, buffer_one, buffer_all, cancel_other, allow_all.';
    elsif s.calendar is not null and (known is null or first < known) then
        raise exception 'trading days of % are known %', s.calendar,
                        coalesce('from ' || known || ' on, not at ' || to_char(first, 'YYYY-MM-DD'), 'not at all yet')
            using errcode = '23514', column = 'backfill_from',
                  hint = coalesce(format('Begin at %s or later.', known), 'Run the task tasks.upkeep.sessions first.');
    end if;
    number := cardinality(backfill_dues(s, first, last));
    if number = 0 then
        raise exception 'schedule "%" has no due time from % to %', s.name, first, last
            using errcode = '23514', column = 'backfill_from',
                  hint = format('It runs %s. Both ends are included.', schedule_words(s));
    elsif number > 10000 then
        raise exception 'a backfill of more than 10000 runs is refused'
            using errcode = '23514', column = 'backfill_until', hint = 'Request shorter ranges, one after the other.';
    end if;
end
$$;

comment on function backfill_check(schedule, timestamptz, timestamptz, text) is
    'Refuses a backfill without due times, with too many, or before the known trading days';

create or replace function run_request_check() returns trigger
language plpgsql
as $$
declare
    asked schedule;
begin
    if guarded_role(tg_relid) is not null then
        -- Who asked, and the answer, are not for people to write.
        new.requested_by := actor();
        new.program := current_setting('application_name');
        new.requested_at := clock_timestamp();
        new.answered_at := null;
        new.answer := null;
        new.answer_run_id := null;
        new.next_due_at := null;
    end if;
    -- The run that comes of it is known by its id before beat has answered.
    new.new_run_id := case when new.action in ('run', 'retry') then gen_random_uuid() end;
    if new.schedule is not null then
        asked := schedule_named(new.schedule);
        if new.options is not null then
            perform options_check(asked.task, asked.options || new.options,
                                  (select options_schema from task_kind where name = asked.task));
        end if;
        if new.action = 'backfill' and new.backfill_from is not null and new.backfill_until is not null then
            perform backfill_check(asked, new.backfill_from, new.backfill_until, coalesce(new.overlap, 'buffer_all'));
        end if;
    elsif new.run_id is not null and not exists (select from run where id = new.run_id) then
        raise exception 'no run with id %', new.run_id
            using errcode = 'P0002', hint = 'The last runs: ' || how_to('SELECT id, name FROM recent_runs LIMIT 10;', 'schedule runs');
    end if;
    return new;
end
$$;

comment on function run_request_check() is 'Trigger: refuses requests that beat could not carry out';

create or replace trigger run_request_check
    before insert on run_request
    for each row execute function run_request_check();

create or replace function backfill(
    schedule_name text, first timestamptz, last timestamptz, overlap text default 'buffer_all',
    dry_run boolean default false, reason text default null)
returns table (request_id bigint, runs integer, first_due_at timestamptz, last_due_at timestamptz, items bigint, calls bigint,
               upstream text, quota_left bigint, takes text)
language plpgsql
as $$
declare
    s schedule := schedule_named(schedule_name);
    dues timestamptz[];
    per_run record;
    waits interval;
    now_ constant timestamptz := clock_timestamp();
begin
    perform require_operator('run_request', 'insert into');
    perform backfill_check(s, first, last, overlap);
    dues := backfill_dues(s, first, last);
    runs := cardinality(dues);
    first_due_at := dues[1];
    last_due_at := dues[runs];
    select k.upstream into upstream from task_kind k where k.name = s.task;
    -- What its last runs took is what these will take, as far as anybody can know.
    select avg(r.total) as items, avg(c.calls) as calls, avg(r.finished_at - r.started_at) as length into per_run
      from (select id, total, created_at, finished_at, started_at from run
             where run.schedule = s.name and state in ('succeeded', 'partial') order by created_at desc limit 20) r,
           lateral (select count(*) as calls from permit p where p.run_id = r.id and p.granted_at >= r.created_at) c;
    items := ceil(per_run.items * runs);
    calls := ceil(per_run.calls * runs);
    select (array_agg(q.calls - used.calls order by q.per desc))[1], max(ceil((backfill.calls - (q.calls - used.calls)) / q.calls::float8) * q.per)
      into quota_left, waits
      from quota q, lateral window_start(q.per, q.timezone, now_) as begins,
           lateral window_calls(q.upstream, begins) used
     where q.upstream = backfill.upstream;
    -- Runs that wait for each other, or calls that wait for their quota, whichever is longer.
    takes := duration_words(date_trunc('second', greatest(
        waits, case when overlap <> 'allow_all' then per_run.length * runs else per_run.length end)));
    if not dry_run then
        insert into run_request (action, schedule, backfill_from, backfill_until, overlap, note)
        values ('backfill', s.name, first, last, backfill.overlap, reason) returning id into request_id;
    end if;
    return next;
end
$$;

comment on function backfill(text, timestamptz, timestamptz, text, boolean, text) is
    'Run every due time of a range, both ends included; dry_run => true only counts runs, items and calls: SELECT * FROM backfill(''prices-nightly'', ''2026-11-01'', ''2026-11-08'', dry_run => true);';

create or replace view quota_status as
select u.name as upstream,
       case when q.timezone is null then duration_words(q.per) else 'day of ' || q.timezone end as per,
       used.calls as used, q.calls as allowed,
       round(100.0 * used.calls / q.calls) || ' %' as share,
       case when used.calls > 0 then
           in_words(case when q.timezone is null then used.oldest + q.per
                         else window_free(null, q.per, q.timezone, clock_timestamp()) end) end as resets,
       waiting.batches as waiting, waiting.who as who_waits,
       case when s.blocked_until > clock_timestamp() then s.blocked_until end as blocked_until,
       case when not u.enabled then 'disabled' || coalesce(': ' || u.note, '')
            when s.blocked_until > clock_timestamp() then s.blocked_reason end as blocked_because,
       case when s.blocked_until > clock_timestamp() then 'open'
            when s.failures > 0 and s.blocked_until is not null then 'half open'
            else 'closed' end as breaker,
       s.next_permit_at, s.next_permit_reason, s.failures, q.per as per_interval, q.paced
  from (select clock_timestamp() as now_) clock
 cross join upstream u
  join upstream_state s on s.upstream = u.name
  left join quota q on q.upstream = u.name
  cross join lateral window_start(q.per, q.timezone, clock.now_) as begins
  cross join lateral window_calls(u.name, begins) used
  cross join lateral (select count(*) as batches,
                             string_agg(distinct coalesce(r.schedule, r.task), ', ') as who
                        from batch b join run r on r.id = b.run_id
                       where b.waiting_for = u.name and b.state in ('waiting', 'sent')) waiting
 order by u.name, q.per;
comment on view quota_status is
    'How much of each upstream''s limits is used, who waits, what is blocked and why (breaker: closed lets calls through)';

create or replace function drop_partition(
    of_table text, before timestamptz, max_rows integer, out partition text, out about_rows bigint
)
language plpgsql security definer
set search_path = public, pg_temp
set lock_timeout = '100ms'
as $$
declare
    rules partitioned_table;
    oldest timestamptz := before;
    ended_at timestamptz;
begin
    select * into rules from partitioned_table where name = of_table;
    if not found then
        raise exception 'no partitioned table named "%"', of_table
            using errcode = '22023', hint = 'SELECT name FROM partitioned_table;';
    end if;
    if of_table = 'permit' then
        -- What a window may still count stays, whatever was asked.
        oldest := least(before, clock_timestamp() - (select coalesce(max(per), '0') from quota) - max_permit_lease());
    end if;
    select p.name, p.ends into partition, ended_at from partitions_of(of_table) p where p.ends <= oldest order by p.ends limit 1;
    if partition is not null then
        if of_table = 'permit' then
            delete from permit_total where stamp < ended_at + max_permit_lease();
        end if;
        about_rows := coalesce(pg_stat_get_live_tuples(to_regclass(format('history.%I', partition))), 0);
        execute format('drop table history.%I', partition);
        return;
    end if;
    execute format('delete from history.%1$I where ctid = any(array('
                   'select ctid from history.%1$I where %2$I < $1 limit $2 for update skip locked))',
                   of_table || '_default', rules.key)
      using oldest, max_rows;
    get diagnostics about_rows = row_count;
    if about_rows > 0 then
        partition := of_table || '_default';
    end if;
end
$$;

comment on function drop_partition(text, timestamptz, integer) is
    'Drops the oldest partition that ends before a time, or else deletes such rows of the default one, and says which; partition is null when there is nothing; waits at most 100 ms for a lock';

-- Workers go on calling while the migrate step has yet to grant what the roles may.
do $$
declare
    role text;
begin
    foreach role in array array['viewer', 'operator', 'service']
    loop
        if to_regrole(role) is not null then
            execute format('grant %s on permit_total to %I', case role when 'service' then 'select, insert, update, delete' else 'select' end, role);
        end if;
    end loop;
end
$$;
