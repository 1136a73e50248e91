create schema history;
comment on schema history is 'Partitions of the tables that grow; views and statements name the tables';

create table partitioned_table (
    name text not null,
    key text not null,
    width interval not null,
    ahead interval not null,
    constraint partitioned_table_pkey primary key (name)
);
comment on table partitioned_table is 'Tables partitioned by time: partitions are made ahead and dropped whole.';
comment on column partitioned_table.name is 'Table; its partitions are tables of schema history';
comment on column partitioned_table.key is 'Column of the time that a row belongs to';
comment on column partitioned_table.width is 'Time that one partition is for';
comment on column partitioned_table.ahead is 'How far ahead partitions are made';

-- The old table becomes the first partition, for all times until tomorrow: no row is copied.
-- squawk-ignore renaming-table, renaming-object
alter table permit rename to permit_before;
-- squawk-ignore ban-alter-identity
alter table permit_before alter column id drop identity;
-- squawk-ignore ban-drop-constraint
alter table permit_before drop constraint permit_upstream_fkey;
-- squawk-ignore ban-drop-constraint
alter table permit_before drop constraint permit_pkey;
-- The limiter waits while the key is built: a second or two a million rows.
-- squawk-ignore constraint-missing-not-valid, disallowed-unique-constraint, adding-serial-primary-key-field
alter table permit_before add constraint permit_before_pkey primary key (id, granted_at);
-- squawk-ignore renaming-object
alter index permit_by_stamp rename to permit_before_by_stamp;
-- squawk-ignore renaming-object
alter index permit_by_run rename to permit_before_by_run;
drop trigger if exists guard on permit_before;

create table permit (
    id bigint generated always as identity (sequence name permit_id_seq),
    upstream text not null,
    granted_at timestamptz not null,
    stamp timestamptz not null,
    settled boolean default false not null,
    -- squawk-ignore prefer-bigint-over-smallint
    status smallint,
    run_id uuid,
    seq integer,
    path text,
    constraint permit_pkey primary key (id, granted_at)
) partition by range (granted_at);
create index permit_by_stamp on permit (upstream, stamp desc);
create index permit_by_run on permit (run_id) where run_id is not null;
comment on table permit is 'Every call to an upstream: the limiter''s log and the audit trail.';
comment on column permit.id is 'Order of the calls';
comment on column permit.upstream is 'The upstream';
comment on column permit.granted_at is 'When the call was let through';
comment on column permit.stamp is 'End of its lease; once settled, time of the response';
comment on column permit.settled is 'Whether the response is in';
comment on column permit.status is 'HTTP status of the response';
comment on column permit.run_id is 'The run that called';
comment on column permit.seq is 'The batch that called';
comment on column permit.path is 'Path called, without secrets';

create table history.permit_default (like permit including defaults including constraints including comments including storage);
comment on table history.permit_default is 'Partition of permit: rows that no other is for';
alter table permit attach partition history.permit_default default;

insert into partitioned_table (name, key, width, ahead) values ('permit', 'granted_at', '1 day', '7 days');


create or replace function max_permit_lease() returns interval
language sql immutable parallel safe
as $$ select interval '1 hour' $$;

comment on function max_permit_lease() is
    'No permit has a longer lease: a call was let through at most so long before its stamp';

create or replace function partitions_of(
    of_table text, out name text, out begins timestamptz, out ends timestamptz, out is_default boolean
) returns setof record
language sql stable
as $$
    select child.relname::text,
           case when bound.words ~ 'FROM \(MINVALUE\)' then '-infinity'
                else substring(bound.words from 'FROM \(''([^'']+)''\)')::timestamptz end,
           substring(bound.words from 'TO \(''([^'']+)''\)')::timestamptz,
           bound.words = 'DEFAULT'
      from pg_inherits i
      join pg_class child on child.oid = i.inhrelid
     cross join lateral (select pg_get_expr(child.relpartbound, child.oid) as words) bound
     where i.inhparent = to_regclass(format('public.%I', of_table))
$$;

comment on function partitions_of(text) is
    'Partitions of a table with the times they are for; the default one holds what no other is for';

create or replace view partition_status as
select t.name as table_name, p.name as partition, p.begins, p.ends, p.is_default,
       coalesce(pg_stat_get_live_tuples(c.oid), 0) as about_rows
  from partitioned_table t
 cross join lateral partitions_of(t.name) p
  join pg_class c on c.relname = p.name and c.relnamespace = to_regnamespace('history')
 order by t.name, p.begins nulls last;

comment on view partition_status is
    'Partitions of the tables that grow: which times each is for and about how many rows it has';
comment on column partition_status.table_name is 'Table that is partitioned';
comment on column partition_status.partition is 'The partition, a table of schema history';
comment on column partition_status.begins is 'First time it is for';
comment on column partition_status.ends is 'Times before this; a partition is dropped whole once all of it is old';
comment on column partition_status.is_default is 'Whether it holds what no other partition is for';
comment on column partition_status.about_rows is 'Rows, as the statistics say';

create or replace function partition_missing(rules partitioned_table, now_ timestamptz) returns timestamptz
language plpgsql stable
as $$
declare
    -- A Monday: partitions of a week begin on one.
    origin constant timestamptz := '2001-01-01 00:00:00+00';
    outside timestamptz[];
begin
    execute format('select array_agg(distinct date_bin($1, %I, $2)) from history.%I', rules.key, rules.name || '_default')
       into outside using rules.width, origin;
    return (select min(wanted.begins)
              from (select generate_series(date_bin(rules.width, now_, origin), now_ + rules.ahead, rules.width)
                    union select unnest(outside)) wanted(begins)
             where not exists (select from partitions_of(rules.name) p
                                where p.begins <= wanted.begins and wanted.begins < p.ends));
end
$$;

comment on function partition_missing(partitioned_table, timestamptz) is
    'Where the first partition begins that is wanted and not there: ahead of now, or for rows of the default one';

create or replace function make_partition(of_table text, now_ timestamptz default clock_timestamp()) returns text
language plpgsql security definer
set search_path = public, pg_temp
set lock_timeout = '100ms'
as $$
declare
    rules partitioned_table;
    since timestamptz;
    part text;
begin
    select * into rules from partitioned_table where name = of_table;
    if not found then
        raise exception 'no partitioned table named "%"', of_table
            using errcode = '22023', hint = 'SELECT name FROM partitioned_table;';
    end if;
    since := partition_missing(rules, now_);
    if since is null then
        return null;
    end if;
    part := format('%s_%s', of_table, to_char(since at time zone 'UTC', 'YYYYMMDD'));
    execute format('create table history.%I (like %I including defaults including constraints including comments'
                   ' including storage)', part, of_table);
    execute format('comment on table history.%I is %L', part, format('Partition of %s', of_table));
    -- Rows that came while there was no partition for them: attaching would be refused while the default
    -- partition holds them.
    execute format('with moved as (delete from history.%I where %I >= $1 and %2$I < $2 returning *)'
                   ' insert into history.%3$I select * from moved', of_table || '_default', rules.key, part)
      using since, since + rules.width;
    execute format('alter table %I attach partition history.%I for values from (%L) to (%L)',
                   of_table, part, since, since + rules.width);
    return part;
end
$$;

comment on function make_partition(text, timestamptz) is
    'Makes the next partition that a table needs and returns its name, null when none is missing; waits at most 100 ms for a lock';

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
    select p.name into partition from partitions_of(of_table) p where p.ends <= oldest order by p.ends limit 1;
    if partition is not null then
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

create or replace function partition_troubles(out table_name text, out problem text, out severity text)
returns setof record
language plpgsql stable security definer
set search_path = public, pg_temp
as $$
declare
    rules partitioned_table;
    outside boolean;
begin
    for rules in select * from partitioned_table
    loop
        table_name := rules.name;
        execute format('select exists (select from history.%I)', rules.name || '_default') into outside;
        severity := 'warning';
        if outside then
            problem := 'rows lie in its default partition, because no other is for their time';
            return next;
        end if;
        if not exists (select from partitions_of(rules.name) p where p.ends > clock_timestamp() + rules.ahead / 2) then
            problem := 'no partition is made for the time ahead';
            return next;
        end if;
    end loop;
end
$$;

comment on function partition_troubles() is
    'Partitioned tables whose rows lie in the default partition, or that have no partitions ahead';

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
    used integer;
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
        if limits.calls > wide then
            continue when state.spare > 0 and not recount;
            select count(*), min(stamp) into used, nth
              from (select stamp from permit where upstream = rules.name and stamp > begins
                       and granted_at > begins - longest order by stamp desc limit limits.calls) youngest;
            if used < limits.calls then
                spare := least(spare, limits.calls - used);
                continue;
            end if;
        else
            select stamp into nth from permit where upstream = rules.name and stamp > begins
               and granted_at > begins - longest order by stamp desc offset limits.calls - 1 limit 1;
            continue when not found;
        end if;
        leaves_at := window_free(nth, limits.per, limits.timezone, now_);
        if leaves_at > coalesce(free_at, now_) then
            free_at := leaves_at;
            reason := limits.calls || ' calls per ' || limits.per || coalesce(' of ' || limits.timezone, '');
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
            (select min(q.calls - (select count(*) from (
                 select from permit p where p.upstream = u.name and p.stamp > begins and p.granted_at > begins - longest
                  limit q.calls) used))
               from quota q, window_start(q.per, q.timezone, now_) as begins where q.upstream = u.name),
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

create or replace function settle_permits(answered bigint[], elapsed double precision[], statuses integer[])
returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
declare
    -- Nothing older can be unsettled and still count: older partitions are not looked at.
    since constant timestamptz := clock_timestamp() - max_permit_lease()
        - (select coalesce(max(e), 0) from unnest(elapsed) e) * interval '1 second';
begin
    -- The answer was in `elapsed` seconds before the caller asked: by this clock now less that, never too early.
    update permit
       set settled = true, status = one.status,
           stamp = least(permit.stamp, clock_timestamp() - one.elapsed * interval '1 second')
      from unnest(answered, elapsed, statuses) as one(id, elapsed, status)
     where permit.id = one.id and not permit.settled and permit.granted_at > since;
end
$$;

comment on function settle_permits(bigint[], double precision[], integer[]) is
    'Lowers the stamps of answered calls from the end of their lease to the time of the response';

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

create or replace view quota_status as
select u.name as upstream,
       case when q.timezone is null then duration_words(q.per) else 'day of ' || q.timezone end as per,
       used.calls as used, q.calls as allowed,
       round(100.0 * used.calls / q.calls) || ' %' as share,
       in_words(case when used.calls = 0 then null
                     when q.timezone is null then used.oldest + q.per
                     else window_free(null, q.per, q.timezone, clock_timestamp()) end) as resets,
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
  cross join lateral (select count(*) as calls, min(p.stamp) as oldest from permit p
                       where p.upstream = u.name and p.stamp > begins
                         and p.granted_at > begins - max_permit_lease()) used
  cross join lateral (select count(*) as batches,
                             string_agg(distinct coalesce(r.schedule, r.task), ', ') as who
                        from batch b join run r on r.id = b.run_id
                       where b.waiting_for = u.name and b.state in ('waiting', 'sent')) waiting
 order by u.name, q.per;
comment on view quota_status is
    'How much of each upstream''s limits is used, who waits, what is blocked and why (breaker: closed lets calls through)';

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
           lateral (select count(*) as calls from permit p
                     where p.upstream = q.upstream and p.stamp > begins
                       and p.granted_at > begins - max_permit_lease()) used
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

create or replace view trouble as
-- Kind and subject name an incident; paused and disabled schedules are silent.
with sign as materialized (
    select h.name, h.role, split_part(h.name, '@', 1) as "group", h.started_at, h.seen_at, h.detail -> 'queues' as queues,
           h.seen_at > clock_timestamp() - interval '30 seconds' as alive
      from heartbeat h
     where h.seen_at > clock_timestamp() - interval '1 day' and not h.detail ? 'ended'
), silent as materialized (
    select s.*, case when s.role = 'beat' then exists (select from sign b where b.role = 'beat' and b.alive)
                else not exists (select from jsonb_array_elements_text(s.queues) q(queue)
                                  where not exists (select from sign w where w.role = 'worker' and w.alive and w.queues ? q.queue))
                end as covered
      from sign s
     where not s.alive
       -- A process of its group, or for its queues, that began after its last heartbeat took its place; each takes one place.
       and (select count(*) from sign n
             where n.alive and n.role = s.role and (n."group" = s."group" or n.queues @> s.queues) and n.started_at > s.seen_at)
           < (select count(*) from sign o
               where not o.alive and o.role = s.role and (o."group" = s."group" or o.queues @> s.queues) and o.seen_at >= s.seen_at)
), at_work as not materialized (
    select s.* from schedule s
     where s.enabled and not coalesce(s.paused_until > clock_timestamp(), false)
)
select 'failing' as kind, s.name as subject,
       s.name || ' failed' || case when st.consecutive_failures > 1 then ' ' || st.consecutive_failures || ' times in a row' else '' end as title,
       coalesce(case when last.state = 'partial' then last.failed || ' of ' || last.total || ' items failed: ' else '' end
                || coalesce(last.error, last.reason), 'no reason kept') as text,
       'error' as severity, last.finished_at as since
  from at_work s join schedule_state st on st.schedule = s.name
  left join lateral (select * from run r where r.schedule = s.name and r.state in ('failed', 'partial')
                       and run_is_failure(r, s.alert_on_partial) order by r.created_at desc limit 1) last on true
 where st.tripped_at is null and st.consecutive_failures > 0 and st.consecutive_failures >= s.alert_after
union all
select 'tripped', s.name, s.name || ' paused itself', st.tripped_reason, 'error', st.tripped_at
  from at_work s join schedule_state st on st.schedule = s.name
 where st.tripped_at is not null
union all
select 'late', s.name, s.name || ' is late',
       'due ' || to_char(st.claim_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC and not begun; is a beat running?',
       'error', st.claim_at
  from at_work s join schedule_state st on st.schedule = s.name
 where st.tripped_at is null and st.error is null
   and not (select paused from pause_switch) and st.claim_at < clock_timestamp() - interval '1 minute'
union all
select 'set aside', s.name, s.name || ' is set aside: beat cannot plan it', st.error, 'error', st.error_at
  from at_work s join schedule_state st on st.schedule = s.name where st.error is not null
union all
select 'paused', 'everything', 'everything is paused',
       'by ' || coalesce(p.changed_by, 'somebody')
       || coalesce(' since ' || to_char(p.changed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', '')
       || ': ' || coalesce(p.note, 'no reason given') || '; to end it: SELECT resume_all();',
       'error', p.changed_at
  from pause_switch p where p.paused
union all
select 'beat silent', 'beat', 'no beat runs',
       coalesce('the last heartbeat was ' || last.name || '''s, ' || sign_words(clock_timestamp() - last.seen_at),
                'there was never a heartbeat') || '; no run starts and no notice is sent until a beat runs',
       'error', last.seen_at
  from (select) always
  left join lateral (select h.name, h.seen_at from heartbeat h where h.role = 'beat' order by h.seen_at desc limit 1) last on true
 where not exists (select from sign where role = 'beat' and alive)
union all
select 'beat silent', s.name, 'beat ' || s.name || ' is silent',
       'last heartbeat ' || sign_words(clock_timestamp() - s.seen_at) || '; another beat runs', 'error', s.seen_at
  from silent s where s.role = 'beat' and s.covered and s.seen_at > clock_timestamp() - interval '1 hour'
union all
select 'worker silent', s.name, 'worker ' || s.name || ' is silent',
       'last heartbeat ' || sign_words(clock_timestamp() - s.seen_at) || '; its queues: '
       || coalesce((select string_agg(queue, ', ' order by queue) from jsonb_array_elements_text(s.queues) queue), 'none')
       || case when s.covered then ', which other workers serve too' else '' end,
       'error', s.seen_at
  from silent s
 where s.role = 'worker' and (not s.covered or s.seen_at > clock_timestamp() - interval '1 hour')
union all
select 'queue unserved', unserved.queue, 'no worker serves the queue ' || unserved.queue,
       case waiting.number when 1 then '1 batch is' when 1000 then '1000 or more batches are' else waiting.number || ' batches are' end
       || ' ready, the oldest made ' || sign_words(clock_timestamp() - waiting.oldest), 'error', waiting.oldest
  from (select queue from task_kind where retired_at is null
        union select queue from schedule where queue is not null
        except select jsonb_array_elements_text(queues) from sign where role = 'worker' and alive) unserved
 cross join lateral (
     select count(*) as number, min(due.created_at) as oldest
       from (select b.created_at from batch b
              where b.queue = unserved.queue and (b.state = 'sent' or b.state = 'waiting' and b.send_at <= clock_timestamp())
                and coalesce(b.not_before <= clock_timestamp(), true)
              limit 1000) due) waiting
 where waiting.oldest < clock_timestamp() - interval '30 seconds'
union all
select 'notices held', c.name,
       case when room.free_at > clock_timestamp() then c.name || ' is near its limit of messages an hour'
            else 'notices for ' || c.name || ' are not sent' end,
       waiting.number || ' waiting; ' ||
       case when room.free_at > clock_timestamp()
            then 'messages in the last hour: ' || room.used || ' of ' || c.max_per_hour || '; one with all waiting notices goes at '
                 || to_char(room.free_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
            else 'the oldest is from ' || ago_words(waiting.oldest)
                 || coalesce('; the server said: ' || waiting.answer, '; does the schedule send-notices run?') end,
       case when room.free_at > clock_timestamp() then 'warning' else 'error' end, waiting.oldest
  from channel c
 cross join lateral (
     select count(*) as number, min(n.created_at) as oldest, (array_agg(n.answer order by n.id) filter (where n.answer is not null))[1] as answer
       from notice n where n.channel = c.name and n.state in ('waiting', 'sending')) waiting
 cross join lateral channel_room(c.name) room
 where c.enabled and waiting.number > 0
   and (room.free_at > clock_timestamp() or waiting.oldest < clock_timestamp() - interval '5 minutes')
union all
select 'notices dead', n.channel, 'notices for ' || n.channel || ' were given up',
       count(*) || ' in the last day, the last because: ' || coalesce((array_agg(n.answer order by n.id desc))[1], 'no answer kept')
       || '; once that is fixed: celery -A workers.app notify resend',
       'error', min(n.not_before)
  from notice n where n.state = 'dead' and n.not_before > clock_timestamp() - interval '1 day' group by n.channel
union all
select 'quota low', q.upstream || ' per ' || q.per, 'quota of ' || q.upstream || ' is nearly spent',
       q.used || ' of ' || q.allowed || ' calls per ' || q.per || ' used', 'warning', null
  from quota_status q where q.per_interval >= interval '1 hour' and q.used >= 0.9 * q.allowed and q.allowed >= 10
union all
select 'blocked', u.upstream, u.upstream || ' is blocked',
       coalesce(u.blocked_reason, 'no reason kept') || '; no calls before '
       || to_char(u.blocked_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC; sooner: SELECT unblock(''' || u.upstream || ''', ''why'');', 'error', null
  from upstream_state u where u.blocked_until > clock_timestamp() and u.failures >= 2
union all
select 'partitions', p.table_name, 'table ' || p.table_name || ' lacks partitions',
       p.problem || '; the schedule retention makes them: SELECT run_now(''retention'');', p.severity, null
  from partition_troubles() p;
comment on view trouble is
    'What is broken at the moment of reading; beat sends one notice when it breaks and one when it is over';
comment on column trouble.kind is
    'failing, tripped, late, set aside, paused, beat silent, worker silent, queue unserved, notices held, notices dead, quota low, blocked, partitions';
comment on column trouble.subject is 'Schedule, process, queue, channel or upstream';
comment on column trouble.severity is 'error: schedule status and doctor exit 1; warning: it ends by itself';
comment on column trouble.since is 'Since when, as far as is known';


do $$
declare
    newest timestamptz := (select max(granted_at) from permit_before);
    ends timestamptz;
    part text;
begin
    if newest is null then
        drop table permit_before;
        return;
    end if;
    perform setval('permit_id_seq', (select max(id) from permit_before));
    ends := date_bin('1 day', greatest(newest, clock_timestamp()), '2001-01-01 00:00:00+00') + interval '1 day';
    part := 'permit_before_' || to_char(ends at time zone 'UTC', 'YYYYMMDD');
    execute format('alter table permit_before rename to %I', part);
    execute format('alter table %I set schema history', part);
    execute format('alter table permit attach partition history.%I for values from (minvalue) to (%L)', part, ends);
end
$$;

-- Workers go on calling while the migrate step has yet to grant what the roles may.
do $$
declare
    role text;
begin
    foreach role in array array['service', 'operator', 'viewer'] loop
        if to_regrole(role) is not null then
            execute format('grant %s on permit to %I', case role when 'service' then 'select, insert, update, delete' else 'select' end, role);
        end if;
    end loop;
    if to_regrole('service') is not null then
        grant usage, select on sequence permit_id_seq to service;
    end if;
end
$$;


-- As many as are wanted, so that nothing waits for the first upkeep.
do $$
begin
    while make_partition('permit') is not null loop
    end loop;
end
$$;
