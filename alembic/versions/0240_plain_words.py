"""Messages, hints and comments say plainly what to do."""

from workers.migrate import run_sql

revision = "0240"
down_revision = "0210"


def upgrade() -> None:
    run_sql(UPGRADE)


def downgrade() -> None:
    run_sql(DOWNGRADE)


UPGRADE = r"""
create or replace function address_refusal(address inet) returns text
language plpgsql stable
as $$
declare
    mapped constant inet := '::ffff:0.0.0.0';
    nat64 constant inet := '64:ff9b::';
    why text;
begin
    if exists (select from allowed_network where network >>= address) then
        return null;
    elsif address <<= inet '::ffff:0.0.0.0/96' then
        return address_refusal(inet '0.0.0.0' + (host(address)::inet - mapped));
    elsif address <<= inet '64:ff9b::/96' then
        return address_refusal(inet '0.0.0.0' + (host(address)::inet - nat64));
    end if;
    -- The same list as workers/upstreams/addresses.py, which checks at the time of the call.
    select meaning into why
      from (values
        (1, inet '0.0.0.0/8', 'this host'),
        (2, '10.0.0.0/8', 'private'),
        (3, '100.64.0.0/10', 'shared by a carrier'),
        (4, '127.0.0.0/8', 'loopback'),
        (5, '168.63.129.16/32', 'metadata of a cloud'),
        (6, '169.254.0.0/16', 'link-local, where clouds keep their metadata'),
        (7, '172.16.0.0/12', 'private'),
        (8, '192.0.0.0/24', 'reserved for protocols'),
        (9, '192.0.2.0/24', 'for documentation'),
        (10, '192.88.99.0/24', 'a 6to4 relay'),
        (11, '192.168.0.0/16', 'private'),
        (12, '198.18.0.0/15', 'for benchmarks'),
        (13, '198.51.100.0/24', 'for documentation'),
        (14, '203.0.113.0/24', 'for documentation'),
        (15, '224.0.0.0/4', 'multicast'),
        (16, '240.0.0.0/4', 'reserved'),
        (17, '::/128', 'this host'),
        (18, '::1/128', 'loopback'),
        (19, 'fc00::/7', 'private'),
        (20, 'fe80::/10', 'link-local, where clouds keep their metadata'),
        (21, 'fec0::/10', 'private'),
        (22, 'ff00::/8', 'multicast'),
        (23, '2001::/23', 'reserved for protocols'),
        (24, '2001:db8::/32', 'for documentation'),
        (25, '2002::/16', 'a 6to4 tunnel'),
        (26, '3fff::/20', 'for documentation')
      ) special(place, network, meaning)
     where network >>= address order by place limit 1;
    if why is null and family(address) = 6 and not address <<= inet '2000::/3' then
        why := 'reserved';
    end if;
    return why;
end
$$;

comment on function address_refusal(inet) is
    'Why calls to this address are refused, in words; null for a public address and for what allowed_network allows';

create or replace function url_address(url text) returns inet
language plpgsql immutable
as $$
declare
    authority text := regexp_replace(substring(lower(url) from '^[a-z+]+://([^/?#\\]*)'), '^.*@', '');
    host text := rtrim(case when authority like '[%' then substring(authority from '^\[([^]]*)')
                            else regexp_replace(authority, ':[0-9]*$', '') end, '.');
begin
    if host ~ '^(.*[.])?localhost$|^localhost[.]localdomain$|^ip6-(localhost|loopback)$' then
        return '127.0.0.1';
    elsif host in ('metadata', 'metadata.google.internal', 'instance-data', 'instance-data.ec2.internal') then
        return '169.254.169.254';
    elsif host ~ ':' or host ~ '^(0|[1-9][0-9]*)([.](0|[1-9][0-9]*)){3}$' then
        return host::inet;
    elsif host ~ '^(0x[0-9a-f]*|[0-9]+)([.](0x[0-9a-f]*|[0-9]+)){0,3}$' then
        -- Resolvers read 0177.1 and 2130706433 as 127.0.0.1.
        raise exception '"%" is not a valid address', host using errcode = '22P02';
    end if;
    return null;
end
$$;

comment on function url_address(text) is
    'The address in a URL, or the one that its host always means; null for other names, an error for a number that is not a valid address';

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
            using errcode = '23514', hint = format('Only every and cron have them; to run it once: SELECT run_now(%L);', s.name);
    elsif not isfinite(first) or not isfinite(last) or last < first then
        raise exception 'a backfill must end after it starts, not from % to %', first, last
            using errcode = '23514', column = 'backfill_until', hint = 'Both ends are included.';
    elsif overlap not in ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all') then
        raise exception 'there is no overlap policy "%"', overlap
            using errcode = '23514', column = 'overlap',
                  hint = 'One of skip, buffer_one, buffer_all, cancel_other, allow_all.';
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
            using errcode = 'P0002', hint = 'SELECT id, name FROM recent_runs LIMIT 10;';
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
      from (select id, total, finished_at, started_at from run
             where run.schedule = s.name and state in ('succeeded', 'partial') order by created_at desc limit 20) r,
           lateral (select count(*) as calls from permit p where p.run_id = r.id) c;
    items := ceil(per_run.items * runs);
    calls := ceil(per_run.calls * runs);
    select (array_agg(q.calls - used.calls order by q.per desc))[1], max(ceil((backfill.calls - (q.calls - used.calls)) / q.calls::float8) * q.per)
      into quota_left, waits
      from quota q, lateral (select count(*) as calls from permit p
                              where p.upstream = q.upstream
                                and p.stamp > window_start(q.per, q.timezone, clock_timestamp())) used
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

create or replace function cron_set(field text, number integer) returns integer[]
language sql immutable
as $$
    select array_agg(distinct value order by value)
      from unnest(string_to_array(field, ',')) item,
           regexp_match(item, '^(\*|[0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?(?:/([0-9]+))?$') part,
           lateral (select (array[0, 0, 1, 1, 0])[number] as least, (array[59, 23, 31, 12, 7])[number] as most) bound,
           lateral (select coalesce(cron_value(part[1], number), bound.least) as low,
                           case when part[1] = '*' then bound.most
                                else coalesce(cron_value(part[2], number), cron_value(part[1], number)) end as high) span,
           -- One value with a step means: from it to the end.
           generate_series(low, case when part[3] is not null and low = high then bound.most else high end,
                           coalesce(part[3]::integer, 1)) value
$$;

comment on function cron_set(text, integer) is 'The numbers in field 1-5 of a valid cron expression';

create or replace function zone_offset(at timestamptz, zone text) returns interval
language sql stable
as $$ select (at at time zone zone) - (at at time zone 'UTC') $$;

comment on function zone_offset(timestamptz, text) is 'Offset of a zone from UTC at an instant';

create or replace function zone_stretches(day date, zone text)
returns table (starts timestamptz, ends timestamptz, ahead interval)
language plpgsql stable
as $$
declare
    final timestamptz := day::timestamp at time zone 'UTC' + interval '40 hours';
    hour timestamptz := day::timestamp at time zone 'UTC' - interval '16 hours';
    low timestamptz;
    high timestamptz;
    middle timestamptz;
begin
    starts := hour;
    ahead := zone_offset(hour, zone);
    if ahead = zone_offset(hour - interval '10 hours', zone) and ahead = zone_offset(final + interval '12 hours', zone) then
        ends := final;
        return next;
        return;
    end if;
    while hour < final loop
        if zone_offset(hour + interval '1 hour', zone) <> ahead then
            low := hour;
            high := hour + interval '1 hour';
            while high - low > interval '1 second' loop
                middle := date_trunc('second', low + (high - low) / 2);
                if zone_offset(middle, zone) = ahead then
                    low := middle;
                else
                    high := middle;
                end if;
            end loop;
            ends := high;
            return next;
            starts := high;
            ahead := zone_offset(high, zone);
        end if;
        hour := hour + interval '1 hour';
    end loop;
    ends := final;
    return next;
end
$$;

comment on function zone_stretches(date, text) is
    'Spans between changes of a zone''s clocks that contain a local date';

create or replace function cron_day(day date, zone text, minutes integer[], fixed boolean) returns setof timestamptz
language plpgsql stable
as $$
declare
    midnight timestamptz := day::timestamp at time zone 'UTC';
    piece record;
    reached integer := 0;
    low integer;
    high integer;
begin
    for piece in select * from zone_stretches(day, zone) loop
        low := ceil(extract(epoch from piece.starts - (midnight - piece.ahead)) / 60);
        high := ceil(extract(epoch from piece.ends - (midnight - piece.ahead)) / 60);
        if fixed then
            -- What falls in the skipped time runs once, at its end; in the repeated time once.
            if exists (select from unnest(minutes) minute where minute >= reached and minute < low) then
                return next piece.starts;
            end if;
            low := greatest(low, reached);
            reached := greatest(reached, high);
        end if;
        return query select midnight - piece.ahead + minute * interval '1 minute'
                       from unnest(minutes) minute where minute >= low and minute < high;
    end loop;
end
$$;

comment on function cron_day(date, text, integer[], boolean) is
    'Instants of minutes of a local date, also when its clocks change (beat/time/cron.py finds the same)';

create or replace function cron_dues(cron text, zone text, first timestamptz, until timestamptz, most integer)
returns timestamptz[]
language plpgsql stable
as $$
declare
    macros jsonb := '{"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
                      "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"}';
    spaces text := E' \t\n\r\f\v';
    one text;
    f text[];
    expression jsonb;
    expressions jsonb[] := '{}';
    day date := (first at time zone zone)::date - 2;
    final date := least((until at time zone zone)::date + 2, day + 18300);
    days_more integer := 2;
    found timestamptz[] := '{}';
begin
    foreach one in array string_to_array(cron, ';') loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        f := regexp_split_to_array(coalesce(macros ->> one, one), '[' || spaces || ']+');
        expressions := expressions || jsonb_build_object(
            'minutes', (select array_agg(h * 60 + m order by h, m) from unnest(cron_set(f[1], 1)) m, unnest(cron_set(f[2], 2)) h),
            'days', cron_set(f[3], 3), 'months', cron_set(f[4], 4),
            'weekdays', (select array_agg(distinct d % 7) from unnest(cron_set(f[5], 5)) d),
            'both', f[3] like '*%' or f[5] like '*%',
            'fixed', not (f[1] like '*%' or f[2] like '*%'));
    end loop;
    while day <= final loop
        foreach expression in array expressions loop
            if expression -> 'months' @> to_jsonb(extract(month from day)::integer)
               and (case when (expression -> 'both')::boolean
                        then expression -> 'days' @> to_jsonb(extract(day from day)::integer)
                             and expression -> 'weekdays' @> to_jsonb(extract(dow from day)::integer)
                        else expression -> 'days' @> to_jsonb(extract(day from day)::integer)
                             or expression -> 'weekdays' @> to_jsonb(extract(dow from day)::integer) end) then
                found := found || array(
                    select due from cron_day(day, zone, array(select jsonb_array_elements_text(expression -> 'minutes')::integer),
                                             (expression -> 'fixed')::boolean) due
                     where due >= first and due < until);
            end if;
        end loop;
        -- Two days more: where clocks are changed at midnight, dates overlap.
        days_more := case when cardinality(found) < most then 2 else days_more - 1 end;
        exit when days_more < 0;
        day := day + 1;
    end loop;
    return array(select distinct due from unnest(found) due order by due limit most);
end
$$;

comment on function cron_dues(text, text, timestamptz, timestamptz, integer) is
    'Due times of a cron text from first to before until, at most so many (beat/time/cron.py finds the same)';

create or replace view discovery_stats as
select coalesce(r.schedule, 'by hand') as schedule,
       count(*) as total,
       count(*) filter (where r.state = 'succeeded') as successful,
       count(*) filter (where r.state = 'partial') as partial,
       count(*) filter (where r.state = 'failed') as failed,
       coalesce(sum(c.new), 0) as new,
       coalesce(sum(c.updated), 0) as updated,
       round(coalesce(sum(c.new), 0) / count(*), 1) as avg_new_per_run,
       round(avg(extract(epoch from r.finished_at - r.started_at)), 1) as avg_seconds,
       max(r.finished_at) as last_at
  from run r,
       lateral (select (r.result -> 'counts' ->> 'new')::numeric as new,
                       (r.result -> 'counts' ->> 'updated')::numeric as updated) c
 where r.task in ('tasks.discovery.discover', 'tasks.discovery.surveil') and r.finished_at is not null
   and r.state in ('succeeded', 'partial', 'failed')
 group by 1
 order by 1;
comment on view discovery_stats is 'Results of each discovery schedule: runs, new and updated tokens, new ones a run';

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
        insert into run_request (action, schedule, note)
        select 'run', name, 'notices wait' from schedule where name = 'send-notices';
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
                  hint = 'Schedules: ' || coalesce((select string_agg(name, ', ' order by name) from (
                      select name from schedule order by name <-> wanted limit 12) near), 'none yet');
    end if;
    return found;
end
$$;
comment on function schedule_named(text) is 'The schedule of that name, or an error that lists the names';

create or replace function run_now(schedule_name text, reason text default null, with_options jsonb default null)
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
comment on function run_now(text, text, jsonb) is 'Run a schedule now: SELECT run_now(''prices-nightly'', ''why'');';

create or replace function pause(schedule_name text, why text default null, until timestamptz default 'infinity')
returns schedule language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('schedule', 'change');
    if until is null or until <= clock_timestamp() then
        raise exception 'a pause must end in the future, not at %', coalesce(until::text, 'null')
            using errcode = '23514', column = 'paused_until',
                  hint = format('SELECT pause(%L, ''why'', now() + interval ''2 hours''); without an end: SELECT pause(%L, ''why'');', kept.name, kept.name);
    end if;
    -- A pause that is made longer keeps its reason.
    update schedule
       set paused_until = until,
           pause_reason = coalesce(why, case when paused_until > clock_timestamp() then pause_reason end)
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return kept;
end
$$;
comment on function pause(text, text, timestamptz) is 'Pause a schedule: SELECT pause(''prices-nightly'', ''why'', now() + interval ''2 hours'');';

create or replace function resume(schedule_name text) returns schedule language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('schedule', 'change');
    -- Clears an automatic pause too: beat plans anew whatever was edited.
    update schedule set paused_until = case when paused_until is null then clock_timestamp() end, pause_reason = null
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return kept;
end
$$;
comment on function resume(text) is 'End a pause, also an automatic one; plans from now on, without a backlog';

create or replace function schedule_says_disabled(s schedule) returns void language plpgsql
as $$
begin
    if not s.enabled then
        raise notice '"%" is disabled and does not run%', s.name, coalesce(': ' || s.note, '')
            using hint = format('To enable it: UPDATE schedule SET enabled = true WHERE name = %L;', s.name);
    elsif (select paused from pause_switch) then
        raise notice 'everything is paused, and "%" with it', s.name using hint = 'To end that: SELECT resume_all();';
    end if;
end
$$;
comment on function schedule_says_disabled(schedule) is 'Notice to whoever pauses or resumes a schedule that is disabled';

create or replace function stop_run(run uuid, reason text default null) returns run_request language plpgsql
as $$
declare
    asked run_request;
begin
    perform require_operator('run_request', 'insert into');
    if not exists (select from run r where r.id = stop_run.run) then
        raise exception 'no run with id %', run
            using errcode = 'P0002', hint = 'SELECT id, schedule FROM running_now;';
    end if;
    insert into run_request (action, run_id, note) values ('stop', run, reason) returning * into asked;
    return asked;
end
$$;
comment on function stop_run(uuid, text) is 'Stop a run: waiting batches end at once, running ones at their next call';

create or replace function retry_run(run uuid, reason text default null) returns run_request language plpgsql
as $$
declare
    asked run_request;
begin
    perform require_operator('run_request', 'insert into');
    if not exists (select from run r where r.id = retry_run.run) then
        raise exception 'no run with id %', run
            using errcode = 'P0002', hint = 'SELECT id, name FROM recent_failures LIMIT 10;';
    end if;
    insert into run_request (action, run_id, note) values ('retry', run, reason) returning * into asked;
    return asked;
end
$$;
comment on function retry_run(uuid, text) is 'Run a run again with the same options';


create or replace function pause_all(why text default null) returns pause_switch language sql
as $$
    select require_operator('pause_switch', 'change');
    update pause_switch set paused = true, note = coalesce(why, case when paused then note end) returning *
$$;
comment on function pause_all(text) is 'Pause everything with one switch; pauses of single schedules stay';

create or replace function resume_all() returns pause_switch language sql
as $$
    select require_operator('pause_switch', 'change');
    update pause_switch set paused = false, note = null returning *
$$;
comment on function resume_all() is 'Undo pause_all; plans from now on, without a backlog';

create or replace view login_without_limits as
select r.rolname::text as name,
       case when pg_has_role(r.oid, to_regrole('operator'), 'member') then 'operator' else 'viewer' end as role
  from pg_roles r
 where r.rolcanlogin and not r.rolsuper
   and to_regrole('viewer') is not null and to_regrole('operator') is not null
   and to_regrole('service') is not null and to_regrole('owner') is not null
   and (pg_has_role(r.oid, to_regrole('viewer'), 'member') or pg_has_role(r.oid, to_regrole('operator'), 'member'))
   and not pg_has_role(r.oid, to_regrole('service'), 'member')
   and not pg_has_role(r.oid, to_regrole('owner'), 'member')
   and (r.rolconnlimit = -1 or not exists (
        select from pg_db_role_setting s where s.setrole = r.oid
           and s.setconfig::text like '%idle_in_transaction_session_timeout=%'));
comment on view login_without_limits is
    'Logins of people without a connection limit or time-outs; to set them: SELECT limit_login(name);';
comment on column login_without_limits.name is 'The login';
comment on column login_without_limits.role is 'operator | viewer';

create or replace function limit_login(login text) returns void
language plpgsql
as $$
declare
    reads_only boolean := not pg_has_role(login, 'operator', 'member');
    limited text[];
begin
    foreach limited slice 1 in array array[
        array['lock_timeout', case when reads_only then '2s' else '10s' end],
        array['statement_timeout', case when reads_only then '60s' else '10min' end],
        array['idle_in_transaction_session_timeout', case when reads_only then '60s' else '10min' end],
        array['transaction_timeout', case when reads_only then '5min' else '0' end]] loop
        -- transaction_timeout is of Postgres 17.
        if exists (select from pg_settings where name = limited[1]) then
            execute format('alter role %I set %I = %L', login, limited[1], limited[2]);
        end if;
    end loop;
    execute format('alter role %I connection limit %s', login, case when reads_only then 5 else 10 end);
end
$$;
comment on function limit_login(text) is
    'Give a person''s login its connection limit and time-outs; an administrator''s: SELECT limit_login(''alice'');';

create or replace function make_login(login text, role text default 'viewer') returns text
language plpgsql
as $$
begin
    if role is null or role not in ('viewer', 'operator') then
        raise exception 'role must be viewer or operator, not "%"', role
            using errcode = '22023', hint = 'SELECT make_login(''alice'', ''viewer'');';
    end if;
    execute format('create role %I login in role %I', login, role);
    perform limit_login(login);
    return format('%s may log in once it has a password: \password %s', login, quote_ident(login));
end
$$;
comment on function make_login(text, text) is
    'Make a person''s login with its limits; an administrator''s: SELECT make_login(''alice'', ''operator'');';

create or replace function pause_switched() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if new.paused is distinct from old.paused then
        -- Every schedule is planned anew: while paused to nothing, when resumed from now on.
        insert into schedule_edit (schedule) select name from schedule;
        insert into schedule_change (schedule, action, changes, changed_by, program)
        values ('(all)', 'update', schedule_difference(to_jsonb(old) - 'changed_at' - 'changed_by',
                                                       to_jsonb(new) - 'changed_at' - 'changed_by'),
                actor(), current_setting('application_name'));
        perform pg_notify('watchkeeper', 'edit');
    end if;
    return null;
end
$$;

comment on function pause_switched() is 'Trigger: pause_all and resume_all take effect at once';

create or replace trigger pause_switched
    after update on pause_switch
    for each row execute function pause_switched();

create or replace function pause_switch_stamp() returns trigger
language plpgsql
as $$
begin
    if new.paused is distinct from old.paused then
        new.changed_by := actor();
        new.changed_at := clock_timestamp();
    end if;
    return new;
end
$$;

comment on function pause_switch_stamp() is 'Trigger: records who paused or resumed everything, and when';

create or replace trigger pause_switch_stamp
    before update on pause_switch
    for each row execute function pause_switch_stamp();

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
    'Outcome of each symbol in each price run: ok, stale, not_found, rate_limited (the source said so), deferred (our quota is spent) or error; add LIMIT';

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
    insert into run_request (action, schedule, note)
    select 'run', name, 'rules were edited' from schedule where name = 'check-rules';
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

create or replace function run_requested() returns trigger
language plpgsql
as $$
begin
    perform pg_notify('watchkeeper', 'request');
    return null;
end
$$;

comment on function run_requested() is 'Trigger: wakes every beat at a request for a run';

create or replace trigger run_requested
    after insert on run_request
    for each statement execute function run_requested();

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
                  hint = format('Insert a new one, then: DELETE FROM schedule WHERE name = %L;', old.name);
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
                  hint = 'Known tasks: ' || coalesce((select string_agg(name, ', ' order by name)
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
                  hint = format('To pause it: SELECT pause(%L, %L); other remarks belong in note.', new.name, new.pause_reason);
    end if;
    if new.enabled and new.at < clock_timestamp() - interval '1 minute' and (is_new or new.at is distinct from old.at) then
        raise notice 'at = % has passed: "%" will not run.', new.at, new.name
            using hint = format('To run it now: SELECT run_now(%L);', new.name);
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
        select string_agg(distinct queue, ', ' order by queue) into found_text from task_kind;
        if not exists (select from task_kind where queue = new.queue) then
            raise exception 'no worker serves a queue named "%"', new.queue
                using errcode = '23514', column = 'queue', hint = 'Queues: ' || found_text;
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

create or replace function schedule_check_after(follower text, leader text) returns void
language plpgsql stable
as $$
declare
    chain text;
begin
    if not exists (select from schedule where name = leader) and leader <> follower then
        raise exception 'no schedule named "%" to run after', leader
            using errcode = '23514', column = 'after',
                  hint = 'Schedules: ' || coalesce((select string_agg(name, ', ' order by name)
                                                      from (select name from schedule order by name <-> leader limit 10) s), 'none yet');
    end if;
    with recursive before(name, path) as (
        select leader, array[follower, leader]
        union all
        select s.after, path || s.after from before join schedule s on s.name = before.name
         where s.after is not null and before.name <> follower and cardinality(path) < 100
    )
    select array_to_string(path, ' after ') into chain from before where name = follower limit 1;
    if chain is not null then
        raise exception 'schedules would wait for each other in a circle: %', chain
            using errcode = '23514', column = 'after',
                  hint = 'Give one of them every or cron instead.';
    end if;
end
$$;

comment on function schedule_check_after(text, text) is 'Refuses to run after an unknown schedule, after itself, or in a circle';

create or replace function schedule_check_every(every interval, kind task_kind) returns void
language plpgsql immutable
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
                  hint = 'To stop it for a while: SELECT pause(name, ''why'').';
    end if;
end
$$;

comment on function schedule_check_every(interval, task_kind) is
    'Refuses an interval with months, or outside what its kind allows';

create or replace function schedule_check_timing(new schedule) returns void
language plpgsql stable
as $$
declare
    given text[] := array_remove(array[
        case when new.every is not null then 'every' end,
        case when new.cron is not null then 'cron' end,
        case when new.at is not null then 'at' end,
        case when new.after is not null then 'after' end], null);
begin
    if cardinality(given) = 0 then
        raise exception 'schedule "%" has no timing', new.name
            using errcode = '23514', column = 'every',
                  hint = 'Set exactly one of every, cron, at, after, e.g. every = ''15 minutes''.';
    elsif cardinality(given) > 1 then
        raise exception 'schedule "%" has more than one timing: %', new.name, array_to_string(given, ' and ')
            using errcode = '23514', column = given[2],
                  hint = format('Set exactly one and the others to NULL, e.g. SET %s = %s, %s = NULL.',
                                given[2], '…', given[1]);
    end if;
    if new.ends_at <= new.starts_at then
        raise exception 'ends_at = % is not later than starts_at = %', new.ends_at, new.starts_at
            using errcode = '23514', column = 'ends_at',
                  hint = 'A schedule ends after it starts; ends_at = NULL: never.';
    end if;
    if num_nonnulls(new.at, new.starts_at, new.ends_at, new.paused_until) > 0 then
        perform schedule_check_instants(new);
    end if;
    if greatest(new.every, new.jitter, new.catch_up_window, new.timeout, new.expires) > interval '36500 days' then
        raise exception 'an interval of a schedule may be at most 36500 days'
            using errcode = '23514', hint = 'This applies to every, jitter, catch_up_window, timeout and expires.';
    end if;
    if jsonb_typeof(new.options) <> 'object' then
        raise exception 'options must be a JSON object, not %', jsonb_typeof(new.options)
            using errcode = '23514', column = 'options', hint = 'Write options = ''{"name": value}'' or ''{}''.';
    end if;
end
$$;

comment on function schedule_check_timing(schedule) is 'Refuses a schedule without exactly one timing';

create or replace function schedule_check_instants(new schedule) returns void
language plpgsql stable
as $$
declare
    name text;
    at timestamptz;
begin
    for name, at in select * from (values ('at', new.at), ('starts_at', new.starts_at), ('ends_at', new.ends_at),
                                          ('paused_until', new.paused_until)) given(name, at) loop
        if at is not null and not at between '1900-01-01Z' and '9990-01-01Z'
           and not (name = 'paused_until' and at = 'infinity') then
            raise exception '% = % is not a possible time', name, at
                using errcode = '23514', column = name,
                      hint = format('Write e.g. %s = ''2026-12-24 17:00 Europe/Berlin'', or NULL.', name);
        end if;
    end loop;
end
$$;

comment on function schedule_check_instants(schedule) is 'Refuses times that the programs cannot represent';

create or replace function schedule_check_word(name text, given text, known text[]) returns void
language plpgsql immutable
as $$
begin
    if not given = any (known) then
        raise exception '% = "%" is not known', name, given
            using errcode = '23514', column = name, hint = 'One of: ' || array_to_string(known, ', ') || '.';
    end if;
end
$$;

comment on function schedule_check_word(text, text, text[]) is 'Refuses a word that is not one of those known';

create or replace function schedule_check_values(new schedule) returns void
language plpgsql immutable
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

create or replace function settle_permits(answered bigint[], elapsed double precision[], statuses integer[])
returns void
language sql
as $$
    -- The answer was in `elapsed` seconds before the caller asked: by this clock now less that, never too early.
    update permit
       set settled = true, status = one.status,
           stamp = least(permit.stamp, clock_timestamp() - one.elapsed * interval '1 second')
      from unnest(answered, elapsed, statuses) as one(id, elapsed, status)
     where permit.id = one.id and not permit.settled
$$;

comment on function settle_permits(bigint[], double precision[], integer[]) is
    'Lowers the stamps of answered calls from the end of their lease to the time of the response';

create or replace function site_check() returns trigger
language plpgsql
as $$
declare
    known constant text[] := array['card', 'title', 'link', 'id', 'price', 'type', 'image', 'seller', 'reputation',
        'condition', 'negotiability', 'ships_to', 'fields', 'listed', 'edited', 'overlay', 'next'];
    name text;
    value jsonb;
    css text;
    plain text;
begin
    if jsonb_typeof(new.selectors) <> 'object' then
        raise exception 'selectors must be an object of CSS selectors'
            using errcode = '23514', column = 'selectors', hint = 'Such as {"card": "div.ad", "title": "h3"}.';
    end if;
    foreach name in array array['card', 'title'] loop
        if not new.selectors ? name then
            raise exception 'selector "%" is missing', name
                using errcode = '23514', column = 'selectors',
                      hint = 'A site needs at least card (one ad on a list page) and title (inside it).';
        end if;
    end loop;
    for name, value in select * from jsonb_each(new.selectors) loop
        if not name = any (known) then
            raise exception 'there is no selector "%"', name
                using errcode = '23514', column = 'selectors', hint = 'Known: ' || array_to_string(known, ', ');
        end if;
        css := regexp_replace(value #>> '{}', '@\s*[A-Za-z][A-Za-z0-9_:-]*\s*$', '');
        if jsonb_typeof(value) <> 'string' or not selector_fits(css) then
            raise exception 'selector "%" = % is not CSS', name, left(value::text, 100)
                using errcode = '23514', column = 'selectors',
                      hint = 'Write CSS such as "div.ad > h3", with @name at its end for an attribute: "time@datetime".';
        end if;
    end loop;
    begin
        perform '' ~ new.id_pattern;
    exception when others then
        raise exception 'id_pattern = % is not a regular expression', new.id_pattern
            using errcode = '23514', column = 'id_pattern', hint = 'Its first group is the ad''s number: /(\d+)/?$';
    end;
    -- Without escaped characters and classes every ( that is followed by no ? begins a group.
    plain := regexp_replace(regexp_replace(new.id_pattern, '\\.', '', 'g'), '\[\^?\]?[^]]*\]', '', 'g');
    if plain !~ '\((?!\?)' then
        raise exception 'id_pattern = % has no group', new.id_pattern
            using errcode = '23514', column = 'id_pattern', hint = 'Its first group is the ad''s number: /(\d+)/?$';
    end if;
    if new.page_path ~ '[{}]' and replace(new.page_path, '{page}', '') ~ '[{}]' then
        raise exception 'page_path = % has braces other than {page}', new.page_path
            using errcode = '23514', column = 'page_path', hint = 'Write e.g. page_path = ''page-{page}''.';
    end if;
    if tg_op = 'INSERT' or new.upstream <> old.upstream then
        update upstream set obey_robots = true where upstream.name = new.upstream and not obey_robots;
        if found then
            raise notice 'obey_robots = true for upstream %: it is a web site now', new.upstream;
        end if;
    end if;
    new.updated_at := clock_timestamp();
    return new;
end
$$;
comment on function site_check() is 'Trigger: refuses selectors that cannot be used, in words a person understands';

create or replace function selector_fits(css text) returns boolean
language plpgsql immutable
as $$
declare
    attribute constant text := '\[\s*[[:alpha:]_][[:alnum:]_:-]*\s*([~|^$*]?=\s*("s"|[[:alpha:]_-][[:alnum:]_-]*)\s*([is]\s*)?)?\]';
    compound constant text := '(\*|[[:alpha:]_][[:alnum:]_-]*)?([.#][[:alpha:]_-][[:alnum:]_-]*|\[a\]|:[a-z-]+)*';
    rest text := btrim(css);
    before text;
    one text;
begin
    if css is null or rest = '' or length(css) > 300 then
        return false;
    end if;
    -- Escaped characters are letters of a name, strings and attributes are one of each, what stands in
    -- brackets is left to the parser: then only names, combinators and commas are to be judged.
    rest := regexp_replace(rest, '\\.', 'x', 'g');
    rest := regexp_replace(rest, '"[^"]*"|''[^'']*''', '"s"', 'g');
    rest := regexp_replace(rest, attribute, '[a]', 'g');
    loop
        before := rest;
        rest := regexp_replace(rest, '(:[a-z-]+)\(\s*[^()\s][^()]*\)', '\1', 'g');
        exit when rest = before;
    end loop;
    foreach one in array regexp_split_to_array(rest, '\s*,\s*') loop
        -- A combinator stands between two parts, never first, last or twice.
        if one = '' or one !~ ('^' || compound || '((\s*[>+~]\s*|\s+)' || compound || ')*$')
           or one ~ '[>+~]\s*([>+~]|$)' or one ~ '^\s*[>+~]' then
            return false;
        end if;
    end loop;
    return true;
end
$$;
comment on function selector_fits(text) is 'Whether a text looks like a CSS selector; what is left is checked when it is used';

create or replace trigger site_check
    before insert or update on site
    for each row execute function site_check();

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
  from upstream_state u where u.blocked_until > clock_timestamp() and u.failures >= 2;
comment on view trouble is
    'What is broken at the moment of reading; beat sends one notice when it breaks and one when it is over';
comment on column trouble.kind is
    'failing, tripped, late, set aside, paused, beat silent, worker silent, queue unserved, notices held, notices dead, quota low, blocked';
comment on column trouble.subject is 'Schedule, process, queue, channel or upstream';
comment on column trouble.severity is 'error: schedule status and doctor exit 1; warning: it ends by itself';
comment on column trouble.since is 'Since when, as far as is known';

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
    -- Beat looks at waiting batches again.
    update upstream_state set next_permit_at = clock_timestamp(), spare = null where upstream = edited;
    perform pg_notify('watchkeeper', 'upstream');
    return null;
end
$$;

comment on function upstream_edited() is 'Trigger: an edit of an upstream or quota takes effect at once';

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

create or replace view recent_runs as
select ago_words(r.created_at) as ago, coalesce(r.schedule, r.task) as name, r.trigger, r.state,
       coalesce(r.error, r.reason, r.result ->> 'summary') as summary,
       duration_words(date_trunc('milliseconds', r.finished_at - r.started_at)) as took,
       r.done, r.failed, r.deferred, r.total, r.due_at, r.created_at, r.id,
       r.started_at, r.finished_at, r.finished_at - r.started_at as took_interval, r.requested_by
  from run r order by r.created_at desc;
comment on view recent_runs is 'Runs, the newest first; add LIMIT';

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

create or replace view recent_changes as
select c.changed_at, c.changed_by, c.program, c.schedule,
       case c.action when 'update' then
           (select string_agg(key || ': ' || coalesce(value ->> 0, 'null') || ' -> ' || coalesce(value ->> 1, 'null'), ', ')
              from jsonb_each(c.changes))
       else rtrim(c.action, 'e') || 'ed' end as change, c.changes
  from schedule_change c order by c.id desc;
comment on view recent_changes is 'Who changed what, the newest first; add LIMIT';

create or replace function duration_words(length interval) returns text
language sql immutable
as $$
    select case
        when length is null then null
        when s = 0 then '0 seconds'
        else array_to_string(array_remove(array[
            case when d > 0 then d || case d when 1 then ' day' else ' days' end end,
            case when h > 0 then h || case h when 1 then ' hour' else ' hours' end end,
            case when m > 0 then m || case m when 1 then ' minute' else ' minutes' end end,
            case when r > 0 then trim_scale(r) || case r when 1 then ' second' else ' seconds' end end], null), ' ')
        end
      from (select extract(epoch from length) s) total,
           lateral (select floor(s / 86400)::bigint d, (floor(s / 3600)::bigint % 24) h,
                           (floor(s / 60)::bigint % 60) m, round(s % 60, 3) r) parts
$$;

comment on function duration_words(interval) is 'A length of time in words: 90 minutes is "1 hour 30 minutes"';

create or replace function past_words(passed interval) returns text
language sql immutable
as $$
    select case
        when passed is null then 'never'
        when s < 60 then 'just now'
        when s < 3600 then floor(s / 60) || 'm ago'
        when s < 86400 then floor(s / 3600) || 'h ago'
        else floor(s / 86400) || 'd ago' end
      from (select extract(epoch from passed) s) seconds
$$;

comment on function past_words(interval) is 'How long ago, in the greatest unit: "just now", "3m ago", or "never"';

create or replace function ago_words(at timestamptz) returns text
language sql stable
as $$ select past_words(clock_timestamp() - at) $$;

comment on function ago_words(timestamptz) is 'How long ago: "just now", "3m ago", or "never"';

create or replace function sign_words(passed interval) returns text
language sql immutable
as $$
    select case when passed < interval '1 minute' then floor(greatest(extract(epoch from passed), 0)) || 's ago'
                else past_words(passed) end
$$;

comment on function sign_words(interval) is 'How long ago a heartbeat was, to the second: "3s ago"';

create or replace function ahead_words(left_over interval) returns text
language sql immutable
as $$
    -- Rounded up below a minute: "in 0s" would be wrong.
    select case
        when left_over is null then 'not scheduled'
        when s <= 0 then 'soon'
        when s < 60 then 'in ' || s || 's'
        when s < 3600 then 'in ' || floor(s / 60) || 'm'
        when s < 86400 then 'in ' || floor(s / 3600) || 'h ' || floor(s % 3600 / 60) || 'm'
        else 'in ' || floor(s / 86400) || 'd ' || floor(s % 86400 / 3600) || 'h' end
      from (select ceil(extract(epoch from left_over)) s) seconds
$$;

comment on function ahead_words(interval) is 'How far ahead, in two units: "in 3h 20m", "soon", or "not scheduled"';

create or replace function in_words(at timestamptz) returns text
language sql stable
as $$ select ahead_words(at - clock_timestamp()) $$;

comment on function in_words(timestamptz) is 'How far ahead: "in 3h 20m", "soon", or "not scheduled"';

create or replace function brief_words(left_over interval) returns text
language sql immutable
as $$
    select case
        when left_over is null then '--'
        when s <= 0 then 'soon'
        when s < 60 then s || 's'
        when s < 3600 then floor(s / 60) || 'm'
        when s < 86400 then floor(s / 3600) || 'h'
        else floor(s / 86400) || 'd' end
      from (select ceil(extract(epoch from left_over)) s) seconds
$$;

comment on function brief_words(interval) is 'How far ahead, in the greatest unit alone: "2h", "soon", or "--"';

create or replace function schedule_words(s schedule) returns text
language sql stable
as $$
    select case
        when s.every is not null then 'every ' || duration_words(s.every)
        when s.cron is not null then cron_words(s.cron, s.timezone)
        when s.at is not null then 'once at ' || to_char(s.at at time zone s.timezone, 'YYYY-MM-DD HH24:MI') || ' ' || s.timezone
        else 'after ' || s.after end
        || coalesce(' on ' || s.calendar || ' ' || s.calendar_hours || 's', '')
$$;

comment on function schedule_words(schedule) is 'When a schedule runs, in words';

create or replace function worker_group_check() returns trigger
language plpgsql
as $$
begin
    if new.name !~ '^[^@ ]+$' then
        raise exception 'name "%" is not a worker group', left(new.name, 100)
            using errcode = '23514', column = 'name',
                  hint = 'It is the part before @ in a worker''s node name: ''prices'' for prices@host.';
    end if;
    if new.min_processes < 1 or new.max_processes > 500 or new.max_processes < new.min_processes then
        raise exception '% to % processes are not allowed for workers of %', new.min_processes, new.max_processes, new.name
            using errcode = '23514', column = 'max_processes',
                  hint = 'min_processes must be 1 or more; max_processes cannot be less than min_processes, and is at most 500 a worker.';
    end if;
    return new;
end
$$;

comment on function worker_group_check() is 'Trigger: refuses bounds that a pool cannot have, with a hint';

create or replace trigger worker_group_check
    before insert or update on worker_group
    for each row execute function worker_group_check();

comment on column schedule.catch_up is 'Which missed due times run: latest | all | none';
comment on table upstream is 'Servers of other people, and the limits of our calls; edit with SQL.';
comment on column upstream.spacing is 'Minimum time between a response and the next call';
comment on column upstream.enabled is 'false: no calls';
comment on column upstream_state.blocked_until is 'No calls before';
comment on column upstream_state.crawl_delay is 'Crawl-delay of its robots.txt, when longer than spacing';
comment on table run_request is 'Requests of people to beat: run now, backfill, stop, retry; with its answer.';
comment on column run.stop_requested_at is 'Time of a request to stop; it stops at its next call';
comment on column run.requested_by is 'Person who requested it';
comment on column task_kind.retired_at is 'Since when no worker knows it';
comment on column notice.answer is 'Last response of the server';
comment on table category_state is 'First and last complete scrape of each category.';
comment on table heartbeat is 'Last heartbeat of each beat and worker; silent ones show in health.';
comment on column heartbeat.seen_at is 'Last heartbeat';
comment on column incident.title is 'What is broken';
comment on column machine_lock.name is 'Name of the lock';
comment on table match is 'Matches of rules: one for each rule, subject and occasion.';
comment on table memo is 'Results that batches keep while they wait: steps of a plan, redirects.';
comment on column memo.value is 'The result';
comment on column permit.stamp is 'End of its lease; once settled, time of the response';
comment on column permit.settled is 'Whether the response is in';
comment on column permit.status is 'HTTP status of the response';
comment on column permit.path is 'Path called, without secrets';
comment on table price_outcome is 'Outcome of each symbol in each price run.';
comment on column rule.occasions is 'Occasions that it is evaluated on: new, price_drop, relisted, changed';
comment on column rule.enabled is 'false: not evaluated';
comment on table schedule_state is 'State of each schedule: next run, failures, errors.';
comment on column schedule_state.tripped_at is 'Since when it is paused automatically; any edit clears it';
comment on column schedule_state.tripped_reason is 'Why it is paused automatically';
comment on table scrape is 'Outcome of each category in each scrape run.';
comment on column scrape.price_changes is 'Prices recorded: first ones and changes';
comment on column scrape.expired is 'Ads that expired';
comment on table token_sighting is 'Decision of each discovery run about each token it saw.';
comment on table category is 'Categories of sites; those marked scraped are read.';
comment on column category.scraped is 'Whether scrapes read it';
comment on column site.note is 'Remarks';
comment on column rule.note is 'Remarks';
comment on column site.active is 'false: not scraped';
comment on column site.fetch_by is 'http, or browser if scripts render the ads (slower; needs the extra browser)';
comment on column site.expire_after is 'Complete scrapes in a row without an ad, that should show it, before it expires';
comment on column listing.missed_scrapes is 'Complete scrapes in a row that should have shown it and did not';
comment on column list_page.reading is 'Version of the site''s row that it was read by';
comment on column scrape.thorough is 'Whether it was thorough, as a category''s first scrape is';
"""
DOWNGRADE = r"""
create or replace function address_refusal(address inet) returns text
language plpgsql stable
as $$
declare
    mapped constant inet := '::ffff:0.0.0.0';
    nat64 constant inet := '64:ff9b::';
    why text;
begin
    if exists (select from allowed_network where network >>= address) then
        return null;
    elsif address <<= inet '::ffff:0.0.0.0/96' then
        return address_refusal(inet '0.0.0.0' + (host(address)::inet - mapped));
    elsif address <<= inet '64:ff9b::/96' then
        return address_refusal(inet '0.0.0.0' + (host(address)::inet - nat64));
    end if;
    -- The same list as workers/upstreams/addresses.py, which checks at the time of the call.
    select meaning into why
      from (values
        (1, inet '0.0.0.0/8', 'this host'),
        (2, '10.0.0.0/8', 'private'),
        (3, '100.64.0.0/10', 'shared by a carrier'),
        (4, '127.0.0.0/8', 'loopback'),
        (5, '168.63.129.16/32', 'metadata of a cloud'),
        (6, '169.254.0.0/16', 'link-local, where clouds keep their metadata'),
        (7, '172.16.0.0/12', 'private'),
        (8, '192.0.0.0/24', 'reserved for protocols'),
        (9, '192.0.2.0/24', 'for documentation'),
        (10, '192.88.99.0/24', 'a 6to4 relay'),
        (11, '192.168.0.0/16', 'private'),
        (12, '198.18.0.0/15', 'for benchmarks'),
        (13, '198.51.100.0/24', 'for documentation'),
        (14, '203.0.113.0/24', 'for documentation'),
        (15, '224.0.0.0/4', 'multicast'),
        (16, '240.0.0.0/4', 'reserved'),
        (17, '::/128', 'this host'),
        (18, '::1/128', 'loopback'),
        (19, 'fc00::/7', 'private'),
        (20, 'fe80::/10', 'link-local, where clouds keep their metadata'),
        (21, 'fec0::/10', 'private'),
        (22, 'ff00::/8', 'multicast'),
        (23, '2001::/23', 'reserved for protocols'),
        (24, '2001:db8::/32', 'for documentation'),
        (25, '2002::/16', 'a 6to4 tunnel'),
        (26, '3fff::/20', 'for documentation')
      ) special(place, network, meaning)
     where network >>= address order by place limit 1;
    if why is null and family(address) = 6 and not address <<= inet '2000::/3' then
        why := 'reserved';
    end if;
    return why;
end
$$;

comment on function address_refusal(inet) is
    'Why calls to this address are refused, in words; null for a public address and for what allowed_network allows';

create or replace function url_address(url text) returns inet
language plpgsql immutable
as $$
declare
    authority text := regexp_replace(substring(lower(url) from '^[a-z+]+://([^/?#\\]*)'), '^.*@', '');
    host text := rtrim(case when authority like '[%' then substring(authority from '^\[([^]]*)')
                            else regexp_replace(authority, ':[0-9]*$', '') end, '.');
begin
    if host ~ '^(.*[.])?localhost$|^localhost[.]localdomain$|^ip6-(localhost|loopback)$' then
        return '127.0.0.1';
    elsif host in ('metadata', 'metadata.google.internal', 'instance-data', 'instance-data.ec2.internal') then
        return '169.254.169.254';
    elsif host ~ ':' or host ~ '^(0|[1-9][0-9]*)([.](0|[1-9][0-9]*)){3}$' then
        return host::inet;
    elsif host ~ '^(0x[0-9a-f]*|[0-9]+)([.](0x[0-9a-f]*|[0-9]+)){0,3}$' then
        -- Resolvers read 0177.1 and 2130706433 as 127.0.0.1.
        raise exception '"%" is no address', host using errcode = '22P02';
    end if;
    return null;
end
$$;

comment on function url_address(text) is
    'The address that an URL writes out or that its host always stands for; null for other names, an error for a number that is no address';

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
    'Due times of a backfill, both ends included; no more than 10001, for more are refused';

create or replace function backfill_check(s schedule, first timestamptz, last timestamptz, overlap text) returns void
language plpgsql stable
as $$
declare
    known date := (select min(session_date) from market_session where mic = s.calendar);
    number integer;
begin
    if s.every is null and s.cron is null then
        raise exception 'schedule "%" has no due times to backfill', s.name
            using errcode = '23514', hint = format('Only every and cron have them; to run it once: SELECT run_now(%L);', s.name);
    elsif not isfinite(first) or not isfinite(last) or last < first then
        raise exception 'a backfill goes from a time to a later one, not from % to %', first, last
            using errcode = '23514', column = 'backfill_until', hint = 'Both ends are included.';
    elsif overlap not in ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all') then
        raise exception 'there is no overlap policy "%"', overlap
            using errcode = '23514', column = 'overlap',
                  hint = 'One of skip, buffer_one, buffer_all, cancel_other, allow_all.';
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
        raise exception 'a backfill of more than 10000 runs is not taken'
            using errcode = '23514', column = 'backfill_until', hint = 'Ask for shorter ranges, one after the other.';
    end if;
end
$$;

comment on function backfill_check(schedule, timestamptz, timestamptz, text) is
    'Refuses a backfill that would do nothing, too much, or what nobody can know';

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
            using errcode = 'P0002', hint = 'SELECT id, name FROM recent_runs LIMIT 10;';
    end if;
    return new;
end
$$;

comment on function run_request_check() is 'Trigger: refuses requests that beat could not answer, however they were made';

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
      from (select id, total, finished_at, started_at from run
             where run.schedule = s.name and state in ('succeeded', 'partial') order by created_at desc limit 20) r,
           lateral (select count(*) as calls from permit p where p.run_id = r.id) c;
    items := ceil(per_run.items * runs);
    calls := ceil(per_run.calls * runs);
    select (array_agg(q.calls - used.calls order by q.per desc))[1], max(ceil((backfill.calls - (q.calls - used.calls)) / q.calls::float8) * q.per)
      into quota_left, waits
      from quota q, lateral (select count(*) as calls from permit p
                              where p.upstream = q.upstream
                                and p.stamp > window_start(q.per, q.timezone, clock_timestamp())) used
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

create or replace function cron_set(field text, number integer) returns integer[]
language sql immutable
as $$
    select array_agg(distinct value order by value)
      from unnest(string_to_array(field, ',')) item,
           regexp_match(item, '^(\*|[0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?(?:/([0-9]+))?$') part,
           lateral (select (array[0, 0, 1, 1, 0])[number] as least, (array[59, 23, 31, 12, 7])[number] as most) bound,
           lateral (select coalesce(cron_value(part[1], number), bound.least) as low,
                           case when part[1] = '*' then bound.most
                                else coalesce(cron_value(part[2], number), cron_value(part[1], number)) end as high) span,
           -- One value with a step means: from it to the end.
           generate_series(low, case when part[3] is not null and low = high then bound.most else high end,
                           coalesce(part[3]::integer, 1)) value
$$;

comment on function cron_set(text, integer) is 'The numbers that field 1-5 of a good cron expression names';

create or replace function zone_offset(at timestamptz, zone text) returns interval
language sql stable
as $$ select (at at time zone zone) - (at at time zone 'UTC') $$;

comment on function zone_offset(timestamptz, text) is 'What a zone''s clocks are ahead of UTC at an instant';

create or replace function zone_stretches(day date, zone text)
returns table (starts timestamptz, ends timestamptz, ahead interval)
language plpgsql stable
as $$
declare
    final timestamptz := day::timestamp at time zone 'UTC' + interval '40 hours';
    hour timestamptz := day::timestamp at time zone 'UTC' - interval '16 hours';
    low timestamptz;
    high timestamptz;
    middle timestamptz;
begin
    starts := hour;
    ahead := zone_offset(hour, zone);
    if ahead = zone_offset(hour - interval '10 hours', zone) and ahead = zone_offset(final + interval '12 hours', zone) then
        ends := final;
        return next;
        return;
    end if;
    while hour < final loop
        if zone_offset(hour + interval '1 hour', zone) <> ahead then
            low := hour;
            high := hour + interval '1 hour';
            while high - low > interval '1 second' loop
                middle := date_trunc('second', low + (high - low) / 2);
                if zone_offset(middle, zone) = ahead then
                    low := middle;
                else
                    high := middle;
                end if;
            end loop;
            ends := high;
            return next;
            starts := high;
            ahead := zone_offset(high, zone);
        end if;
        hour := hour + interval '1 hour';
    end loop;
    ends := final;
    return next;
end
$$;

comment on function zone_stretches(date, text) is
    'Stretches of time between changes of a zone''s clocks that hold every instant of a local date';

create or replace function cron_day(day date, zone text, minutes integer[], fixed boolean) returns setof timestamptz
language plpgsql stable
as $$
declare
    midnight timestamptz := day::timestamp at time zone 'UTC';
    piece record;
    reached integer := 0;
    low integer;
    high integer;
begin
    for piece in select * from zone_stretches(day, zone) loop
        low := ceil(extract(epoch from piece.starts - (midnight - piece.ahead)) / 60);
        high := ceil(extract(epoch from piece.ends - (midnight - piece.ahead)) / 60);
        if fixed then
            -- What falls in the skipped time runs once, at its end; in the repeated time once.
            if exists (select from unnest(minutes) minute where minute >= reached and minute < low) then
                return next piece.starts;
            end if;
            low := greatest(low, reached);
            reached := greatest(reached, high);
        end if;
        return query select midnight - piece.ahead + minute * interval '1 minute'
                       from unnest(minutes) minute where minute >= low and minute < high;
    end loop;
end
$$;

comment on function cron_day(date, text, integer[], boolean) is
    'When minutes of a local date come, whatever its clocks do (beat/time/cron.py does alike)';

create or replace function cron_dues(cron text, zone text, first timestamptz, until timestamptz, most integer)
returns timestamptz[]
language plpgsql stable
as $$
declare
    macros jsonb := '{"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
                      "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"}';
    spaces text := E' \t\n\r\f\v';
    one text;
    f text[];
    expression jsonb;
    expressions jsonb[] := '{}';
    day date := (first at time zone zone)::date - 2;
    final date := least((until at time zone zone)::date + 2, day + 18300);
    days_more integer := 2;
    found timestamptz[] := '{}';
begin
    foreach one in array string_to_array(cron, ';') loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        f := regexp_split_to_array(coalesce(macros ->> one, one), '[' || spaces || ']+');
        expressions := expressions || jsonb_build_object(
            'minutes', (select array_agg(h * 60 + m order by h, m) from unnest(cron_set(f[1], 1)) m, unnest(cron_set(f[2], 2)) h),
            'days', cron_set(f[3], 3), 'months', cron_set(f[4], 4),
            'weekdays', (select array_agg(distinct d % 7) from unnest(cron_set(f[5], 5)) d),
            'both', f[3] like '*%' or f[5] like '*%',
            'fixed', not (f[1] like '*%' or f[2] like '*%'));
    end loop;
    while day <= final loop
        foreach expression in array expressions loop
            if expression -> 'months' @> to_jsonb(extract(month from day)::integer)
               and (case when (expression -> 'both')::boolean
                        then expression -> 'days' @> to_jsonb(extract(day from day)::integer)
                             and expression -> 'weekdays' @> to_jsonb(extract(dow from day)::integer)
                        else expression -> 'days' @> to_jsonb(extract(day from day)::integer)
                             or expression -> 'weekdays' @> to_jsonb(extract(dow from day)::integer) end) then
                found := found || array(
                    select due from cron_day(day, zone, array(select jsonb_array_elements_text(expression -> 'minutes')::integer),
                                             (expression -> 'fixed')::boolean) due
                     where due >= first and due < until);
            end if;
        end loop;
        -- Two days more: where clocks are changed at midnight, dates overlap.
        days_more := case when cardinality(found) < most then 2 else days_more - 1 end;
        exit when days_more < 0;
        day := day + 1;
    end loop;
    return array(select distinct due from unnest(found) due order by due limit most);
end
$$;

comment on function cron_dues(text, text, timestamptz, timestamptz, integer) is
    'Due times of a cron text from first to before until, at most so many (beat/time/cron.py finds the same)';

create or replace view discovery_stats as
select coalesce(r.schedule, 'by hand') as schedule,
       count(*) as total,
       count(*) filter (where r.state = 'succeeded') as successful,
       count(*) filter (where r.state = 'partial') as partial,
       count(*) filter (where r.state = 'failed') as failed,
       coalesce(sum(c.new), 0) as new,
       coalesce(sum(c.updated), 0) as updated,
       round(coalesce(sum(c.new), 0) / count(*), 1) as avg_new_per_run,
       round(avg(extract(epoch from r.finished_at - r.started_at)), 1) as avg_seconds,
       max(r.finished_at) as last_at
  from run r,
       lateral (select (r.result -> 'counts' ->> 'new')::numeric as new,
                       (r.result -> 'counts' ->> 'updated')::numeric as updated) c
 where r.task in ('tasks.discovery.discover', 'tasks.discovery.surveil') and r.finished_at is not null
   and r.state in ('succeeded', 'partial', 'failed')
 group by 1
 order by 1;
comment on view discovery_stats is 'What each discovery schedule brought: runs, new and updated tokens, new ones a run';

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
                  hint = 'Schedules: ' || coalesce((select string_agg(name, ', ' order by name) from (
                      select name from schedule order by name <-> wanted limit 12) near), 'none yet');
    end if;
    return found;
end
$$;
comment on function schedule_named(text) is 'The schedule of that name, or an error that lists the names';

create or replace function run_now(schedule_name text, reason text default null, with_options jsonb default null)
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
comment on function run_now(text, text, jsonb) is 'Run a schedule now: SELECT run_now(''prices-nightly'', ''why'');';

create or replace function pause(schedule_name text, why text default null, until timestamptz default 'infinity')
returns schedule language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('schedule', 'change');
    if until is null or until <= clock_timestamp() then
        raise exception 'a pause ends in the future, not at %', coalesce(until::text, 'null')
            using errcode = '23514', column = 'paused_until',
                  hint = format('SELECT pause(%L, ''why'', now() + interval ''2 hours''); without an end: SELECT pause(%L, ''why'');', kept.name, kept.name);
    end if;
    -- A pause that is made longer keeps its reason.
    update schedule
       set paused_until = until,
           pause_reason = coalesce(why, case when paused_until > clock_timestamp() then pause_reason end)
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return kept;
end
$$;
comment on function pause(text, text, timestamptz) is 'Pause a schedule: SELECT pause(''prices-nightly'', ''why'', now() + interval ''2 hours'');';

create or replace function resume(schedule_name text) returns schedule language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('schedule', 'change');
    -- Clears an automatic pause too: beat plans anew whatever was edited.
    update schedule set paused_until = case when paused_until is null then clock_timestamp() end, pause_reason = null
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return kept;
end
$$;
comment on function resume(text) is 'End a pause, also an automatic one; plans from now, fires no backlog';

create or replace function schedule_says_disabled(s schedule) returns void language plpgsql
as $$
begin
    if not s.enabled then
        raise notice '"%" is disabled and stays so%', s.name, coalesce(': ' || s.note, '')
            using hint = format('To enable it: UPDATE schedule SET enabled = true WHERE name = %L;', s.name);
    elsif (select paused from pause_switch) then
        raise notice 'everything is paused, and "%" with it', s.name using hint = 'To end that: SELECT resume_all();';
    end if;
end
$$;
comment on function schedule_says_disabled(schedule) is 'Notice to whoever pauses or resumes a schedule that is disabled';

create or replace function stop_run(run uuid, reason text default null) returns run_request language plpgsql
as $$
declare
    asked run_request;
begin
    perform require_operator('run_request', 'insert into');
    if not exists (select from run r where r.id = stop_run.run) then
        raise exception 'no run with id %', run
            using errcode = 'P0002', hint = 'SELECT id, schedule FROM running_now;';
    end if;
    insert into run_request (action, run_id, note) values ('stop', run, reason) returning * into asked;
    return asked;
end
$$;
comment on function stop_run(uuid, text) is 'Ask a run to stop: what waits ends at once, what runs at its next call';

create or replace function retry_run(run uuid, reason text default null) returns run_request language plpgsql
as $$
declare
    asked run_request;
begin
    perform require_operator('run_request', 'insert into');
    if not exists (select from run r where r.id = retry_run.run) then
        raise exception 'no run with id %', run
            using errcode = 'P0002', hint = 'SELECT id, name FROM recent_failures LIMIT 10;';
    end if;
    insert into run_request (action, run_id, note) values ('retry', run, reason) returning * into asked;
    return asked;
end
$$;
comment on function retry_run(uuid, text) is 'Do a run again, with the same options';


create or replace function pause_all(why text default null) returns pause_switch language sql
as $$
    select require_operator('pause_switch', 'change');
    update pause_switch set paused = true, note = coalesce(why, case when paused then note end) returning *
$$;
comment on function pause_all(text) is 'Pause everything with one switch; single pauses survive it';

create or replace function resume_all() returns pause_switch language sql
as $$
    select require_operator('pause_switch', 'change');
    update pause_switch set paused = false, note = null returning *
$$;
comment on function resume_all() is 'Undo pause_all; plans from now, fires no backlog';

create or replace view login_without_limits as
select r.rolname::text as name,
       case when pg_has_role(r.oid, to_regrole('operator'), 'member') then 'operator' else 'viewer' end as role
  from pg_roles r
 where r.rolcanlogin and not r.rolsuper
   and to_regrole('viewer') is not null and to_regrole('operator') is not null
   and to_regrole('service') is not null and to_regrole('owner') is not null
   and (pg_has_role(r.oid, to_regrole('viewer'), 'member') or pg_has_role(r.oid, to_regrole('operator'), 'member'))
   and not pg_has_role(r.oid, to_regrole('service'), 'member')
   and not pg_has_role(r.oid, to_regrole('owner'), 'member')
   and (r.rolconnlimit = -1 or not exists (
        select from pg_db_role_setting s where s.setrole = r.oid
           and s.setconfig::text like '%idle_in_transaction_session_timeout=%'));
comment on view login_without_limits is
    'People''s logins without a connection limit or time-outs: a role cannot give them, SELECT limit_login(name) does';
comment on column login_without_limits.name is 'The login';
comment on column login_without_limits.role is 'operator | viewer';

create or replace function limit_login(login text) returns void
language plpgsql
as $$
declare
    reads_only boolean := not pg_has_role(login, 'operator', 'member');
    limited text[];
begin
    foreach limited slice 1 in array array[
        array['lock_timeout', case when reads_only then '2s' else '10s' end],
        array['statement_timeout', case when reads_only then '60s' else '10min' end],
        array['idle_in_transaction_session_timeout', case when reads_only then '60s' else '10min' end],
        array['transaction_timeout', case when reads_only then '5min' else '0' end]] loop
        -- transaction_timeout is of Postgres 17.
        if exists (select from pg_settings where name = limited[1]) then
            execute format('alter role %I set %I = %L', login, limited[1], limited[2]);
        end if;
    end loop;
    execute format('alter role %I connection limit %s', login, case when reads_only then 5 else 10 end);
end
$$;
comment on function limit_login(text) is
    'Give a person''s login its connection limit and time-outs; an administrator''s: SELECT limit_login(''alice'');';

create or replace function make_login(login text, role text default 'viewer') returns text
language plpgsql
as $$
begin
    if role is null or role not in ('viewer', 'operator') then
        raise exception 'people are viewer or operator, not "%"', role
            using errcode = '22023', hint = 'SELECT make_login(''alice'', ''viewer'');';
    end if;
    execute format('create role %I login in role %I', login, role);
    perform limit_login(login);
    return format('%s may log in once it has a password: \password %s', login, quote_ident(login));
end
$$;
comment on function make_login(text, text) is
    'Make a person''s login with its limits; an administrator''s: SELECT make_login(''alice'', ''operator'');';

create or replace function pause_switched() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if new.paused is distinct from old.paused then
        -- Every schedule is planned anew: while paused to nothing, when resumed from now on.
        insert into schedule_edit (schedule) select name from schedule;
        insert into schedule_change (schedule, action, changes, changed_by, program)
        values ('(all)', 'update', schedule_difference(to_jsonb(old) - 'changed_at' - 'changed_by',
                                                       to_jsonb(new) - 'changed_at' - 'changed_by'),
                actor(), current_setting('application_name'));
        perform pg_notify('watchkeeper', 'edit');
    end if;
    return null;
end
$$;

comment on function pause_switched() is 'Trigger: pause_all and resume_all are in force at once';

create or replace trigger pause_switched
    after update on pause_switch
    for each row execute function pause_switched();

create or replace function pause_switch_stamp() returns trigger
language plpgsql
as $$
begin
    if new.paused is distinct from old.paused then
        new.changed_by := actor();
        new.changed_at := clock_timestamp();
    end if;
    return new;
end
$$;

comment on function pause_switch_stamp() is 'Trigger: who switched everything off or on, and when, however it was done';

create or replace trigger pause_switch_stamp
    before update on pause_switch
    for each row execute function pause_switch_stamp();

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

create or replace function rule_edited() returns trigger
language plpgsql
as $$
begin
    new.revision := case tg_op when 'INSERT' then 1 else old.revision + 1 end;
    new.updated_at := clock_timestamp();
    return new;
end
$$;
comment on function rule_edited() is 'Trigger: counts edits of a rule, so that it is read anew';

create or replace function rule_to_check() returns trigger
language plpgsql
as $$
begin
    insert into run_request (action, schedule, note)
    select 'run', name, 'rules were edited' from schedule where name = 'check-rules';
    return null;
end
$$;
comment on function rule_to_check() is 'Trigger: has edited rules read at once';

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
comment on view rule_status is 'Each rule: whether it is active, if not where it is wrong, and what it found';

create or replace view notice_log as
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule, m.occasion,
       n.attempts, n.answer, n.created_at, n.sent_at, extract(epoch from n.sent_at - m.matched_at)::float8 as seconds
  from notice n left join match m on m.id = n.match_id
 order by n.id desc;
comment on view notice_log is 'The outbox: messages to people, through which channel, and what its server answered';

create or replace function run_requested() returns trigger
language plpgsql
as $$
begin
    perform pg_notify('watchkeeper', 'request');
    return null;
end
$$;

comment on function run_requested() is 'Trigger: wakes every beat when somebody asks for a run';

create or replace trigger run_requested
    after insert on run_request
    for each statement execute function run_requested();

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
                  hint = format('Insert a new one, then: DELETE FROM schedule WHERE name = %L;', old.name);
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
                  hint = 'Known tasks: ' || coalesce((select string_agg(name, ', ' order by name)
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
        raise exception 'pause_reason says why "%" is paused, and it is not', new.name
            using errcode = '23514', column = 'pause_reason',
                  hint = format('To pause it: SELECT pause(%L, %L); why it is as it is belongs into note.', new.name, new.pause_reason);
    end if;
    if new.enabled and new.at < clock_timestamp() - interval '1 minute' and (is_new or new.at is distinct from old.at) then
        raise notice 'at = % has passed: "%" will not run.', new.at, new.name
            using hint = format('To run it now: SELECT run_now(%L);', new.name);
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
        select string_agg(distinct queue, ', ' order by queue) into found_text from task_kind;
        if not exists (select from task_kind where queue = new.queue) then
            raise exception 'no worker serves a queue named "%"', new.queue
                using errcode = '23514', column = 'queue', hint = 'Queues: ' || found_text;
        end if;
    end if;
    return new;
end
$$;

comment on function schedule_check() is
    'Trigger: refuses mistakes in the columns that changed, in words a person understands';

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
                  hint = 'Give what follows a timing of its own, or delete it first.';
    end if;
    return old;
end
$$;

comment on function schedule_kept() is 'Trigger: what others run after is not deleted';

create or replace trigger schedule_kept
    before delete on schedule
    for each row execute function schedule_kept();

create or replace function schedule_check_after(follower text, leader text) returns void
language plpgsql stable
as $$
declare
    chain text;
begin
    if not exists (select from schedule where name = leader) and leader <> follower then
        raise exception 'no schedule named "%" to run after', leader
            using errcode = '23514', column = 'after',
                  hint = 'Schedules: ' || coalesce((select string_agg(name, ', ' order by name)
                                                      from (select name from schedule order by name <-> leader limit 10) s), 'none yet');
    end if;
    with recursive before(name, path) as (
        select leader, array[follower, leader]
        union all
        select s.after, path || s.after from before join schedule s on s.name = before.name
         where s.after is not null and before.name <> follower and cardinality(path) < 100
    )
    select array_to_string(path, ' after ') into chain from before where name = follower limit 1;
    if chain is not null then
        raise exception 'schedules would wait for each other in a circle: %', chain
            using errcode = '23514', column = 'after',
                  hint = 'Give one of them every or cron instead.';
    end if;
end
$$;

comment on function schedule_check_after(text, text) is 'Refuses to follow nothing, oneself, or in a circle';

create or replace function schedule_check_every(every interval, kind task_kind) returns void
language plpgsql immutable
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
        raise exception 'every = % is too seldom for %', every, kind.name
            using errcode = '23514', column = 'every',
                  detail = format('The longest interval allowed for this task is %s', kind.max_every),
                  hint = 'To stop it for a while: SELECT pause(name, ''why'').';
    end if;
end
$$;

comment on function schedule_check_every(interval, task_kind) is
    'Refuses an interval with months, or outside what its kind allows';

create or replace function schedule_check_timing(new schedule) returns void
language plpgsql stable
as $$
declare
    given text[] := array_remove(array[
        case when new.every is not null then 'every' end,
        case when new.cron is not null then 'cron' end,
        case when new.at is not null then 'at' end,
        case when new.after is not null then 'after' end], null);
begin
    if cardinality(given) = 0 then
        raise exception 'schedule "%" says nothing about when it runs', new.name
            using errcode = '23514', column = 'every',
                  hint = 'Set exactly one of every, cron, at, after, e.g. every = ''15 minutes''.';
    elsif cardinality(given) > 1 then
        raise exception 'schedule "%" says twice when it runs: %', new.name, array_to_string(given, ' and ')
            using errcode = '23514', column = given[2],
                  hint = format('Set exactly one and the others to NULL, e.g. SET %s = %s, %s = NULL.',
                                given[2], '…', given[1]);
    end if;
    if new.ends_at <= new.starts_at then
        raise exception 'ends_at = % is not later than starts_at = %', new.ends_at, new.starts_at
            using errcode = '23514', column = 'ends_at',
                  hint = 'A schedule ends after it starts; ends_at = NULL: never.';
    end if;
    if num_nonnulls(new.at, new.starts_at, new.ends_at, new.paused_until) > 0 then
        perform schedule_check_instants(new);
    end if;
    if greatest(new.every, new.jitter, new.catch_up_window, new.timeout, new.expires) > interval '36500 days' then
        raise exception 'no length of time of a schedule may be more than 36500 days'
            using errcode = '23514', hint = 'That is a hundred years: every, jitter, catch_up_window, timeout, expires.';
    end if;
    if jsonb_typeof(new.options) <> 'object' then
        raise exception 'options must be a JSON object, not %', jsonb_typeof(new.options)
            using errcode = '23514', column = 'options', hint = 'Write options = ''{"name": value}'' or ''{}''.';
    end if;
end
$$;

comment on function schedule_check_timing(schedule) is 'Refuses a schedule without exactly one timing';

create or replace function schedule_check_instants(new schedule) returns void
language plpgsql stable
as $$
declare
    name text;
    at timestamptz;
begin
    for name, at in select * from (values ('at', new.at), ('starts_at', new.starts_at), ('ends_at', new.ends_at),
                                          ('paused_until', new.paused_until)) given(name, at) loop
        if at is not null and not at between '1900-01-01Z' and '9990-01-01Z'
           and not (name = 'paused_until' and at = 'infinity') then
            raise exception '% = % is no time that can come', name, at
                using errcode = '23514', column = name,
                      hint = format('Write e.g. %s = ''2026-12-24 17:00 Europe/Berlin'', or NULL.', name);
        end if;
    end loop;
end
$$;

comment on function schedule_check_instants(schedule) is 'Refuses times that no calendar of the program holds';

create or replace function schedule_check_word(name text, given text, known text[]) returns void
language plpgsql immutable
as $$
begin
    if not given = any (known) then
        raise exception '% = "%" is not known', name, given
            using errcode = '23514', column = name, hint = 'One of: ' || array_to_string(known, ', ') || '.';
    end if;
end
$$;

comment on function schedule_check_word(text, text, text[]) is 'Refuses a word that is not one of those known';

create or replace function schedule_check_values(new schedule) returns void
language plpgsql immutable
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
    'Refuses single values that make no sense, before CHECK constraints do, with a hint';

create or replace function settle_permits(answered bigint[], elapsed double precision[], statuses integer[])
returns void
language sql
as $$
    -- The answer was in `elapsed` seconds before the caller asked: by this clock now less that, never too early.
    update permit
       set settled = true, status = one.status,
           stamp = least(permit.stamp, clock_timestamp() - one.elapsed * interval '1 second')
      from unnest(answered, elapsed, statuses) as one(id, elapsed, status)
     where permit.id = one.id and not permit.settled
$$;

comment on function settle_permits(bigint[], double precision[], integer[]) is
    'Lowers the stamps of answered calls from the end of their lease to the time of their answers';

create or replace function site_check() returns trigger
language plpgsql
as $$
declare
    known constant text[] := array['card', 'title', 'link', 'id', 'price', 'type', 'image', 'seller', 'reputation',
        'condition', 'negotiability', 'ships_to', 'fields', 'listed', 'edited', 'overlay', 'next'];
    name text;
    value jsonb;
    css text;
    plain text;
begin
    if jsonb_typeof(new.selectors) <> 'object' then
        raise exception 'selectors must be an object of CSS selectors'
            using errcode = '23514', column = 'selectors', hint = 'Such as {"card": "div.ad", "title": "h3"}.';
    end if;
    foreach name in array array['card', 'title'] loop
        if not new.selectors ? name then
            raise exception 'selector "%" is missing', name
                using errcode = '23514', column = 'selectors',
                      hint = 'A site needs at least card (one ad on a list page) and title (inside it).';
        end if;
    end loop;
    for name, value in select * from jsonb_each(new.selectors) loop
        if not name = any (known) then
            raise exception 'there is no selector "%"', name
                using errcode = '23514', column = 'selectors', hint = 'Known: ' || array_to_string(known, ', ');
        end if;
        css := regexp_replace(value #>> '{}', '@\s*[A-Za-z][A-Za-z0-9_:-]*\s*$', '');
        if jsonb_typeof(value) <> 'string' or not selector_fits(css) then
            raise exception 'selector "%" = % is not CSS', name, left(value::text, 100)
                using errcode = '23514', column = 'selectors',
                      hint = 'Write CSS such as "div.ad > h3", with @name at its end for an attribute: "time@datetime".';
        end if;
    end loop;
    begin
        perform '' ~ new.id_pattern;
    exception when others then
        raise exception 'id_pattern = % is not a regular expression', new.id_pattern
            using errcode = '23514', column = 'id_pattern', hint = 'Its first group is the ad''s number: /(\d+)/?$';
    end;
    -- Without escaped characters and classes every ( that is followed by no ? begins a group.
    plain := regexp_replace(regexp_replace(new.id_pattern, '\\.', '', 'g'), '\[\^?\]?[^]]*\]', '', 'g');
    if plain !~ '\((?!\?)' then
        raise exception 'id_pattern = % has no group', new.id_pattern
            using errcode = '23514', column = 'id_pattern', hint = 'Its first group is the ad''s number: /(\d+)/?$';
    end if;
    if new.page_path ~ '[{}]' and replace(new.page_path, '{page}', '') ~ '[{}]' then
        raise exception 'page_path = % has braces beside {page}', new.page_path
            using errcode = '23514', column = 'page_path', hint = 'Write e.g. page_path = ''page-{page}''.';
    end if;
    if tg_op = 'INSERT' or new.upstream <> old.upstream then
        update upstream set obey_robots = true where upstream.name = new.upstream and not obey_robots;
        if found then
            raise notice 'obey_robots = true for upstream %: it is a web site now', new.upstream;
        end if;
    end if;
    new.updated_at := clock_timestamp();
    return new;
end
$$;
comment on function site_check() is 'Trigger: refuses selectors that cannot be used, in words a person understands';

create or replace function selector_fits(css text) returns boolean
language plpgsql immutable
as $$
declare
    attribute constant text := '\[\s*[[:alpha:]_][[:alnum:]_:-]*\s*([~|^$*]?=\s*("s"|[[:alpha:]_-][[:alnum:]_-]*)\s*([is]\s*)?)?\]';
    compound constant text := '(\*|[[:alpha:]_][[:alnum:]_-]*)?([.#][[:alpha:]_-][[:alnum:]_-]*|\[a\]|:[a-z-]+)*';
    rest text := btrim(css);
    before text;
    one text;
begin
    if css is null or rest = '' or length(css) > 300 then
        return false;
    end if;
    -- Escaped characters are letters of a name, strings and attributes are one of each, what stands in
    -- brackets is left to the parser: then only names, combinators and commas are to be judged.
    rest := regexp_replace(rest, '\\.', 'x', 'g');
    rest := regexp_replace(rest, '"[^"]*"|''[^'']*''', '"s"', 'g');
    rest := regexp_replace(rest, attribute, '[a]', 'g');
    loop
        before := rest;
        rest := regexp_replace(rest, '(:[a-z-]+)\(\s*[^()\s][^()]*\)', '\1', 'g');
        exit when rest = before;
    end loop;
    foreach one in array regexp_split_to_array(rest, '\s*,\s*') loop
        -- A combinator stands between two parts, never first, last or twice.
        if one = '' or one !~ ('^' || compound || '((\s*[>+~]\s*|\s+)' || compound || ')*$')
           or one ~ '[>+~]\s*([>+~]|$)' or one ~ '^\s*[>+~]' then
            return false;
        end if;
    end loop;
    return true;
end
$$;
comment on function selector_fits(text) is 'Whether a text looks like a CSS selector; what is left is checked when it is used';

create or replace trigger site_check
    before insert or update on site
    for each row execute function site_check();

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
       -- A process of its group, or for its queues, that began after its last sign took its place; each takes one place.
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
select 'set aside', s.name, s.name || ' is set aside: beat cannot obey it', st.error, 'error', st.error_at
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
       coalesce('the last sign was ' || last.name || '''s, ' || sign_words(clock_timestamp() - last.seen_at),
                'none has ever given a sign') || '; nothing is started and nothing is told until one runs',
       'error', last.seen_at
  from (select) always
  left join lateral (select h.name, h.seen_at from heartbeat h where h.role = 'beat' order by h.seen_at desc limit 1) last on true
 where not exists (select from sign where role = 'beat' and alive)
union all
select 'beat silent', s.name, 'beat ' || s.name || ' is silent',
       'last sign ' || sign_words(clock_timestamp() - s.seen_at) || '; another beat goes on', 'error', s.seen_at
  from silent s where s.role = 'beat' and s.covered and s.seen_at > clock_timestamp() - interval '1 hour'
union all
select 'worker silent', s.name, 'worker ' || s.name || ' is silent',
       'last sign ' || sign_words(clock_timestamp() - s.seen_at) || '; its queues: '
       || coalesce((select string_agg(queue, ', ' order by queue) from jsonb_array_elements_text(s.queues) queue), 'none')
       || case when s.covered then ', which others serve too' else '' end,
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
            else 'notices for ' || c.name || ' do not leave' end,
       waiting.number || ' wait; ' ||
       case when room.free_at > clock_timestamp()
            then 'messages in the last hour: ' || room.used || ' of ' || c.max_per_hour || '; one with all that waits goes at '
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
       || '; once that is mended: celery -A workers.app notify resend',
       'error', min(n.not_before)
  from notice n where n.state = 'dead' and n.not_before > clock_timestamp() - interval '1 day' group by n.channel
union all
select 'quota low', q.upstream || ' per ' || q.per, 'quota of ' || q.upstream || ' is nearly spent',
       q.used || ' of ' || q.allowed || ' calls per ' || q.per || ' used', 'warning', null
  from quota_status q where q.per_interval >= interval '1 hour' and q.used >= 0.9 * q.allowed and q.allowed >= 10
union all
select 'blocked', u.upstream, u.upstream || ' does not let us in',
       coalesce(u.blocked_reason, 'no reason kept') || '; nobody calls it before '
       || to_char(u.blocked_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', 'error', null
  from upstream_state u where u.blocked_until > clock_timestamp() and u.failures >= 2;
comment on view trouble is
    'What is broken at the moment of reading; beat sends one notice when it breaks and one when it is over';
comment on column trouble.kind is
    'failing, tripped, late, set aside, paused, beat silent, worker silent, queue unserved, notices held, notices dead, quota low, blocked';
comment on column trouble.subject is 'Schedule, process, queue, channel or upstream';
comment on column trouble.severity is 'error: schedule status and doctor exit 1; warning: it ends by itself';
comment on column trouble.since is 'Since when, as far as is known';

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
comment on view running_now is 'What runs, how far it is, what it waits for';

create or replace view recent_runs as
select ago_words(r.created_at) as ago, coalesce(r.schedule, r.task) as name, r.trigger, r.state,
       coalesce(r.error, r.reason, r.result ->> 'summary') as summary,
       duration_words(date_trunc('milliseconds', r.finished_at - r.started_at)) as took,
       r.done, r.failed, r.deferred, r.total, r.due_at, r.created_at, r.id,
       r.started_at, r.finished_at, r.finished_at - r.started_at as took_interval, r.requested_by
  from run r order by r.created_at desc;
comment on view recent_runs is 'Runs, the newest first; add LIMIT';

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
comment on view health is 'Each beat and worker, and when it last proved its use';

create or replace view recent_changes as
select c.changed_at, c.changed_by, c.program, c.schedule,
       case c.action when 'update' then
           (select string_agg(key || ': ' || coalesce(value ->> 0, 'null') || ' -> ' || coalesce(value ->> 1, 'null'), ', ')
              from jsonb_each(c.changes))
       else rtrim(c.action, 'e') || 'ed' end as change, c.changes
  from schedule_change c order by c.id desc;
comment on view recent_changes is 'Who changed what, the newest first; add LIMIT';

create or replace function duration_words(length interval) returns text
language sql immutable
as $$
    select case
        when length is null then null
        when s = 0 then '0 seconds'
        else array_to_string(array_remove(array[
            case when d > 0 then d || case d when 1 then ' day' else ' days' end end,
            case when h > 0 then h || case h when 1 then ' hour' else ' hours' end end,
            case when m > 0 then m || case m when 1 then ' minute' else ' minutes' end end,
            case when r > 0 then trim_scale(r) || case r when 1 then ' second' else ' seconds' end end], null), ' ')
        end
      from (select extract(epoch from length) s) total,
           lateral (select floor(s / 86400)::bigint d, (floor(s / 3600)::bigint % 24) h,
                           (floor(s / 60)::bigint % 60) m, round(s % 60, 3) r) parts
$$;

comment on function duration_words(interval) is 'A length of time in words: 90 minutes is "1 hour 30 minutes"';

create or replace function past_words(passed interval) returns text
language sql immutable
as $$
    select case
        when passed is null then 'never'
        when s < 60 then 'just now'
        when s < 3600 then floor(s / 60) || 'm ago'
        when s < 86400 then floor(s / 3600) || 'h ago'
        else floor(s / 86400) || 'd ago' end
      from (select extract(epoch from passed) s) seconds
$$;

comment on function past_words(interval) is 'How long ago, in the greatest unit: "just now", "3m ago", or "never"';

create or replace function ago_words(at timestamptz) returns text
language sql stable
as $$ select past_words(clock_timestamp() - at) $$;

comment on function ago_words(timestamptz) is 'How long ago: "just now", "3m ago", or "never"';

create or replace function sign_words(passed interval) returns text
language sql immutable
as $$
    select case when passed < interval '1 minute' then floor(greatest(extract(epoch from passed), 0)) || 's ago'
                else past_words(passed) end
$$;

comment on function sign_words(interval) is 'How long ago a sign of life was given, to the second: "3s ago"';

create or replace function ahead_words(left_over interval) returns text
language sql immutable
as $$
    -- Rounded up below a minute: "in 0s" would be a lie.
    select case
        when left_over is null then 'not scheduled'
        when s <= 0 then 'soon'
        when s < 60 then 'in ' || s || 's'
        when s < 3600 then 'in ' || floor(s / 60) || 'm'
        when s < 86400 then 'in ' || floor(s / 3600) || 'h ' || floor(s % 3600 / 60) || 'm'
        else 'in ' || floor(s / 86400) || 'd ' || floor(s % 86400 / 3600) || 'h' end
      from (select ceil(extract(epoch from left_over)) s) seconds
$$;

comment on function ahead_words(interval) is 'How far ahead, in two units: "in 3h 20m", "soon", or "not scheduled"';

create or replace function in_words(at timestamptz) returns text
language sql stable
as $$ select ahead_words(at - clock_timestamp()) $$;

comment on function in_words(timestamptz) is 'How far ahead: "in 3h 20m", "soon", or "not scheduled"';

create or replace function brief_words(left_over interval) returns text
language sql immutable
as $$
    select case
        when left_over is null then '--'
        when s <= 0 then 'soon'
        when s < 60 then s || 's'
        when s < 3600 then floor(s / 60) || 'm'
        when s < 86400 then floor(s / 3600) || 'h'
        else floor(s / 86400) || 'd' end
      from (select ceil(extract(epoch from left_over)) s) seconds
$$;

comment on function brief_words(interval) is 'How far ahead, in the greatest unit alone: "2h", "soon", or "--"';

create or replace function schedule_words(s schedule) returns text
language sql stable
as $$
    select case
        when s.every is not null then 'every ' || duration_words(s.every)
        when s.cron is not null then cron_words(s.cron, s.timezone)
        when s.at is not null then 'once at ' || to_char(s.at at time zone s.timezone, 'YYYY-MM-DD HH24:MI') || ' ' || s.timezone
        else 'after ' || s.after end
        || coalesce(' on ' || s.calendar || ' ' || s.calendar_hours || 's', '')
$$;

comment on function schedule_words(schedule) is 'When a schedule runs, in words';

create or replace function worker_group_check() returns trigger
language plpgsql
as $$
begin
    if new.name !~ '^[^@ ]+$' then
        raise exception 'name "%" is no worker group', left(new.name, 100)
            using errcode = '23514', column = 'name',
                  hint = 'It is what stands before @ in a worker''s node name: ''prices'' for prices@host.';
    end if;
    if new.min_processes < 1 or new.max_processes > 500 or new.max_processes < new.min_processes then
        raise exception '% to % processes are not allowed for workers of %', new.min_processes, new.max_processes, new.name
            using errcode = '23514', column = 'max_processes',
                  hint = 'min_processes must be 1 or more; max_processes cannot be less than min_processes, and is at most 500 a worker.';
    end if;
    return new;
end
$$;

comment on function worker_group_check() is 'Trigger: refuses bounds that no pool can have, with a hint';

create or replace trigger worker_group_check
    before insert or update on worker_group
    for each row execute function worker_group_check();

comment on column schedule.catch_up is 'What was missed runs: latest | all | none';
comment on table upstream is 'Servers of somebody else, and how politely we call them; edit with SQL.';
comment on column upstream.spacing is 'Least time between one answer and the next call';
comment on column upstream.enabled is 'false: nobody calls it';
comment on column upstream_state.blocked_until is 'Nobody calls it before';
comment on column upstream_state.crawl_delay is 'What its robots.txt asks for, when longer than spacing';
comment on table run_request is 'What people ask of beat: run now, backfill, stop, retry; with its answer.';
comment on column run.stop_requested_at is 'Since when it is asked to stop at its next call';
comment on column run.requested_by is 'Who asked for it, when a person did';
comment on column task_kind.retired_at is 'No worker knows it any more, since then';
comment on column notice.answer is 'What the server said last';
comment on table category_state is 'Since when and last when each category was scraped whole.';
comment on table heartbeat is 'Last sign of each beat and worker; silent ones show in health.';
comment on column heartbeat.seen_at is 'Last sign';
comment on column incident.title is 'What is the matter';
comment on column machine_lock.name is 'What is done in turns';
comment on table match is 'What rules fitted: once for each rule, subject and occasion.';
comment on table memo is 'What batches learned before they had to wait: steps of a plan, redirects.';
comment on column memo.value is 'What was learned';
comment on column permit.stamp is 'End of its lease; once settled, when the answer was in';
comment on column permit.settled is 'Whether the answer is in';
comment on column permit.status is 'HTTP status of the answer';
comment on column permit.path is 'What was called, without secrets';
comment on table price_outcome is 'What became of each symbol in each price run.';
comment on column rule.occasions is 'What makes it speak: new, price_drop, relisted, changed';
comment on column rule.enabled is 'false: not asked';
comment on table schedule_state is 'What beat knows of each schedule: next run, failures, errors.';
comment on column schedule_state.tripped_at is 'Since when it has paused itself; any edit clears it';
comment on column schedule_state.tripped_reason is 'Why it has paused itself';
comment on table scrape is 'What became of each category in each scrape run.';
comment on column scrape.price_changes is 'Prices noted: first ones and changes';
comment on column scrape.expired is 'Ads that were missed once too often';
comment on table token_sighting is 'What each discovery run made of each token it saw.';
comment on table category is 'Categories of sites; those marked scraped are visited.';
comment on column category.scraped is 'Whether visited';
comment on column site.note is 'Why it is as it is';
comment on column rule.note is 'Why it is as it is';
comment on column site.active is 'false: left alone';
comment on column site.fetch_by is 'http; browser where scripts draw the ads (slower; needs the extra browser)';
comment on column site.expire_after is 'An ad expires after so many complete scrapes that covered its place without it';
comment on column listing.missed_scrapes is 'Complete scrapes in a row that covered its place without it';
comment on column list_page.reading is 'By which version of the site''s row it was read';
comment on column scrape.thorough is 'Whether it was the category''s first scrape';
"""
