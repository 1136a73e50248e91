"""Upstreams are blocked, not closed: messages, comments and the cause of a refused permit."""

from workers.migrate import run_sql

revision = "0210"
down_revision = "0250"


def upgrade() -> None:
    run_sql("""
drop function permit_refusal(upstream, upstream_state, timestamptz, boolean);

create or replace function tell_incident(notice_key text, kind_of text, about text, title text, said text) returns integer
language plpgsql
as $$
declare
    told integer;
begin
    insert into notice (channel, key, content)
    select c.name, notice_key, jsonb_build_object('title', title, 'text', said)
      from channel c
     -- A channel is not told of its own trouble: that would be the next thing it cannot send.
     where c.enabled and c.incidents and not (kind_of like 'notices %' and c.name = about)
        on conflict do nothing;
    get diagnostics told = row_count;
    return told;
end
$$;

comment on function tell_incident(text, text, text, text, text) is
    'Write a notice for every channel that hears of incidents, once for each key; how many that made';

create or replace function incident_goes_on(kind text, subject text) returns boolean
language sql stable
as $$
    -- An upstream that is blocked again and again, or a quota around its edge, is one incident.
    select case kind
        when 'blocked' then exists (select from upstream_state u where u.upstream = subject and u.blocked_until > clock_timestamp())
        when 'quota low' then exists (select from quota_status q where q.upstream || ' per ' || q.per = subject and q.used >= 0.8 * q.allowed)
        else false end
$$;

comment on function incident_goes_on(text, text) is 'Whether an incident is not yet over although view trouble has no row of it';

create or replace function incident_outcome(kind text, subject text) returns text
language plpgsql stable
as $$
declare
    s schedule;
    st schedule_state;
begin
    if kind in ('failing', 'tripped', 'late', 'set aside') then
        select * into s from schedule where name = subject;
        select * into st from schedule_state where schedule = subject;
        return case
            when s.name is null then 'the schedule was deleted'
            when not s.enabled then 'the schedule was disabled' || coalesce(': ' || s.note, '')
            when s.paused_until > clock_timestamp() then 'the schedule was paused' || coalesce(': ' || s.pause_reason, '')
            when kind = 'tripped' then 'the schedule runs again; it has not succeeded yet'
            when kind = 'failing' and st.tripped_at is not null then 'the schedule paused itself'
            when kind = 'failing' and st.consecutive_failures > 0 then 'it is told only after ' || s.alert_after || ' failures in a row now'
            when kind = 'late' and (select paused from pause_switch) then 'everything was paused'
            when kind = 'late' and st.error is not null then 'the schedule is set aside' end;
    elsif kind in ('beat silent', 'worker silent') and subject <> 'beat' and not exists (
            select from heartbeat h where h.name = subject and (h.seen_at > clock_timestamp() - interval '30 seconds'
                                                                or h.detail ? 'ended')) then
        return 'others do its work';
    elsif kind = 'blocked' and exists (select from upstream_state u where u.upstream = subject and u.failures > 0) then
        return 'it may be called again; no call has succeeded yet';
    end if;
    return null;
end
$$;

comment on function incident_outcome(text, text) is
    'How an incident ended when not by recovering: disabled, paused, replaced …; null: it recovered';

create or replace function follow_incidents() returns table (opened integer, closed integer)
language plpgsql set lock_timeout = '1s'
as $$
declare
    one record;
    outcome text;
    told integer := 0;
begin
    opened := 0;
    closed := 0;
    for one in
        insert into incident (kind, subject, title, text)
        select t.kind, t.subject, t.title, coalesce(t.text, '') from trouble t
         where not exists (select from incident i where i.kind = t.kind and i.subject = t.subject and i.closed_at is null)
         order by t.kind, t.subject
            on conflict (kind, subject) where closed_at is null do nothing
        returning *
    loop
        opened := opened + 1;
        told := told + tell_incident('incident ' || one.id, one.kind, one.subject, one.title, one.text);
    end loop;
    for one in
        update incident i set closed_at = clock_timestamp()
         where i.closed_at is null
           and not exists (select from trouble t where t.kind = i.kind and t.subject = i.subject)
           and not incident_goes_on(i.kind, i.subject)
        returning *
    loop
        closed := closed + 1;
        outcome := incident_outcome(one.kind, one.subject);
        told := told + tell_incident(
            'recovery ' || one.id, one.kind, one.subject,
            case when outcome is null then 'Recovered: ' else 'Over: ' end || one.title,
            coalesce(upper(left(outcome, 1)) || substr(outcome, 2) || '. ', '') || 'It lasted '
            || duration_words(date_trunc('second', one.closed_at - one.opened_at)) || '.');
    end loop;
    if told > 0 then
        insert into run_request (action, schedule, note)
        select 'run', name, 'notices wait' from schedule where name = 'send-notices';
    end if;
    return next;
end
$$;

comment on function follow_incidents() is
    'Opens an incident for each row of view trouble, closes those that are over, and writes notices of both; beat calls it';

create or replace function permit_refusal(
    rules upstream, state upstream_state, now_ timestamptz, recount boolean,
    out free_at timestamptz, out reason text, out cause text, out window_length interval, out spare integer
)
language plpgsql stable
as $$
declare
    limits record;
    nth timestamptz;
    used integer;
    places integer;
    spaced interval;
    -- Windows that hold more than this are counted only when what was spare at the last count is used up.
    wide constant integer := 50;
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
     order by stamp desc offset places - 1 limit 1;
    if found then
        free_at := now_ + interval '50 milliseconds';
        reason := places || case places when 1 then ' call' else ' calls' end || ' in flight';
        cause := 'in flight';
    end if;
    spaced := greatest(rules.spacing, case when rules.obey_robots then state.crawl_delay end,
        (select max(per / calls) from quota where upstream = rules.name and paced));
    if spaced > interval '0' then
        select stamp into nth from permit where upstream = rules.name and stamp > now_ - spaced
         order by stamp desc limit 1;
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
                     order by stamp desc limit limits.calls) youngest;
            if used < limits.calls then
                spare := least(spare, limits.calls - used);
                continue;
            end if;
        else
            select stamp into nth from permit where upstream = rules.name and stamp > begins
             order by stamp desc offset limits.calls - 1 limit 1;
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

create or replace function quota_check() returns trigger
language plpgsql
as $$
begin
    if new.calls < 1 then
        raise exception 'calls = % is not allowed for %', new.calls, new.upstream
            using errcode = '23514', column = 'calls',
                  hint = format('calls must be 1 or more; to stop calls disable the upstream: UPDATE upstream SET enabled = false WHERE name = %L;', new.upstream);
    end if;
    if extract(year from new.per) <> 0 or extract(month from new.per) <> 0 then
        raise exception 'per = % has months or years, which have no fixed length', new.per
            using errcode = '23514', column = 'per', hint = 'per: no months or years, write 30 days.';
    end if;
    if new.per <= interval '0' then
        raise exception 'per = % is not a length of time', new.per
            using errcode = '23514', column = 'per', hint = 'per must be longer than zero, e.g. per = ''1 minute''.';
    end if;
    if new.per > interval '31 days' then
        raise exception 'per = % is too long', new.per
            using errcode = '23514', column = 'per', hint = 'per is at most 31 days: older calls are forgotten.';
    end if;
    if new.timezone is not null then
        if new.per <> interval '1 day' then
            raise exception 'per = % is not a calendar day', new.per
                using errcode = '23514', column = 'per',
                      hint = 'A quota with a timezone counts calendar days: per must be 1 day. For a rolling window: timezone = NULL.';
        end if;
        perform schedule_check_timezone(new.timezone);
    end if;
    if not exists (select from upstream where name = new.upstream) then
        raise exception 'no upstream named "%"', new.upstream
            using errcode = '23503', column = 'upstream',
                  hint = 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    return new;
end
$$;

comment on function quota_check() is 'Trigger: refuses an invalid limit, with a hint';

create or replace trigger quota_check
    before insert or update on quota
    for each row execute function quota_check();

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
  from upstream u
  join upstream_state s on s.upstream = u.name
  left join quota q on q.upstream = u.name
  cross join lateral (select count(*) as calls, min(p.stamp) as oldest from permit p
                       where p.upstream = u.name
                         and p.stamp > window_start(q.per, q.timezone, clock_timestamp())) used
  cross join lateral (select count(*) as batches,
                             string_agg(distinct coalesce(r.schedule, r.task), ', ') as who
                        from batch b join run r on r.id = b.run_id
                       where b.waiting_for = u.name and b.state in ('waiting', 'sent')) waiting
 order by u.name, q.per;
comment on view quota_status is
    'How much of each upstream''s limits is used, who waits, what is blocked and why (breaker: closed lets calls through)';

create or replace view recent_price_outcomes as
select at, symbol, outcome, source, detail, run_id from price_outcome
union all
select coalesce(b.finished_at, b.updated_at), i ->> 'key',
       case when coalesce(i ->> 'state', 'waiting') <> 'deferred' then 'error'
            when coalesce(i ->> 'error', b.error) like '%blocked: %' then 'rate_limited'
            else 'deferred' end,
       null, coalesce(i ->> 'error', b.error), b.run_id
  from batch b cross join lateral jsonb_array_elements(b.items) i
 where b.task like 'tasks.prices.%' and (b.failed + b.deferred > 0 or b.state in ('failed', 'stopped'))
   -- A batch that ended early leaves items waiting: they share its error.
   and (i ->> 'state' in ('failed', 'deferred') or b.state in ('failed', 'stopped') and i ->> 'state' is distinct from 'done')
 order by 1 desc;
comment on view recent_price_outcomes is
    'What became of each symbol in each price run: ok, stale, not_found, rate_limited (the source said so), deferred (our quota is spent) or error; add LIMIT';

create or replace function take_permit(
    for_upstream text, lease interval, for_run uuid, for_seq integer, for_path text,
    answered bigint[], elapsed double precision[], statuses integer[],
    out permit_id bigint, out wait_seconds double precision, out reason text, out window_length interval,
    out trying boolean, out cause text
)
language plpgsql
as $$
declare
    rules upstream;
    state upstream_state;
    refusal record;
    now_ timestamptz;
    spare_ integer;
begin
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

create or replace function unblock(upstream_name text, why text default null) returns upstream
language plpgsql
as $$
declare
    kept upstream;
begin
    perform require_operator('upstream', 'change');
    select * into kept from upstream where name = upstream_name;
    if kept.name is null then
        raise exception 'no upstream named "%"', upstream_name
            using errcode = 'P0002',
                  hint = 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    if not kept.enabled then
        raise exception 'upstream "%" is disabled, not blocked', kept.name
            using hint = format('UPDATE upstream SET enabled = true WHERE name = %L;', kept.name);
    end if;
    if not exists (select from upstream_state where upstream = kept.name and blocked_until > clock_timestamp()) then
        raise notice 'Upstream % is not blocked.', kept.name;
    end if;
    update upstream set unblocked_at = clock_timestamp(), note = coalesce(why, note) where name = kept.name
    returning * into kept;
    return kept;
end
$$;
comment on function unblock(text, text) is
    'Lift the block of an upstream before its time; one call tries first: SELECT unblock(''head_fi'', ''they said we may'');';

create or replace function upstream_check() returns trigger
language plpgsql
as $$
declare
    written inet;
    why text;
begin
    if new.name !~ '^[a-z0-9]+(_[a-z0-9]+)*$' then
        raise exception 'name "%" is not made of lower-case words and digits joined by _', left(new.name, 100)
            using errcode = '23514', column = 'name', hint = 'Write e.g. ''head_fi''.';
    end if;
    if new.base_url !~ '^(https?|smtps?|smtp[+]starttls)://[^/]' then
        raise exception 'base_url of % is not a URL', new.name
            using errcode = '23514', column = 'base_url', hint = 'base_url must begin with http(s):// or smtp(s)://, e.g. ''https://api.example.org''.';
    end if;
    if tg_op = 'INSERT' or new.base_url <> old.base_url then
        -- A first look; each call looks again at the address that it is about to connect to.
        begin
            written := url_address(new.base_url);
        exception when invalid_text_representation then
            raise exception 'base_url of % has an invalid host', new.name
                using errcode = '23514', column = 'base_url',
                      hint = 'Write an IPv4 address as four decimal numbers, an IPv6 address in brackets, or a name.';
        end;
        why := address_refusal(written);
        if why is not null then
            raise exception 'base_url of % leads to % (%), where no call may go', new.name, host(written), why
                using errcode = '23514', column = 'base_url',
                      hint = format('An owner can allow it: INSERT INTO allowed_network (network, note) VALUES (%L, ''why'');', host(written));
        end if;
    end if;
    if new.concurrency < 1 then
        raise exception 'concurrency = % is not allowed for %', new.concurrency, new.name
            using errcode = '23514', column = 'concurrency',
                  hint = format('concurrency must be 1 or more; to stop calls: UPDATE upstream SET enabled = false WHERE name = %L;', new.name);
    end if;
    if extract(year from new.spacing) <> 0 or extract(month from new.spacing) <> 0
       or new.spacing < interval '0' or new.spacing > interval '1 day' then
        raise exception 'spacing = % is not allowed for %', new.spacing, new.name
            using errcode = '23514', column = 'spacing',
                  hint = 'spacing cannot be negative and is at most a day, e.g. ''2 seconds''; for more write a quota, e.g. one call per ''3 days''.';
    end if;
    return new;
end
$$;

comment on function upstream_check() is 'Trigger: refuses an upstream that cannot be called, with a hint';

create or replace trigger upstream_check
    before insert or update on upstream
    for each row execute function upstream_check();

create or replace function upstream_added() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into upstream_state (upstream) values (new.name) on conflict do nothing;
    return null;
end
$$;

comment on function upstream_added() is 'Trigger: a new upstream gets its row in upstream_state';

create or replace trigger upstream_added
    after insert on upstream
    for each row execute function upstream_added();

create or replace function upstream_stamped() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end
$$;

comment on function upstream_stamped() is 'Trigger: updated_at is the time of the last edit';

create or replace trigger upstream_stamped
    before update on upstream
    for each row execute function upstream_stamped();

create or replace function upstream_edited() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    edited text := case tg_table_name when 'upstream' then to_jsonb(new) ->> 'name'
                                      else to_jsonb(coalesce(new, old)) ->> 'upstream' end;
begin
    -- In force at once: what waits is looked at again by beat.
    update upstream_state set next_permit_at = clock_timestamp(), spare = null where upstream = edited;
    perform pg_notify('watchkeeper', 'upstream');
    return null;
end
$$;

comment on function upstream_edited() is 'Trigger: an edit of an upstream or quota is in force at once';

-- Deferred to the commit: upstream_state is locked whenever a permit is taken, and an editor's open
-- transaction must not hold that lock.
drop trigger if exists upstream_edited on upstream;
create constraint trigger upstream_edited
    after update on upstream deferrable initially deferred
    for each row execute function upstream_edited();

drop trigger if exists quota_edited on quota;
create constraint trigger quota_edited
    after insert or update or delete on quota deferrable initially deferred
    for each row execute function upstream_edited();

create or replace function upstream_unblocked() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- Half open: one call goes first, and the others wait for its response.
    update upstream_state set blocked_until = clock_timestamp(), failures = greatest(failures, 1)
     where upstream = new.name and blocked_until > clock_timestamp();
    return null;
end
$$;

comment on function upstream_unblocked() is 'Trigger: unblock() lifts the block of an upstream';

-- Deferred to the commit, as upstream_edited is, which lets what waits be looked at again.
drop trigger if exists upstream_unblocked on upstream;
create constraint trigger upstream_unblocked
    after update of unblocked_at on upstream deferrable initially deferred
    for each row when (new.unblocked_at is distinct from old.unblocked_at) execute function upstream_unblocked();

comment on table upstream_state is 'What is known of each upstream: blocked until when and why, next permit when.';
comment on column upstream_state.blocked_reason is 'Why it is blocked';
comment on column upstream_state.failures is 'Blocks or outages in a row; a good response clears them';
comment on column upstream.unblocked_at is 'When a person last lifted its block: unblock()';
""")


def downgrade() -> None:
    run_sql("""
drop function permit_refusal(upstream, upstream_state, timestamptz, boolean);

create or replace function tell_incident(notice_key text, kind_of text, about text, title text, said text) returns integer
language plpgsql
as $$
declare
    told integer;
begin
    insert into notice (channel, key, content)
    select c.name, notice_key, jsonb_build_object('title', title, 'text', said)
      from channel c
     -- A channel is not told of its own trouble: that would be the next thing it cannot send.
     where c.enabled and c.incidents and not (kind_of like 'notices %' and c.name = about)
        on conflict do nothing;
    get diagnostics told = row_count;
    return told;
end
$$;

comment on function tell_incident(text, text, text, text, text) is
    'Write a notice for every channel that hears of incidents, once for each key; how many that made';

create or replace function incident_goes_on(kind text, subject text) returns boolean
language sql stable
as $$
    -- An upstream whose door opens and shuts, or a quota around its edge, is one incident.
    select case kind
        when 'blocked' then exists (select from upstream_state u where u.upstream = subject and u.blocked_until > clock_timestamp())
        when 'quota low' then exists (select from quota_status q where q.upstream || ' per ' || q.per = subject and q.used >= 0.8 * q.allowed)
        else false end
$$;

comment on function incident_goes_on(text, text) is 'Whether an incident is not yet over although view trouble has no row of it';

create or replace function incident_outcome(kind text, subject text) returns text
language plpgsql stable
as $$
declare
    s schedule;
    st schedule_state;
begin
    if kind in ('failing', 'tripped', 'late', 'set aside') then
        select * into s from schedule where name = subject;
        select * into st from schedule_state where schedule = subject;
        return case
            when s.name is null then 'the schedule was deleted'
            when not s.enabled then 'the schedule was disabled' || coalesce(': ' || s.note, '')
            when s.paused_until > clock_timestamp() then 'the schedule was paused' || coalesce(': ' || s.pause_reason, '')
            when kind = 'tripped' then 'the schedule runs again; it has not succeeded yet'
            when kind = 'failing' and st.tripped_at is not null then 'the schedule paused itself'
            when kind = 'failing' and st.consecutive_failures > 0 then 'it is told only after ' || s.alert_after || ' failures in a row now'
            when kind = 'late' and (select paused from pause_switch) then 'everything was paused'
            when kind = 'late' and st.error is not null then 'the schedule is set aside' end;
    elsif kind in ('beat silent', 'worker silent') and subject <> 'beat' and not exists (
            select from heartbeat h where h.name = subject and (h.seen_at > clock_timestamp() - interval '30 seconds'
                                                                or h.detail ? 'ended')) then
        return 'others do its work';
    elsif kind = 'blocked' and exists (select from upstream_state u where u.upstream = subject and u.failures > 0) then
        return 'it may be called again; no call has succeeded yet';
    end if;
    return null;
end
$$;

comment on function incident_outcome(text, text) is
    'How an incident ended when not by recovering: disabled, paused, replaced …; null: it recovered';

create or replace function follow_incidents() returns table (opened integer, closed integer)
language plpgsql set lock_timeout = '1s'
as $$
declare
    one record;
    outcome text;
    told integer := 0;
begin
    opened := 0;
    closed := 0;
    for one in
        insert into incident (kind, subject, title, text)
        select t.kind, t.subject, t.title, coalesce(t.text, '') from trouble t
         where not exists (select from incident i where i.kind = t.kind and i.subject = t.subject and i.closed_at is null)
         order by t.kind, t.subject
            on conflict (kind, subject) where closed_at is null do nothing
        returning *
    loop
        opened := opened + 1;
        told := told + tell_incident('incident ' || one.id, one.kind, one.subject, one.title, one.text);
    end loop;
    for one in
        update incident i set closed_at = clock_timestamp()
         where i.closed_at is null
           and not exists (select from trouble t where t.kind = i.kind and t.subject = i.subject)
           and not incident_goes_on(i.kind, i.subject)
        returning *
    loop
        closed := closed + 1;
        outcome := incident_outcome(one.kind, one.subject);
        told := told + tell_incident(
            'recovery ' || one.id, one.kind, one.subject,
            case when outcome is null then 'Recovered: ' else 'Over: ' end || one.title,
            coalesce(upper(left(outcome, 1)) || substr(outcome, 2) || '. ', '') || 'It lasted '
            || duration_words(date_trunc('second', one.closed_at - one.opened_at)) || '.');
    end loop;
    if told > 0 then
        insert into run_request (action, schedule, note)
        select 'run', name, 'notices wait' from schedule where name = 'send-notices';
    end if;
    return next;
end
$$;

comment on function follow_incidents() is
    'Opens an incident for each row of view trouble, closes those that are over, and writes notices of both; beat calls it';

create or replace function permit_refusal(
    rules upstream, door upstream_state, now_ timestamptz, recount boolean,
    out free_at timestamptz, out reason text, out cause text, out window_length interval, out spare integer
)
language plpgsql stable
as $$
declare
    limits record;
    nth timestamptz;
    used integer;
    places integer;
    spaced interval;
    -- Windows that hold more than this are counted only when what was spare at the last count is used up.
    wide constant integer := 50;
    begins timestamptz;
    leaves_at timestamptz;
begin
    if not rules.enabled then
        free_at := now_ + interval '1 day';
        reason := 'disabled' || coalesce(': ' || rules.note, '');
        cause := 'disabled';
        return;
    elsif door.blocked_until > now_ then
        free_at := door.blocked_until;
        reason := 'closed: ' || coalesce(door.blocked_reason, 'no reason kept');
        cause := 'closed';
        return;
    end if;
    -- In flight: a stamp that lies ahead.  An answer usually comes long before the lease ends, so look
    -- again soon.  After a closing one call goes first to try; the others wait for its answer.
    places := case when door.failures > 0 and door.blocked_until is not null then 1 else rules.concurrency end;
    select stamp into nth from permit where upstream = rules.name and stamp > now_
     order by stamp desc offset places - 1 limit 1;
    if found then
        free_at := now_ + interval '50 milliseconds';
        reason := places || case places when 1 then ' call' else ' calls' end || ' in flight';
        cause := 'in flight';
    end if;
    spaced := greatest(rules.spacing, case when rules.obey_robots then door.crawl_delay end,
        (select max(per / calls) from quota where upstream = rules.name and paced));
    if spaced > interval '0' then
        select stamp into nth from permit where upstream = rules.name and stamp > now_ - spaced
         order by stamp desc limit 1;
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
            continue when door.spare > 0 and not recount;
            select count(*), min(stamp) into used, nth
              from (select stamp from permit where upstream = rules.name and stamp > begins
                     order by stamp desc limit limits.calls) youngest;
            if used < limits.calls then
                spare := least(spare, limits.calls - used);
                continue;
            end if;
        else
            select stamp into nth from permit where upstream = rules.name and stamp > begins
             order by stamp desc offset limits.calls - 1 limit 1;
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
    'Why a call may not be made now and when to ask again (free_at, cause: disabled, closed, in flight, spacing, quota); free_at is null when it may';

create or replace function quota_check() returns trigger
language plpgsql
as $$
begin
    if new.calls < 1 then
        raise exception 'calls = % is not allowed for %', new.calls, new.upstream
            using errcode = '23514', column = 'calls',
                  hint = format('calls must be 1 or more; to stop calls disable the upstream: UPDATE upstream SET enabled = false WHERE name = %L;', new.upstream);
    end if;
    if extract(year from new.per) <> 0 or extract(month from new.per) <> 0 then
        raise exception 'per = % has months or years, which have no fixed length', new.per
            using errcode = '23514', column = 'per', hint = 'per: no months or years, write 30 days.';
    end if;
    if new.per <= interval '0' then
        raise exception 'per = % is not a length of time', new.per
            using errcode = '23514', column = 'per', hint = 'per must be longer than nothing, e.g. per = ''1 minute''.';
    end if;
    if new.per > interval '31 days' then
        raise exception 'per = % is too long', new.per
            using errcode = '23514', column = 'per', hint = 'per is at most 31 days: calls are not remembered for ever.';
    end if;
    if new.timezone is not null then
        if new.per <> interval '1 day' then
            raise exception 'per = % is no calendar day', new.per
                using errcode = '23514', column = 'per',
                      hint = 'A quota with a timezone counts its days: per must be 1 day. For a rolling window: timezone = NULL.';
        end if;
        perform schedule_check_timezone(new.timezone);
    end if;
    if not exists (select from upstream where name = new.upstream) then
        raise exception 'no upstream named "%"', new.upstream
            using errcode = '23503', column = 'upstream',
                  hint = 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    return new;
end
$$;

comment on function quota_check() is 'Trigger: refuses a limit that makes no sense, with a hint';

create or replace trigger quota_check
    before insert or update on quota
    for each row execute function quota_check();

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
  from upstream u
  join upstream_state s on s.upstream = u.name
  left join quota q on q.upstream = u.name
  cross join lateral (select count(*) as calls, min(p.stamp) as oldest from permit p
                       where p.upstream = u.name
                         and p.stamp > window_start(q.per, q.timezone, clock_timestamp())) used
  cross join lateral (select count(*) as batches,
                             string_agg(distinct coalesce(r.schedule, r.task), ', ') as who
                        from batch b join run r on r.id = b.run_id
                       where b.waiting_for = u.name and b.state in ('waiting', 'sent')) waiting
 order by u.name, q.per;
comment on view quota_status is
    'How much of each upstream''s limits is used, who waits, what is closed (breaker: closed lets calls through) and why';

create or replace view recent_price_outcomes as
select at, symbol, outcome, source, detail, run_id from price_outcome
union all
select coalesce(b.finished_at, b.updated_at), i ->> 'key',
       case when coalesce(i ->> 'state', 'waiting') <> 'deferred' then 'error'
            when coalesce(i ->> 'error', b.error) like '%closed: %' then 'rate_limited'
            else 'deferred' end,
       null, coalesce(i ->> 'error', b.error), b.run_id
  from batch b cross join lateral jsonb_array_elements(b.items) i
 where b.task like 'tasks.prices.%' and (b.failed + b.deferred > 0 or b.state in ('failed', 'stopped'))
   -- A batch that ended early leaves items waiting: they share its error.
   and (i ->> 'state' in ('failed', 'deferred') or b.state in ('failed', 'stopped') and i ->> 'state' is distinct from 'done')
 order by 1 desc;
comment on view recent_price_outcomes is
    'What became of each symbol in each price run: ok, stale, not_found, rate_limited (the source said so), deferred (our quota is spent) or error; add LIMIT';

create or replace function take_permit(
    for_upstream text, lease interval, for_run uuid, for_seq integer, for_path text,
    answered bigint[], elapsed double precision[], statuses integer[],
    out permit_id bigint, out wait_seconds double precision, out reason text, out window_length interval,
    out trying boolean, out cause text
)
language plpgsql
as $$
declare
    rules upstream;
    door upstream_state;
    refusal record;
    now_ timestamptz;
    spare_ integer;
begin
    if current_setting('synchronous_commit') = 'off' then
        -- What is granted must outlive a crash, whatever the server is set to.
        perform set_config('synchronous_commit', 'on', true);
    end if;
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
        cause := 'stop';
        return;
    end if;
    refusal := permit_refusal(rules, door, now_, false);
    if refusal.free_at > now_ then
        wait_seconds := extract(epoch from least(refusal.free_at, now_ + interval '31 days') - now_);
        reason := refusal.reason;
        cause := refusal.cause;
        window_length := refusal.window_length;
        update upstream_state set next_permit_at = refusal.free_at, next_permit_reason = refusal.reason
         where upstream = for_upstream and next_permit_at is distinct from refusal.free_at;
        return;
    end if;
    spare_ := coalesce(refusal.spare, door.spare);
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
    'Settles answered calls, then takes a permit for one call, or says how long to wait and for what (the settled log)';

create or replace function unblock(upstream_name text, why text default null) returns upstream
language plpgsql
as $$
declare
    kept upstream;
begin
    perform require_operator('upstream', 'change');
    select * into kept from upstream where name = upstream_name;
    if kept.name is null then
        raise exception 'no upstream named "%"', upstream_name
            using errcode = 'P0002',
                  hint = 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    if not kept.enabled then
        raise exception 'upstream "%" is disabled: a person shut it', kept.name
            using hint = format('UPDATE upstream SET enabled = true WHERE name = %L;', kept.name);
    end if;
    if not exists (select from upstream_state where upstream = kept.name and blocked_until > clock_timestamp()) then
        raise notice 'The door of % is not closed.', kept.name;
    end if;
    update upstream set unblocked_at = clock_timestamp(), note = coalesce(why, note) where name = kept.name
    returning * into kept;
    return kept;
end
$$;
comment on function unblock(text, text) is
    'Open an upstream''s closed door before its time; one call tries first: SELECT unblock(''head_fi'', ''they said we may'');';

create or replace function upstream_check() returns trigger
language plpgsql
as $$
declare
    written inet;
    why text;
begin
    if new.name !~ '^[a-z0-9]+(_[a-z0-9]+)*$' then
        raise exception 'name "%" is not made of lower-case words and digits joined by _', left(new.name, 100)
            using errcode = '23514', column = 'name', hint = 'Write e.g. ''head_fi''.';
    end if;
    if new.base_url !~ '^(https?|smtps?|smtp[+]starttls)://[^/]' then
        raise exception 'base_url of % is no address', new.name
            using errcode = '23514', column = 'base_url', hint = 'base_url must begin with http(s):// or smtp(s)://, e.g. ''https://api.example.org''.';
    end if;
    if tg_op = 'INSERT' or new.base_url <> old.base_url then
        -- A first look; each call looks again at the address that it is about to connect to.
        begin
            written := url_address(new.base_url);
        exception when invalid_text_representation then
            raise exception 'base_url of % names a host that is no address', new.name
                using errcode = '23514', column = 'base_url',
                      hint = 'Write an IPv4 address as four decimal numbers, an IPv6 address in brackets, or a name.';
        end;
        why := address_refusal(written);
        if why is not null then
            raise exception 'base_url of % leads to % (%), where no call may go', new.name, host(written), why
                using errcode = '23514', column = 'base_url',
                      hint = format('An owner can allow it: INSERT INTO allowed_network (network, note) VALUES (%L, ''why'');', host(written));
        end if;
    end if;
    if new.concurrency < 1 then
        raise exception 'concurrency = % is not allowed for %', new.concurrency, new.name
            using errcode = '23514', column = 'concurrency',
                  hint = format('concurrency must be 1 or more; to stop calls: UPDATE upstream SET enabled = false WHERE name = %L;', new.name);
    end if;
    if extract(year from new.spacing) <> 0 or extract(month from new.spacing) <> 0
       or new.spacing < interval '0' or new.spacing > interval '1 day' then
        raise exception 'spacing = % is not allowed for %', new.spacing, new.name
            using errcode = '23514', column = 'spacing',
                  hint = 'spacing cannot be negative and is at most a day, e.g. ''2 seconds''; for more write a quota, e.g. one call per ''3 days''.';
    end if;
    return new;
end
$$;

comment on function upstream_check() is 'Trigger: refuses an upstream that cannot be called, with a hint';

create or replace trigger upstream_check
    before insert or update on upstream
    for each row execute function upstream_check();

create or replace function upstream_added() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into upstream_state (upstream) values (new.name) on conflict do nothing;
    return null;
end
$$;

comment on function upstream_added() is 'Trigger: a new upstream gets its door';

create or replace trigger upstream_added
    after insert on upstream
    for each row execute function upstream_added();

create or replace function upstream_stamped() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end
$$;

comment on function upstream_stamped() is 'Trigger: an upstream knows when it was last edited';

create or replace trigger upstream_stamped
    before update on upstream
    for each row execute function upstream_stamped();

create or replace function upstream_edited() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    edited text := case tg_table_name when 'upstream' then to_jsonb(new) ->> 'name'
                                      else to_jsonb(coalesce(new, old)) ->> 'upstream' end;
begin
    -- In force at once: what waits is looked at again by beat.
    update upstream_state set next_permit_at = clock_timestamp(), spare = null where upstream = edited;
    perform pg_notify('watchkeeper', 'upstream');
    return null;
end
$$;

comment on function upstream_edited() is 'Trigger: an edit of an upstream or quota is in force at once';

-- Deferred to the commit: the door is locked whenever a permit is taken, and an editor's open
-- transaction must not hold it.
drop trigger if exists upstream_edited on upstream;
create constraint trigger upstream_edited
    after update on upstream deferrable initially deferred
    for each row execute function upstream_edited();

drop trigger if exists quota_edited on quota;
create constraint trigger quota_edited
    after insert or update or delete on quota deferrable initially deferred
    for each row execute function upstream_edited();

create or replace function upstream_unblocked() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- Half open: one call goes first, and the others wait for what it is told.
    update upstream_state set blocked_until = clock_timestamp(), failures = greatest(failures, 1)
     where upstream = new.name and blocked_until > clock_timestamp();
    return null;
end
$$;

comment on function upstream_unblocked() is 'Trigger: a person opens the closed door of an upstream';

-- Deferred to the commit, as upstream_edited is, which lets what waits be looked at again.
drop trigger if exists upstream_unblocked on upstream;
create constraint trigger upstream_unblocked
    after update of unblocked_at on upstream deferrable initially deferred
    for each row when (new.unblocked_at is distinct from old.unblocked_at) execute function upstream_unblocked();

comment on table upstream_state is 'The door to each upstream: closed until when and why, next permit when.';
comment on column upstream_state.blocked_reason is 'Why it is closed';
comment on column upstream_state.failures is 'Closings or outages in a row; a good answer clears them';
comment on column upstream.unblocked_at is 'When a person opened its closed door last: unblock()';
""")
