alter table run_request add column by_system boolean default false not null;
comment on column run_request.by_system is 'Whether the system asks itself, as for notices that wait';
-- squawk-ignore ban-drop-constraint
alter table run drop constraint "trigger is one of those in the docs";
alter table run add constraint "trigger is one of those in the docs"
    check (trigger in ('schedule', 'manual', 'system', 'after', 'backfill', 'retry')) not valid;
-- squawk-ignore constraint-missing-not-valid
alter table run validate constraint "trigger is one of those in the docs";
comment on column run.trigger is 'schedule | manual | system | after | backfill | retry';
-- squawk-ignore ban-drop-function
drop function run_now(text, text, jsonb);
-- squawk-ignore ban-drop-function
drop function pause(text, text, timestamptz);
-- squawk-ignore ban-drop-function
drop function resume(text);
-- squawk-ignore ban-drop-function
drop function stop_run(uuid, text);
-- squawk-ignore ban-drop-function
drop function retry_run(uuid, text);
-- squawk-ignore ban-drop-function
drop function pause_all(text);
-- squawk-ignore ban-drop-function
drop function resume_all();
-- squawk-ignore ban-drop-function
drop function unblock(text, text);
-- squawk-ignore ban-drop-function
drop function send_test(text);
-- squawk-ignore ban-drop-view
drop view schedule_status;
-- squawk-ignore ban-drop-view
drop view recent_runs;
create or replace function how_to(in_sql text, as_command text) returns text
language sql stable
as $$
    -- Commands say in app.surface how they are called.
    select coalesce(nullif(current_setting('app.surface', true), '') || ' ' || as_command, in_sql)
$$;

comment on function how_to(text, text) is
    'What to type for it: a command for who uses commands, else SQL';

create or replace function did_you_mean(wanted text, known text[]) returns text
language sql stable
as $$
    select coalesce((select 'Did you mean ' || near || '? ' from unnest(known) near
                      where similarity(near, wanted) >= 0.3
                         or length(near) < 5 and lower(left(near, 2)) = lower(left(wanted, 2))
                      order by near <-> wanted, near limit 1), '')
$$;

comment on function did_you_mean(text, text[]) is
    'A question that names the word nearest to a mistyped one; empty when none is near';

create or replace function short_id(id uuid) returns text
language sql immutable
as $$ select left(id::text, 8) $$;

comment on function short_id(uuid) is 'The first 8 characters of an id, which tell runs apart';

create or replace function cut_words(words text, width integer) returns text
language sql immutable
as $$
    select case when length(words) <= width then words
                else rtrim(regexp_replace(left(words, greatest(width - 1, 1)), '\s\S*$', ''), ' ,;:') || '…' end
$$;

comment on function cut_words(text, integer) is
    'A text of at most so many characters, cut after a word, with an ellipsis';

create or replace function run_named(wanted text) returns uuid
language plpgsql stable
as $$
declare
    digits text := replace(lower(btrim(wanted)), '-', '');
    found uuid[];
begin
    -- A schedule's name stands for its last run.
    select array[r.id] into found from run r
     where r.schedule = btrim(wanted) and r.state not in ('skipped', 'missed') order by r.created_at desc limit 1;
    if found is null and digits ~ '^[0-9a-f]{4,32}$' then
        select array_agg(id) into found from (
            select r.id from run r
             where r.id between rpad(digits, 32, '0')::uuid and rpad(digits, 32, 'f')::uuid limit 5) begun;
    end if;
    if cardinality(found) = 1 then
        return found[1];
    elsif cardinality(found) > 1 then
        raise exception 'several runs begin with %', wanted
            using errcode = 'P0002', hint = 'Write more characters: ' || array_to_string(found, ', ');
    elsif exists (select from schedule where name = btrim(wanted)) then
        raise exception 'schedule "%" has not run yet', btrim(wanted)
            using errcode = 'P0002',
                  hint = format('To run it now: %s', how_to(format('SELECT run_now(%L);', btrim(wanted)), 'schedule run ' || btrim(wanted)));
    end if;
    raise exception 'no run "%"', wanted
        using errcode = 'P0002',
              hint = did_you_mean(wanted, (select array_agg(name) from schedule))
                     || 'A run is named by the first 8 characters of its id, or by its schedule for the last one: '
                     || how_to('SELECT id, name FROM recent_runs LIMIT 10;', 'schedule runs');
end
$$;

comment on function run_named(text) is
    'The run with that id, or whose id begins so, or the last one of that schedule; else an error that says how to find it';

create or replace function run_words(run_id uuid) returns text
language sql stable
as $$ select 'run ' || short_id(run_id) || coalesce(' of ' || (select coalesce(schedule, task) from run where id = run_id), '') $$;

comment on function run_words(uuid) is 'A run as sentences name it: "run 3f2a9c1b of discovery"';

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
    if s.every is null and s.cron is null then
        raise exception 'schedule "%" has no due times to backfill', s.name
            using errcode = '23514', hint = 'Only every and cron have them; to run it once: '
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
            using errcode = 'P0002', hint = how_to('SELECT id, name FROM recent_runs LIMIT 10;', 'schedule runs');
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

create or replace function tell_incident(notice_key text, kind_of text, about text, title text, said text) returns integer
language plpgsql
as $$
declare
    told integer;
begin
    insert into notice (channel, key, content)
    select c.name, notice_key, jsonb_build_object('title', title, 'text', said)
      from channel c
     -- A channel gets no notice of its own trouble: it could not send that either.
     where c.enabled and c.incidents and not (kind_of like 'notices %' and c.name = about)
        on conflict do nothing;
    get diagnostics told = row_count;
    return told;
end
$$;

comment on function tell_incident(text, text, text, text, text) is
    'Write a notice for every enabled channel with incidents, once for each key; returns how many';

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
            when kind = 'failing' and st.consecutive_failures > 0 then 'it is reported only after ' || s.alert_after || ' failures in a row now'
            when kind = 'late' and (select paused from pause_switch) then 'everything was paused'
            when kind = 'late' and st.error is not null then 'the schedule is set aside' end;
    elsif kind in ('beat silent', 'worker silent') and subject <> 'beat' and not exists (
            select from heartbeat h where h.name = subject and (h.seen_at > clock_timestamp() - interval '30 seconds'
                                                                or h.detail ? 'ended')) then
        return 'other processes do its work';
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
        insert into run_request (action, schedule, by_system, note)
        select 'run', name, true, 'notices wait' from schedule where name = 'send-notices';
    end if;
    return next;
end
$$;

comment on function follow_incidents() is
    'Opens an incident for each row of view trouble, closes those that are over, and writes notices of both; beat calls it';

create or replace function schedule_named(wanted text) returns schedule
language plpgsql stable
as $$
declare
    found schedule;
begin
    select * into found from schedule where name = wanted;
    if found.name is null then
        raise exception 'no schedule named "%"', wanted
            using errcode = 'P0002',
                  hint = did_you_mean(wanted, (select array_agg(name) from schedule))
                         || 'Schedules: ' || coalesce((select string_agg(name, ', ' order by name) from (
                      select name from schedule order by name <-> wanted limit 12) near), 'none yet')
                         || case when (select count(*) from schedule) > 12
                                 then format(' (12 of %s: %s)', (select count(*) from schedule),
                                             how_to('SELECT name FROM schedule;', 'schedule list')) else '' end;
    end if;
    return found;
end
$$;
comment on function schedule_named(text) is 'The schedule of that name, or an error that lists the names';

create or replace function request_run(schedule_name text, reason text default null, with_options jsonb default null)
returns run_request language plpgsql
as $$
declare
    asked run_request;
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('run_request', 'insert into');
    if with_options is not null then
        perform options_check(kept.task, kept.options || with_options,
                              (select options_schema from task_kind where name = kept.task));
    end if;
    insert into run_request (action, schedule, options, note) values ('run', kept.name, with_options, reason)
    returning * into asked;
    return asked;
end
$$;
comment on function request_run(text, text, jsonb) is 'Request a run of a schedule, for programs: the row of run_request';

create or replace function run_now(schedule_name text, reason text default null, with_options jsonb default null)
returns text language plpgsql
as $$
declare
    asked run_request := request_run(schedule_name, reason, with_options);
begin
    return format('Run %s of %s is requested.%s', short_id(asked.new_run_id), asked.schedule,
                  case when exists (select from heartbeat where role = 'beat' and seen_at > clock_timestamp() - interval '30 seconds')
                       then ' Beat starts it now.' else ' No beat runs: it starts when one does.' end);
end
$$;
comment on function run_now(text, text, jsonb) is
    'Run a schedule now; answers with the id of the run: SELECT run_now(''prices-nightly'', ''why'');';

create or replace function pause(schedule_name text, why text default null, until timestamptz default 'infinity')
returns text language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('schedule', 'change');
    if until is null or until <= clock_timestamp() then
        raise exception 'a pause must end in the future, not at %', coalesce(until::text, 'null')
            using errcode = '23514', column = 'paused_until',
                  hint = how_to(format('SELECT pause(%L, ''why'', now() + interval ''2 hours''); without an end: SELECT pause(%L, ''why'');', kept.name, kept.name),
                                format('schedule pause %s --for 2h; without an end, leave --for out', kept.name));
    end if;
    -- A pause that is made longer keeps its reason.
    update schedule
       set paused_until = until,
           pause_reason = coalesce(why, case when paused_until > clock_timestamp() then pause_reason end)
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return format('%s %s%s%s.', kept.name, case when kept.enabled then 'is paused' else 'stays disabled and is paused' end,
                  case when until = 'infinity' then '' else ' until ' || to_char(until at time zone kept.timezone, 'YYYY-MM-DD HH24:MI') || ' ' || kept.timezone end,
                  coalesce(': ' || kept.pause_reason, ''));
end
$$;
comment on function pause(text, text, timestamptz) is 'Pause a schedule: SELECT pause(''prices-nightly'', ''why'', now() + interval ''2 hours'');';

create or replace function resume(schedule_name text) returns text language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
    was_paused boolean := kept.paused_until > clock_timestamp()
        or exists (select from schedule_state where schedule = kept.name and tripped_at is not null);
begin
    perform require_operator('schedule', 'change');
    -- Clears an automatic pause too: beat plans anew whatever was edited.
    update schedule set paused_until = case when paused_until is null then clock_timestamp() end, pause_reason = null
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return kept.name || case when not kept.enabled then ' stays disabled.' when was_paused then ' is resumed.' else ' was not paused.' end;
end
$$;
comment on function resume(text) is 'End a pause, also an automatic one; plans from now on, without a backlog';

create or replace function schedule_says_disabled(s schedule) returns void language plpgsql
as $$
begin
    if not s.enabled then
        raise notice '"%" is disabled and does not run%', s.name, coalesce(': ' || s.note, '')
            using hint = 'To enable it: ' || how_to(format('UPDATE schedule SET enabled = true WHERE name = %L;', s.name),
                                                    format('schedule set %s --enabled', s.name));
    elsif (select paused from pause_switch) then
        raise notice 'everything is paused, and "%" with it', s.name using hint = 'To end that: ' || how_to('SELECT resume_all();', 'schedule resume --all');
    end if;
end
$$;
comment on function schedule_says_disabled(schedule) is 'Notice to whoever pauses or resumes a schedule that is disabled';

create or replace function stop_run(run text, reason text default null) returns text language plpgsql
as $$
declare
    wanted uuid;
    ended text;
begin
    perform require_operator('run_request', 'insert into');
    wanted := run_named(run);
    select r.state into ended from run r where r.id = wanted and r.finished_at is not null;
    insert into run_request (action, run_id, note) values ('stop', wanted, reason);
    return upper(left(run_words(wanted), 1)) || substr(run_words(wanted), 2)
           || coalesce(' has ended already: ' || ended || '.', ' is asked to stop.');
end
$$;
comment on function stop_run(text, text) is
    'Stop a run: waiting batches end at once, running ones at their next call; a schedule''s name stands for its last run';

create or replace function retry_run(run text, reason text default null) returns text language plpgsql
as $$
declare
    wanted uuid;
    asked run_request;
begin
    perform require_operator('run_request', 'insert into');
    wanted := run_named(run);
    insert into run_request (action, run_id, note) values ('retry', wanted, reason) returning * into asked;
    return format('Run %s is requested: %s again, with the same options.', short_id(asked.new_run_id), run_words(wanted));
end
$$;
comment on function retry_run(text, text) is 'Run a run again with the same options; a schedule''s name stands for its last run';

create or replace function stop_run(run uuid, reason text default null) returns text language sql
as $$ select stop_run(run::text, reason) $$;
comment on function stop_run(uuid, text) is 'Stop a run, by the id that a column holds: SELECT stop_run(id) FROM running_now;';

create or replace function retry_run(run uuid, reason text default null) returns text language sql
as $$ select retry_run(run::text, reason) $$;
comment on function retry_run(uuid, text) is 'Run a run again, by the id that a column holds: SELECT retry_run(id) FROM recent_failures;';

create or replace function pause_all(why text default null) returns text language plpgsql
as $$
begin
    perform require_operator('pause_switch', 'change');
    update pause_switch set paused = true, note = coalesce(why, case when paused then note end);
    return 'Everything is paused; to end it: ' || how_to('SELECT resume_all();', 'schedule resume --all');
end
$$;
comment on function pause_all(text) is 'Pause everything with one switch; pauses of single schedules stay';

create or replace function resume_all() returns text language plpgsql
as $$
declare
    still bigint := (select count(*) from schedule where paused_until > clock_timestamp());
begin
    perform require_operator('pause_switch', 'change');
    update pause_switch set paused = false, note = null;
    return 'The pause of everything is over' || case when still > 0 then '; paused by themselves: ' || still else '' end || '.';
end
$$;
comment on function resume_all() is 'Undo pause_all; plans from now on, without a backlog';

create or replace function options_check(task text, options jsonb, schema jsonb) returns void
language plpgsql stable
as $$
declare
    name text;
    value jsonb;
    rule jsonb;
    wanted text;
    known text;
begin
    if options is null or options = '{}' and not schema ?| array['required', 'arguments'] then
        return;
    end if;
    select string_agg(key, ', ' order by key) into known from jsonb_object_keys(schema -> 'properties') key;
    for name, value in select * from jsonb_each(options) loop
        rule := schema -> 'properties' -> name;
        if rule is null then
            raise exception '% has no option "%"', task, name
                using errcode = '23514', column = 'options', 
                      hint = did_you_mean(name, string_to_array(known, ', ')) || 'It takes: ' || coalesce(known, 'no options');
        end if;
        if not option_fits(value, rule, schema -> '$defs') then
            wanted := option_words(rule, schema -> '$defs');
            raise exception 'option "%" = % is not allowed', name, left(value::text, 100)
                using errcode = '23514', column = 'options', hint = format('It must be %s.', wanted);
        end if;
    end loop;
    for name in select * from jsonb_array_elements_text(coalesce(schema -> 'required', '[]')) loop
        if not options ? name then
            raise exception '% needs option "%"', task, name
                using errcode = '23514', column = 'options',
                      hint = format('It must be %s.', option_words(schema -> 'properties' -> name, schema -> '$defs'));
        end if;
    end loop;
    if schema ? 'arguments' then
        perform arguments_check(task, coalesce(options -> 'args', '[]'), coalesce(options -> 'kwargs', '{}'), schema);
    end if;
end
$$;

comment on function options_check(text, jsonb, jsonb) is
    'Refuses options that the kind''s JSON Schema does not allow (the subset that tests name)';

create or replace function profile_asked() returns trigger
language plpgsql
as $$
begin
    -- A follower begins by itself, though only after success: then nothing need be asked for.
    insert into run_request (action, schedule, by_system, note)
    select 'run', s.name, true, 'early buyers of tokens chosen by ' || coalesce(new.schedule, 'run ' || new.id)
      from schedule s
     where s.task = 'tasks.discovery.profile' and s.enabled and coalesce(s.paused_until <= clock_timestamp(), true)
       and exists (select from token_profile p where p.run_id = new.id and p.profiled_at is null)
       and not (new.state = 'succeeded' and exists (
             select from schedule f where f.task = s.task and f.after = new.schedule and f.enabled
                and coalesce(f.paused_until <= clock_timestamp(), true)))
     order by s.after is not distinct from new.schedule desc, s.name
     limit 1;
    return null;
end
$$;

comment on function profile_asked() is 'Trigger: profiles what a run has chosen as soon as the run ends, however it ends';

create or replace trigger profile_asked
    after update of finished_at on run
    for each row when (old.finished_at is null and new.finished_at is not null
                       and new.task in ('tasks.discovery.discover', 'tasks.discovery.surveil'))
    execute function profile_asked();

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
                  hint = did_you_mean(new.upstream, (select array_agg(name) from upstream)) || 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    return new;
end
$$;

comment on function quota_check() is 'Trigger: refuses an invalid limit, with a hint';

create or replace trigger quota_check
    before insert or update on quota
    for each row execute function quota_check();

create or replace function rule_edited() returns trigger
language plpgsql
as $$
begin
    new.revision := case tg_op when 'INSERT' then 1 else old.revision + 1 end;
    new.updated_at := clock_timestamp();
    return new;
end
$$;
comment on function rule_edited() is 'Trigger: raises revision, so that the rule is parsed again';

create or replace function rule_to_check() returns trigger
language plpgsql
as $$
begin
    insert into run_request (action, schedule, by_system, note)
    select 'run', name, true, 'rules were edited' from schedule where name = 'check-rules';
    return null;
end
$$;
comment on function rule_to_check() is 'Trigger: edited rules are parsed at once';

create or replace trigger rule_edited before insert or update on rule
    for each row execute function rule_edited();
create or replace trigger rule_to_check after insert or update on rule
    for each statement execute function rule_to_check();

create or replace view rule_status as
select r.name, r.subject, r.expression,
       case when not r.enabled then 'disabled'
            when s.revision is distinct from r.revision then 'not yet read'
            when s.error is not null then 'wrong: ' || s.error
            else 'active' end as state,
       case when s.revision = r.revision and s.error is not null
            then left(r.expression, s.error_at) || ' ⟶ ' || substr(r.expression, s.error_at + 1) end as wrong_at,
       case when s.revision = r.revision then s.hint end as hint,
       (select count(*) from match m where m.rule = r.name) as matches,
       (select max(m.matched_at) from match m where m.rule = r.name) as last_match_at,
       coalesce(array_to_string(r.channels, ', '), 'every channel') as channels, r.note
  from rule r left join rule_state s on s.rule = r.name
 order by r.name;
comment on view rule_status is 'Each rule: whether it is active, if not its error, and what it found';

create or replace view notice_log as
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule, m.occasion,
       n.attempts, n.answer, n.created_at, n.sent_at, extract(epoch from n.sent_at - m.matched_at)::float8 as seconds
  from notice n left join match m on m.id = n.match_id
 order by n.id desc;
comment on view notice_log is 'The outbox: messages to people, through which channel, and what its server answered';

create or replace function schedule_check() returns trigger
language plpgsql
as $$
declare
    kind task_kind;
    found_text text;
    is_new boolean := tg_op = 'INSERT';
begin
    if not is_new and new.name is distinct from old.name then
        raise exception 'a schedule cannot be renamed'
            using errcode = '23514', column = 'name',
                  detail = format('Run history is filed under the name "%s".', old.name),
                  hint = 'Insert a new one, then: ' || how_to(format('DELETE FROM schedule WHERE name = %L;', old.name), 'schedule remove ' || old.name);
    end if;
    if not is_new and new.task is distinct from old.task then
        raise exception 'the task of a schedule cannot be changed'
            using errcode = '23514', column = 'task',
                  detail = format('"%s" runs %s; its history and its options belong to that task.', old.name, old.task),
                  hint = 'Insert a new schedule for the other task and disable this one.';
    end if;

    select * into kind from task_kind where name = new.task;
    if is_new and (kind is null or kind.retired_at is not null) then
        raise exception 'no worker knows a task named "%"', coalesce(new.task, '')
            using errcode = '23514', column = 'task',
                  hint = did_you_mean(new.task, (select array_agg(name) from task_kind where retired_at is null))
                         || 'Known tasks: ' || coalesce((select string_agg(name, ', ' order by name)
                                                        from task_kind where retired_at is null), 'none yet: run the migrate step');
    end if;

    if is_new or row(new.every, new.cron, new.at, new.after, new.starts_at, new.ends_at, new.paused_until, new.options,
                     new.jitter, new.timeout, new.expires, new.catch_up_window)
       is distinct from row(old.every, old.cron, old.at, old.after, old.starts_at, old.ends_at, old.paused_until, old.options,
                            old.jitter, old.timeout, old.expires, old.catch_up_window) then
        perform schedule_check_timing(new);
    end if;
    if is_new or row(new.overlap, new.catch_up, new.calendar_hours, new.priority, new.max_runs, new.pause_after_failures,
                     new.max_attempts, new.batch_size, new.max_in_flight, new.jitter, new.timeout, new.expires,
                     new.batch_delay, new.catch_up_window, new.alert_after, new.alert_on_partial)
       is distinct from row(old.overlap, old.catch_up, old.calendar_hours, old.priority, old.max_runs, old.pause_after_failures,
                            old.max_attempts, old.batch_size, old.max_in_flight, old.jitter, old.timeout, old.expires,
                            old.batch_delay, old.catch_up_window, old.alert_after, old.alert_on_partial) then
        perform schedule_check_values(new);
    end if;
    if new.pause_reason is not null and new.paused_until is null and not is_new and new.pause_reason is distinct from old.pause_reason then
        raise exception 'pause_reason is set, but "%" is not paused', new.name
            using errcode = '23514', column = 'pause_reason',
                  hint = 'To pause it: ' || how_to(format('SELECT pause(%L, %L);', new.name, new.pause_reason),
                                                   format('schedule pause %s --note %L;', new.name, new.pause_reason))
                         || ' other remarks belong in note.';
    end if;
    if new.enabled and new.at < clock_timestamp() - interval '1 minute' and (is_new or new.at is distinct from old.at) then
        raise notice 'at = % has passed: "%" will not run.', new.at, new.name
            using hint = 'To run it now: ' || how_to(format('SELECT run_now(%L);', new.name), 'schedule run ' || new.name);
    end if;
    if new.every is not null and (is_new or new.every is distinct from old.every) then
        perform schedule_check_every(new.every, kind);
    end if;
    if new.cron is not null and (is_new or new.cron is distinct from old.cron) then
        perform schedule_check_cron(new.cron);
    end if;
    if is_new or new.timezone is distinct from old.timezone then
        perform schedule_check_timezone(new.timezone);
    end if;
    if new.calendar is not null and (is_new or new.calendar is distinct from old.calendar) then
        perform schedule_check_calendar(new.calendar);
    end if;
    if new.after is not null and (is_new or new.after is distinct from old.after) then
        perform schedule_check_after(new.name, new.after);
    end if;
    if is_new or new.options is distinct from old.options then
        perform options_check(new.task, new.options, kind.options_schema);
    end if;
    if new.queue is not null and (is_new or new.queue is distinct from old.queue) then
        select string_agg(name, ', ' order by name) into found_text
          from (select queue.name from queue union select task_kind.queue from task_kind) known;
        if not exists (select from task_kind where queue = new.queue) and not exists (select from queue where queue.name = new.queue) then
            raise exception 'no worker serves a queue named "%"', new.queue
                using errcode = '23514', column = 'queue',
                      hint = did_you_mean(new.queue, string_to_array(found_text, ', '))
                             || format('Queues: %s. If workers serve it: INSERT INTO queue VALUES (%L);', found_text, new.queue);
        end if;
    end if;
    return new;
end
$$;

comment on function schedule_check() is
    'Trigger: refuses mistakes in the columns that changed, with a hint';

create or replace trigger schedule_check
    before insert or update on schedule
    for each row execute function schedule_check();

create or replace function schedule_kept() returns trigger
language plpgsql
as $$
declare
    followers text;
begin
    select string_agg(name, ', ' order by name) into followers from schedule where after = old.name;
    if followers is not null then
        raise exception 'schedule "%" cannot be deleted: % runs after it', old.name, followers
            using errcode = '23503', column = 'after',
                  hint = 'Give the schedules that run after it another timing, or delete them first.';
    end if;
    return old;
end
$$;

comment on function schedule_kept() is 'Trigger: a schedule that others run after cannot be deleted';

create or replace trigger schedule_kept
    before delete on schedule
    for each row execute function schedule_kept();

create or replace function schedule_check_calendar(mic text) returns void
language plpgsql stable
as $$
begin
    if exists (select from market where market.mic = schedule_check_calendar.mic) then
        return;
    end if;
    raise exception 'unknown calendar "%"', mic
        using errcode = '23514', column = 'calendar',
              hint = did_you_mean(mic, (select array_agg(market.mic) from market)) || format('An exchange''s MIC: %s … All: %s',
                            (select string_agg(m.mic, ', ')
                               from (select market.mic from market order by market.mic <-> schedule_check_calendar.mic, 1 limit 4) m),
                            'SELECT mic, title FROM market;');
end
$$;

comment on function schedule_check_calendar(text) is 'Refuses an exchange that is not in table market';

create or replace function schedule_check_every(every interval, kind task_kind) returns void
language plpgsql stable
as $$
begin
    if extract(year from every) <> 0 or extract(month from every) <> 0 then
        raise exception 'every = % has months or years, which have no fixed length', every
            using errcode = '23514', column = 'every',
                  hint = 'Use cron for calendar schedules, e.g. cron = ''0 6 1 * *'' = 06:00 on the 1st of each month.';
    end if;
    if every <= interval '0' then
        raise exception 'every = % is not a length of time', every
            using errcode = '23514', column = 'every', hint = 'Write e.g. every = ''15 minutes''.';
    end if;
    if kind.allowed_every is not null and not every = any (kind.allowed_every) then
        raise exception 'every = % is not allowed for %', every, kind.name
            using errcode = '23514', column = 'every',
                  detail = 'The intervals allowed for this task are ' ||
                           array_to_string(kind.allowed_every, ', '),
                  hint = 'A bare number means seconds: write ''4 hours'', not ''4''.';
    end if;
    if every < coalesce(kind.min_every, interval '0.1 second') then
        raise exception 'every = % is too often for %', every, kind.name
            using errcode = '23514', column = 'every',
                  detail = format('The shortest interval allowed for this task is %s', coalesce(kind.min_every, interval '0.1 second')),
                  hint = 'A bare number means seconds: write ''15 minutes'', not ''15''.';
    end if;
    if every > kind.max_every then
        raise exception 'every = % is not often enough for %', every, kind.name
            using errcode = '23514', column = 'every',
                  detail = format('The longest interval allowed for this task is %s', kind.max_every),
                  hint = 'To stop it for a while: ' || how_to('SELECT pause(name, ''why'').', 'schedule pause NAME.');
    end if;
end
$$;

comment on function schedule_check_every(interval, task_kind) is
    'Refuses an interval with months, or outside what its kind allows';

create or replace function schedule_check_word(name text, given text, known text[]) returns void
language plpgsql stable
as $$
begin
    if not given = any (known) then
        raise exception '% = "%" is not known', name, given
            using errcode = '23514', column = name, 
                  hint = did_you_mean(given, known) || 'One of: ' || array_to_string(known, ', ') || '.';
    end if;
end
$$;

comment on function schedule_check_word(text, text, text[]) is 'Refuses a word that is not one of those known';

create or replace function schedule_check_values(new schedule) returns void
language plpgsql stable
as $$
declare
    name text;
    number integer;
    length interval;
begin
    if new.name !~ '^[a-z0-9]+(-[a-z0-9]+)*$' or length(new.name) > 100 then
        raise exception 'name "%" is not made of lower-case words and digits joined by hyphens', left(new.name, 100)
            using errcode = '23514', column = 'name',
                  hint = format('Write e.g. %L.', coalesce(nullif(btrim(regexp_replace(lower(left(new.name, 100)), '[^a-z0-9]+', '-', 'g'), '-'), ''), 'prices-nightly'));
    end if;
    perform schedule_check_word('overlap', new.overlap, array['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all']);
    perform schedule_check_word('catch_up', new.catch_up, array['latest', 'all', 'none']);
    perform schedule_check_word('calendar_hours', new.calendar_hours, array['day', 'session']);
    if new.priority not between 0 and 9 then
        raise exception 'priority = % is not allowed', new.priority
            using errcode = '23514', column = 'priority', hint = 'It must be a whole number from 0 to 9; 9 goes first.';
    end if;
    if new.alert_after is null or new.alert_after < 1 then
        raise exception 'alert_after = % is not allowed', coalesce(new.alert_after::text, 'null')
            using errcode = '23514', column = 'alert_after',
                  hint = 'It must be 1 or more: 1 reports the first failed run, 3 the third in a row.';
    elsif not (new.alert_on_partial > 0 and new.alert_on_partial <= 1) then
        raise exception 'alert_on_partial = % is not allowed', new.alert_on_partial
            using errcode = '23514', column = 'alert_on_partial',
                  hint = 'It is a share of failed items, more than 0 and at most 1: 0.5 is half of them; NULL: partial runs are not reported.';
    end if;
    if least(new.max_runs, new.pause_after_failures, new.max_attempts, new.batch_size, new.max_in_flight) < 1 then
        select * into name, number
          from (values ('max_runs', new.max_runs), ('pause_after_failures', new.pause_after_failures),
                       ('max_attempts', new.max_attempts), ('batch_size', new.batch_size),
                       ('max_in_flight', new.max_in_flight)) given(column1, column2) where column2 < 1;
        raise exception '% = % is not allowed', name, number
            using errcode = '23514', column = name, hint = 'It must be 1 or more; NULL means: no such limit.';
    end if;
    if num_nonnulls(new.jitter, new.timeout, new.expires, new.batch_delay) > 0 or new.catch_up_window <> interval '1 day' then
        for name, length in select * from (values ('jitter', new.jitter), ('timeout', new.timeout), ('expires', new.expires),
                                                  ('batch_delay', new.batch_delay), ('catch_up_window', new.catch_up_window)) given loop
            if extract(year from length) <> 0 or extract(month from length) <> 0 then
                raise exception '% = % has months or years, which have no fixed length', name, length
                    using errcode = '23514', column = name, hint = format('Write days, e.g. %s = ''30 days''.', name);
            elsif length < interval '0' or length = interval '0' and name in ('timeout', 'expires') then
                raise exception '% = % is not a length of time', name, length
                    using errcode = '23514', column = name, hint = format('Write e.g. %s = ''15 minutes''.', name);
            end if;
        end loop;
    end if;
end
$$;

comment on function schedule_check_values(schedule) is
    'Refuses impossible values before the CHECK constraints do, with a hint';

create or replace view schedule_detail as
select s.name,
       schedule_words(s) as runs,
       case
           when st.error is not null then 'set aside: ' || st.error
           when not s.enabled then 'disabled'
           when switch.paused then 'paused (all)'
           when s.paused_until = 'infinity' then 'paused'
           when s.paused_until > clock_timestamp()
               then 'paused until ' || to_char(s.paused_until at time zone s.timezone, 'MM-DD HH24:MI') || ' ' || s.timezone
           when st.tripped_at is not null then 'paused itself: ' || st.tripped_reason
           when st.claim_at < clock_timestamp() - interval '1 minute'
               then 'LATE by ' || duration_words(date_trunc('second', clock_timestamp() - st.claim_at))
           else 'on' end as state,
       st.planned_revision is not distinct from s.revision as seen_by_beat,
       ago_words(last.created_at) as last_run,
       last.state as result,
       coalesce(last.error, last.reason, last.result ->> 'summary') as summary,
       case when s.after is not null then 'after ' || s.after else in_words(st.next_run_at) end as next_run,
       round(100 * recent.share) || ' %' as success_rate,
       round(100 * recent.partial_share) || ' %' as partial_rate,
       duration_words(date_trunc('second', recent.median)) as median_duration,
       s.note,
       case when switch.paused then switch.note when s.paused_until > clock_timestamp() then s.pause_reason end as pause_reason,
       case when switch.paused then switch.changed_by
            when s.paused_until > clock_timestamp()
                then (select c.changed_by from change c where c.table_name = 'schedule' and c.name = s.name
                         and c.new ? 'paused_until' order by c.id desc limit 1) end as paused_by,
       s.enabled, s.every, s.cron, s.timezone, s.task, s.paused_until, st.next_run_at,
       last.created_at as last_run_at, last.id as last_run_id, st.consecutive_failures,
       round(recent.share, 3) as success_share, recent.median as median_interval, st.tripped_at, st.error,
       round(recent.partial_share, 3) as partial_share, s.alert_after, s.alert_on_partial
  from schedule s
  cross join pause_switch switch
  left join schedule_state st on st.schedule = s.name
  left join lateral (
      select * from run r where r.schedule = s.name and r.state not in ('missed', 'skipped')
       order by r.created_at desc limit 1) last on true
  left join lateral (
      select count(*) filter (where state = 'succeeded')::numeric / nullif(count(*), 0) as share,
             count(*) filter (where state = 'partial')::numeric / nullif(count(*), 0) as partial_share,
             percentile_cont(0.5) within group (order by finished_at - started_at) as median
        from (select r.state, r.started_at, r.finished_at from run r
               where r.schedule = s.name and r.finished_at is not null and r.started_at is not null
               order by r.created_at desc limit 20) ended) recent on true
 order by s.name;

comment on view schedule_detail is 'Every schedule with all that is known of it, for programs; schedule_status is for people';
comment on column schedule_detail.seen_by_beat is 'Whether beat has planned the latest edit';
comment on column schedule_detail.success_rate is 'Of the last 20 runs; a partial one is no success';
comment on column schedule_detail.partial_rate is 'Of the last 20 runs: those of which some items failed or were deferred';
comment on column schedule_detail.pause_reason is 'Why it is paused now, or why everything is';
comment on column schedule_detail.paused_by is 'Who paused it, or everything';
comment on column schedule_detail.median_duration is 'Of the last 20 runs';

create or replace view schedule_status as
with known as materialized (
    select d.name, cut_words(d.runs, 26) as runs,
           case when d.state like 'paused itself%' then 'paused itself'
                when d.state like 'paused%' then 'paused'
                when d.state like 'set aside%' then 'set aside'
                when d.state like 'LATE%' then 'LATE'
                else d.state end as state,
           case when d.last_run_at is null then 'never'
                when d.result in ('due', 'held', 'running') then d.result
                else d.result || ' ' || d.last_run end as last_run,
           case when d.next_run = 'not scheduled' then '' else d.next_run end as next_run,
           case when d.state like 'paused until%' then concat_ws(': ', substr(d.state, 8), d.pause_reason)
                when d.state like 'paused itself%' then substr(d.state, 16)
                when d.state like 'paused%' then coalesce(d.pause_reason, 'no reason given')
                when d.state like 'set aside%' then substr(d.state, 12)
                when d.state like 'LATE%' then substr(d.state, 6)
                when d.state = 'disabled' then d.note
                else coalesce(d.summary, d.note) end as about,
           case when d.state like any (array['LATE%', 'set aside%', 'paused itself%']) or d.result = 'failed' and d.state = 'on' then 1
                when d.result = 'partial' and d.state = 'on' then 2
                when d.state like 'paused%' then 3
                when d.state = 'disabled' then 5
                else 4 end as place
      from schedule_detail d
), room as (
    -- What the other columns leave of 120, with borders and blanks.
    select greatest(12, 120 - 19 - max(length(name)) - max(length(runs)) - max(length(state))
                            - greatest(8, max(length(last_run))) - greatest(8, max(length(next_run)))) as width
      from known
)
select k.name, k.runs, k.state, k.last_run, k.next_run, cut_words(k.about, room.width) as about
  from known k cross join room
 order by k.place, k.name;

comment on view schedule_status is
    'Start here: every schedule, problems first, at most 120 columns wide; schedule_detail has everything';
comment on column schedule_status.about is 'Why it is paused or failed, or what its last run found';

create or replace function send_test(channel_name text) returns text language plpgsql as $$
declare
    target channel;
    written notice;
begin
    perform require_operator('notice', 'insert into');
    select * into target from channel where name = channel_name;
    if target.name is null then
        raise exception 'no channel named "%"', channel_name
            using hint = did_you_mean(channel_name, (select array_agg(name) from channel)) || format('Channels: %s',
                (select coalesce(string_agg(name, ', ' order by name), 'none yet; INSERT INTO channel …') from channel));
    end if;
    if not target.enabled then
        raise exception 'channel "%" is disabled', channel_name
            using hint = format('UPDATE channel SET enabled = true WHERE name = %L;', channel_name);
    end if;
    insert into notice (channel, key, content)
    values (target.name, 'test ' || gen_random_uuid(),
            jsonb_build_object('title', 'Test',
                               'text', format('Watchkeeper can reach you through the channel %s.', target.name)))
    returning * into written;
    perform request_run('send-notices', 'test of ' || target.name);
    return format('Notice %s goes to %s; the server''s answer: %s', written.id, target.name,
                  how_to('SELECT * FROM notice_log LIMIT 5;', 'notify outbox'));
end
$$;
comment on function send_test(text) is
    'Send a test message: SELECT send_test(''phone''); the server''s answer: SELECT * FROM notice_log LIMIT 5;';

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
       || ': ' || coalesce(p.note, 'no reason given') || '; to end it: ' || how_to('SELECT resume_all();', 'schedule resume --all'),
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
       || '; once that is fixed: ' || how_to('UPDATE notice SET state = ''waiting'' WHERE state = ''dead'';', 'notify resend'),
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

create or replace function unblock(upstream_name text, why text default null) returns text
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
                  hint = did_you_mean(upstream_name, (select array_agg(name) from upstream)) || 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    if not kept.enabled then
        raise exception 'upstream "%" is disabled, not blocked', kept.name
            using hint = format('UPDATE upstream SET enabled = true WHERE name = %L;', kept.name);
    end if;
    if not exists (select from upstream_state where upstream = kept.name and blocked_until > clock_timestamp()) then
        return format('Upstream %s is not blocked.', kept.name);
    end if;
    update upstream set unblocked_at = clock_timestamp(), note = coalesce(why, note) where name = kept.name
    returning * into kept;
    return format('%s is unblocked; one call tries first.', kept.name);
end
$$;
comment on function unblock(text, text) is
    'Lift the block of an upstream before its time; one call tries first: SELECT unblock(''head_fi'', ''they said we may'');';

create or replace view running_now as
select r.schedule, r.task,
       case when all_.items > 0 then
           repeat('█', (20 * b.ended / all_.items)::integer) || repeat('░', 20 - (20 * b.ended / all_.items)::integer) end as progress,
       b.ended || '/' || all_.items as items,
       duration_words(date_trunc('second', clock_timestamp() - r.started_at)) as elapsed,
       case when b.ended > 0 and b.total > b.ended
            then 'about ' || duration_words(date_trunc('second',
                 (clock_timestamp() - r.started_at) * ((b.total - b.ended)::float8 / b.ended))) end as time_left,
       (select string_agg(w.upstream || case when u.next_permit_at > clock_timestamp()
                                             then ', ' || in_words(u.next_permit_at) else '' end, '; ' order by w.upstream)
          from unnest(b.waiting_for) as w(upstream) left join upstream_state u on u.upstream = w.upstream) as waiting_for,
       r.trigger || coalesce(' by ' || r.requested_by, '') as started_by,
       b.failed, r.state, r.id, r.started_at, r.created_at, all_.items as total, b.ended, b.done, b.deferred,
       b.waiting_for as waiting_upstreams, clock_timestamp() - r.started_at as elapsed_interval
  from run r
  cross join lateral (
      select coalesce(sum(done + failed + deferred), 0) as ended, coalesce(sum(done), 0) as done,
             coalesce(sum(failed), 0) as failed, coalesce(sum(deferred), 0) as deferred,
             coalesce(sum(total), 0) as total,
             array_agg(distinct waiting_for) filter (where waiting_for is not null) as waiting_for
        from batch where run_id = r.id) b
  cross join lateral (select greatest(r.total, b.total) as items) all_
 where r.state in ('due', 'running', 'held')
 order by r.created_at;
comment on view running_now is 'Active runs, their progress, and what they wait for';

create or replace function run_is_idle(r run) returns boolean
language sql immutable
as $$
    select r.state = 'succeeded' and r.task like any ('{tasks.upkeep.%,tasks.watches.%}') and r.result ? 'counts'
       and not exists (select from jsonb_each(r.result -> 'counts') c(key, value) where c.value not in ('0', 'null', '[]'))
$$;
comment on function run_is_idle(run) is 'Whether it is upkeep that found nothing to do';

create or replace view every_run as
select ago_words(r.created_at) as ago, coalesce(r.schedule, r.task) as name, r.trigger, r.state,
       coalesce(r.error, r.reason, r.result ->> 'summary') as summary,
       duration_words(date_trunc('milliseconds', r.finished_at - r.started_at)) as took,
       r.done, r.failed, r.deferred, r.total, r.due_at, r.created_at, r.id,
       r.started_at, r.finished_at, r.finished_at - r.started_at as took_interval, r.requested_by, run_is_idle(r) as idle
  from run r order by r.created_at desc;
comment on view every_run is 'Runs, the newest first, also upkeep that found nothing to do; add LIMIT';
comment on column every_run.idle is 'Whether it is upkeep that found nothing to do';

create or replace view recent_runs as
select r.ago, r.name, r.trigger, r.state, r.summary, r.took, r.done, r.failed, r.deferred, r.total, r.due_at, r.created_at, r.id,
       r.started_at, r.finished_at, r.took_interval, r.requested_by, 1 as runs
  from every_run r where r.idle is not true
union all
select ago_words(folded.at), s.name, null, 'succeeded', folded.runs || ' × nothing to do within a day', null,
       0, 0, 0, 0, null, folded.at, folded.id, null, null, null, null, folded.runs
  from schedule s
 cross join lateral (
     select max(r.created_at) as at, count(*)::integer as runs, (array_agg(r.id order by r.created_at desc))[1] as id
       from run r
      where r.schedule = s.name and r.created_at > clock_timestamp() - interval '1 day' and run_is_idle(r)) folded
 where s.task like any ('{tasks.upkeep.%,tasks.watches.%}') and folded.runs > 0
 order by created_at desc;
comment on view recent_runs is
    'Runs, the newest first; upkeep that found nothing to do is one row a schedule; add LIMIT; every_run has all';
comment on column recent_runs.runs is 'How many runs the row stands for';

create or replace view recent_failures as
select ago_words(r.finished_at) as ago, coalesce(r.schedule, r.task) as name, r.state, r.error,
       r.failed, r.total, r.finished_at, r.id, r.traceback
  from run r where r.state in ('failed', 'partial') order by r.finished_at desc;
comment on view recent_failures is 'Runs that failed, whole or in part, the newest first; add LIMIT';

create or replace view queue_status as
select queue,
       count(*) filter (where open and send_at is not null and not later) as ready,
       count(*) filter (where state = 'running') as running,
       count(*) filter (where open and waiting_for is not null and send_at is null) as waiting_for_quota,
       min(created_at) filter (where open and send_at is not null and not later) as oldest,
       count(*) filter (where open and send_at is not null and later) as later
  from batch
  cross join lateral (select state in ('waiting', 'sent') as open,
                             coalesce(not_before > clock_timestamp(), false) as later) is_
 where state in ('waiting', 'sent', 'running') group by queue order by queue;
comment on view queue_status is 'Work by queue: ready, running, waiting for an upstream, and for later (batch delay, back-off)';

create or replace view health as
select h.name, h.role, sign_words(clock_timestamp() - h.seen_at) as seen,
       case when h.detail ? 'ended' then 'ended'
            when h.seen_at < clock_timestamp() - interval '30 seconds' then 'SILENT' else 'ok' end as state,
       h.detail, h.seen_at, h.started_at
  from heartbeat h
 where h.seen_at > clock_timestamp() - case when h.detail ? 'ended' then interval '10 minutes' else interval '1 day' end
 order by h.role, h.name;
comment on view health is 'Each beat and worker, and its last heartbeat';

create or replace view schedule_change as
select c.id, case c.table_name when 'pause_switch' then '(all)' else c.name end as schedule, c.action,
       (select coalesce(jsonb_object_agg(key, jsonb_build_array(c.old -> key, c.new -> key)), '{}')
          from jsonb_object_keys(coalesce(c.new, c.old)) key) as changes,
       c.changed_at, c.changed_by, c.program
  from change c where c.table_name in ('schedule', 'pause_switch');
comment on view schedule_change is 'Changes of schedules, and of the switch that pauses everything, as (all)';
comment on column schedule_change.changes is 'Only what changed: {"every": ["04:00:00", "02:00:00"]}';

create or replace view recent_changes as
select c.changed_at, c.changed_by, c.program,
       case c.table_name when 'schedule' then c.name when 'pause_switch' then '(all)' end as schedule,
       case c.action when 'update' then
           (select string_agg(key || ': ' || coalesce(c.old ->> key, 'null') || ' -> ' || coalesce(c.new ->> key, 'null'), ', ')
              from jsonb_object_keys(c.new) key)
       else rtrim(c.action, 'e') || 'ed' end as change,
       c.table_name || ' ' || c.name as what, c.id, c.old, c.new
  from change c order by c.id desc;
comment on view recent_changes is 'Who changed what, the newest first; add LIMIT; to undo one: SELECT undo_change(id);';
