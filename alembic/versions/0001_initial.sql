-- The first release's schema, frozen: this text never changes; later revisions carry their own.
-- Seeds are in 0001_seeds.sql, roles and grants in workers/roles.py.

-- Name: pg_trgm; Type: EXTENSION
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;


-- Name: actor(); Type: FUNCTION
CREATE FUNCTION public.actor() RETURNS text
    LANGUAGE sql STABLE
    AS $$ select coalesce(nullif(current_setting('app.actor', true), ''), session_user::text) $$;

-- Name: FUNCTION actor(); Type: COMMENT
COMMENT ON FUNCTION public.actor() IS 'Who is acting: the person a program names in app.actor, else the database role';

-- Name: address_refusal(inet); Type: FUNCTION
CREATE FUNCTION public.address_refusal(address inet) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION address_refusal(address inet); Type: COMMENT
COMMENT ON FUNCTION public.address_refusal(address inet) IS 'Why calls to this address are refused, in words; null for a public address and for what allowed_network allows';

-- Name: ago_words(timestamp with time zone); Type: FUNCTION
CREATE FUNCTION public.ago_words(at timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    AS $$ select past_words(clock_timestamp() - at) $$;

-- Name: FUNCTION ago_words(at timestamp with time zone); Type: COMMENT
COMMENT ON FUNCTION public.ago_words(at timestamp with time zone) IS 'How long ago: "just now", "3m ago", or "never"';

-- Name: ahead_words(interval); Type: FUNCTION
CREATE FUNCTION public.ahead_words(left_over interval) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
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

-- Name: FUNCTION ahead_words(left_over interval); Type: COMMENT
COMMENT ON FUNCTION public.ahead_words(left_over interval) IS 'How far ahead, in two units: "in 3h 20m", "soon", or "not scheduled"';

-- Name: backfill(text, timestamp with time zone, timestamp with time zone, text, boolean, text); Type: FUNCTION
CREATE FUNCTION public.backfill(schedule_name text, first timestamp with time zone, last timestamp with time zone, overlap text DEFAULT 'buffer_all'::text, dry_run boolean DEFAULT false, reason text DEFAULT NULL::text) RETURNS TABLE(request_id bigint, runs integer, first_due_at timestamp with time zone, last_due_at timestamp with time zone, items bigint, calls bigint, upstream text, quota_left bigint, takes text)
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION backfill(schedule_name text, first timestamp with time zone, last timestamp with time zone, overlap text, dry_run boolean, reason text); Type: COMMENT
COMMENT ON FUNCTION public.backfill(schedule_name text, first timestamp with time zone, last timestamp with time zone, overlap text, dry_run boolean, reason text) IS 'Run every due time of a range, both ends included; dry_run => true only counts runs, items and calls: SELECT * FROM backfill(''prices-nightly'', ''2026-11-01'', ''2026-11-08'', dry_run => true);';

-- Name: schedule; Type: TABLE
CREATE TABLE public.schedule (
    name text NOT NULL,
    title text,
    task text NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    every interval,
    cron text,
    at timestamp with time zone,
    after text,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    calendar text,
    calendar_hours text DEFAULT 'day'::text NOT NULL,
    starts_at timestamp with time zone,
    ends_at timestamp with time zone,
    jitter interval,
    overlap text DEFAULT 'skip'::text NOT NULL,
    catch_up text DEFAULT 'latest'::text NOT NULL,
    catch_up_window interval DEFAULT '1 day'::interval NOT NULL,
    max_runs integer,
    enabled boolean DEFAULT true NOT NULL,
    paused_until timestamp with time zone,
    note text,
    pause_after_failures integer,
    max_attempts smallint,
    timeout interval,
    expires interval,
    queue text,
    priority smallint DEFAULT 5 NOT NULL,
    batch_size integer,
    batch_delay interval,
    max_in_flight integer,
    revision bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_by text,
    pause_reason text,
    alert_after integer DEFAULT 1 NOT NULL,
    alert_on_partial numeric DEFAULT 0.5,
    CONSTRAINT "after: a schedule cannot follow itself" CHECK ((after <> name)),
    CONSTRAINT "alert_after must be 1 or more" CHECK ((alert_after >= 1)),
    CONSTRAINT "alert_on_partial: a share, more than 0 and at most 1" CHECK (((alert_on_partial > (0)::numeric) AND (alert_on_partial <= (1)::numeric))),
    CONSTRAINT "batch_delay cannot be negative" CHECK ((batch_delay >= '00:00:00'::interval)),
    CONSTRAINT "batch_size must be 1 or more" CHECK ((batch_size >= 1)),
    CONSTRAINT "calendar_hours: day or session" CHECK ((calendar_hours = ANY (ARRAY['day'::text, 'session'::text]))),
    CONSTRAINT "catch_up: latest, all or none" CHECK ((catch_up = ANY (ARRAY['latest'::text, 'all'::text, 'none'::text]))),
    CONSTRAINT "catch_up_window cannot be negative" CHECK ((catch_up_window >= '00:00:00'::interval)),
    CONSTRAINT "catch_up_window: no months or years, use cron for those" CHECK (((catch_up_window IS NULL) OR ((EXTRACT(year FROM catch_up_window) = (0)::numeric) AND (EXTRACT(month FROM catch_up_window) = (0)::numeric)))),
    CONSTRAINT "ends_at must be later than starts_at" CHECK ((ends_at > starts_at)),
    CONSTRAINT "every must be longer than nothing" CHECK ((every > '00:00:00'::interval)),
    CONSTRAINT "every: no months or years, use cron for those" CHECK (((every IS NULL) OR ((EXTRACT(year FROM every) = (0)::numeric) AND (EXTRACT(month FROM every) = (0)::numeric)))),
    CONSTRAINT "expires must be longer than nothing" CHECK ((expires > '00:00:00'::interval)),
    CONSTRAINT "expires: no months or years, use cron for those" CHECK (((expires IS NULL) OR ((EXTRACT(year FROM expires) = (0)::numeric) AND (EXTRACT(month FROM expires) = (0)::numeric)))),
    CONSTRAINT "jitter cannot be negative" CHECK ((jitter >= '00:00:00'::interval)),
    CONSTRAINT "jitter: no months or years, use cron for those" CHECK (((jitter IS NULL) OR ((EXTRACT(year FROM jitter) = (0)::numeric) AND (EXTRACT(month FROM jitter) = (0)::numeric)))),
    CONSTRAINT "max_attempts must be 1 or more" CHECK ((max_attempts >= 1)),
    CONSTRAINT "max_in_flight must be 1 or more" CHECK ((max_in_flight >= 1)),
    CONSTRAINT "max_runs must be 1 or more" CHECK ((max_runs >= 1)),
    CONSTRAINT "name: lower-case words and digits joined by hyphens" CHECK (((name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text) AND (length(name) <= 100))),
    CONSTRAINT "options must be a JSON object" CHECK ((jsonb_typeof(options) = 'object'::text)),
    CONSTRAINT "overlap: skip|buffer_one|buffer_all|cancel_other|allow_all" CHECK ((overlap = ANY (ARRAY['skip'::text, 'buffer_one'::text, 'buffer_all'::text, 'cancel_other'::text, 'allow_all'::text]))),
    CONSTRAINT "pause_after_failures must be 1 or more" CHECK ((pause_after_failures >= 1)),
    CONSTRAINT "priority: 0 to 9, and 9 goes first" CHECK (((priority >= 0) AND (priority <= 9))),
    CONSTRAINT "set exactly one of every, cron, at, after" CHECK ((num_nonnulls(every, cron, at, after) = 1)),
    CONSTRAINT "timeout must be longer than nothing" CHECK ((timeout > '00:00:00'::interval)),
    CONSTRAINT "timeout: no months or years, use cron for those" CHECK (((timeout IS NULL) OR ((EXTRACT(year FROM timeout) = (0)::numeric) AND (EXTRACT(month FROM timeout) = (0)::numeric))))
);

-- Name: TABLE schedule; Type: COMMENT
COMMENT ON TABLE public.schedule IS 'What to run and when. Edit it with SQL; an edit is in force at once.';

-- Name: COLUMN schedule.name; Type: COMMENT
COMMENT ON COLUMN public.schedule.name IS 'Lower-case words joined by hyphens; history is filed here';

-- Name: COLUMN schedule.title; Type: COMMENT
COMMENT ON COLUMN public.schedule.title IS 'For people';

-- Name: COLUMN schedule.task; Type: COMMENT
COMMENT ON COLUMN public.schedule.task IS 'The kind of work; cannot be changed';

-- Name: COLUMN schedule.options; Type: COMMENT
COMMENT ON COLUMN public.schedule.options IS 'Options of the task, checked by its schema';

-- Name: COLUMN schedule.every; Type: COMMENT
COMMENT ON COLUMN public.schedule.every IS 'Runs every so often: ''15 minutes'', ''2 hours'', ''1 day''';

-- Name: COLUMN schedule.cron; Type: COMMENT
COMMENT ON COLUMN public.schedule.cron IS 'minute hour day month weekday, in its timezone; several with '';''';

-- Name: COLUMN schedule.at; Type: COMMENT
COMMENT ON COLUMN public.schedule.at IS 'Runs once, then';

-- Name: COLUMN schedule.after; Type: COMMENT
COMMENT ON COLUMN public.schedule.after IS 'Runs whenever this other schedule has succeeded';

-- Name: COLUMN schedule.timezone; Type: COMMENT
COMMENT ON COLUMN public.schedule.timezone IS 'IANA zone that cron is read in';

-- Name: COLUMN schedule.calendar; Type: COMMENT
COMMENT ON COLUMN public.schedule.calendar IS 'Exchange (MIC, e.g. XNYS) whose trading days alone count';

-- Name: COLUMN schedule.calendar_hours; Type: COMMENT
COMMENT ON COLUMN public.schedule.calendar_hours IS 'day: any hour of it; session: open to close';

-- Name: COLUMN schedule.starts_at; Type: COMMENT
COMMENT ON COLUMN public.schedule.starts_at IS 'Not due earlier; the grid of every begins here';

-- Name: COLUMN schedule.ends_at; Type: COMMENT
COMMENT ON COLUMN public.schedule.ends_at IS 'Not due at or after this';

-- Name: COLUMN schedule.jitter; Type: COMMENT
COMMENT ON COLUMN public.schedule.jitter IS 'Length of time over which starts are spread, the same way on every beat';

-- Name: COLUMN schedule.overlap; Type: COMMENT
COMMENT ON COLUMN public.schedule.overlap IS 'When the last run still runs: skip | buffer_one | buffer_all | cancel_other | allow_all';

-- Name: COLUMN schedule.catch_up; Type: COMMENT
COMMENT ON COLUMN public.schedule.catch_up IS 'Which missed due times run: latest | all | none';

-- Name: COLUMN schedule.catch_up_window; Type: COMMENT
COMMENT ON COLUMN public.schedule.catch_up_window IS 'Older than this is given up, in one missed row';

-- Name: COLUMN schedule.max_runs; Type: COMMENT
COMMENT ON COLUMN public.schedule.max_runs IS 'Number of runs after which it stops';

-- Name: COLUMN schedule.enabled; Type: COMMENT
COMMENT ON COLUMN public.schedule.enabled IS 'false: not planned at all';

-- Name: COLUMN schedule.paused_until; Type: COMMENT
COMMENT ON COLUMN public.schedule.paused_until IS 'Not due until then; ''infinity'': until resumed';

-- Name: COLUMN schedule.note; Type: COMMENT
COMMENT ON COLUMN public.schedule.note IS 'Why it is as it is';

-- Name: COLUMN schedule.pause_after_failures; Type: COMMENT
COMMENT ON COLUMN public.schedule.pause_after_failures IS 'Number of failed runs in a row after which it pauses itself';

-- Name: COLUMN schedule.max_attempts; Type: COMMENT
COMMENT ON COLUMN public.schedule.max_attempts IS 'Attempts per batch; null: the kind''s';

-- Name: COLUMN schedule.timeout; Type: COMMENT
COMMENT ON COLUMN public.schedule.timeout IS 'Longest time a run may take; null: no limit but the kind''s';

-- Name: COLUMN schedule.expires; Type: COMMENT
COMMENT ON COLUMN public.schedule.expires IS 'A run that has not started this long after its due time expires';

-- Name: COLUMN schedule.queue; Type: COMMENT
COMMENT ON COLUMN public.schedule.queue IS 'Queue; null: the kind''s';

-- Name: COLUMN schedule.priority; Type: COMMENT
COMMENT ON COLUMN public.schedule.priority IS '0 to 9, 9 first';

-- Name: COLUMN schedule.batch_size; Type: COMMENT
COMMENT ON COLUMN public.schedule.batch_size IS 'Items a batch; null: the kind''s';

-- Name: COLUMN schedule.batch_delay; Type: COMMENT
COMMENT ON COLUMN public.schedule.batch_delay IS 'Least time between two batches of a run; null: the kind''s';

-- Name: COLUMN schedule.max_in_flight; Type: COMMENT
COMMENT ON COLUMN public.schedule.max_in_flight IS 'Batches of a run that may run at once; null: any number';

-- Name: COLUMN schedule.revision; Type: COMMENT
COMMENT ON COLUMN public.schedule.revision IS 'Rises at every edit (trigger)';

-- Name: COLUMN schedule.updated_at; Type: COMMENT
COMMENT ON COLUMN public.schedule.updated_at IS 'Last edit (trigger)';

-- Name: COLUMN schedule.updated_by; Type: COMMENT
COMMENT ON COLUMN public.schedule.updated_by IS 'Who edited it last (trigger)';

-- Name: COLUMN schedule.pause_reason; Type: COMMENT
COMMENT ON COLUMN public.schedule.pause_reason IS 'Why it is paused; goes with the pause';

-- Name: COLUMN schedule.alert_after; Type: COMMENT
COMMENT ON COLUMN public.schedule.alert_after IS 'Number of failed runs in a row after which people are notified';

-- Name: COLUMN schedule.alert_on_partial; Type: COMMENT
COMMENT ON COLUMN public.schedule.alert_on_partial IS 'A partial run of which so many items failed, as a share, counts as failed; null: none does';

-- Name: backfill_check(public.schedule, timestamp with time zone, timestamp with time zone, text); Type: FUNCTION
CREATE FUNCTION public.backfill_check(s public.schedule, first timestamp with time zone, last timestamp with time zone, overlap text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION backfill_check(s public.schedule, first timestamp with time zone, last timestamp with time zone, overlap text); Type: COMMENT
COMMENT ON FUNCTION public.backfill_check(s public.schedule, first timestamp with time zone, last timestamp with time zone, overlap text) IS 'Refuses a backfill without due times, with too many, or before the known trading days';

-- Name: backfill_dues(public.schedule, timestamp with time zone, timestamp with time zone); Type: FUNCTION
CREATE FUNCTION public.backfill_dues(s public.schedule, first timestamp with time zone, last timestamp with time zone) RETURNS timestamp with time zone[]
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION backfill_dues(s public.schedule, first timestamp with time zone, last timestamp with time zone); Type: COMMENT
COMMENT ON FUNCTION public.backfill_dues(s public.schedule, first timestamp with time zone, last timestamp with time zone) IS 'Due times of a backfill, both ends included; at most 10001, one more than are accepted';

-- Name: brief_words(interval); Type: FUNCTION
CREATE FUNCTION public.brief_words(left_over interval) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select case
        when left_over is null then '--'
        when s <= 0 then 'soon'
        when s < 60 then s || 's'
        when s < 3600 then floor(s / 60) || 'm'
        when s < 86400 then floor(s / 3600) || 'h'
        else floor(s / 86400) || 'd' end
      from (select ceil(extract(epoch from left_over)) s) seconds
$$;

-- Name: FUNCTION brief_words(left_over interval); Type: COMMENT
COMMENT ON FUNCTION public.brief_words(left_over interval) IS 'How far ahead, in the greatest unit alone: "2h", "soon", or "--"';

-- Name: channel_check(); Type: FUNCTION
CREATE FUNCTION public.channel_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
declare
    form constant text :=
        '^(env:WATCHKEEPER_CHANNEL_[A-Za-z0-9_]+|file:/run/secrets/channel-[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$';
    how constant text := 'A secret is env:WATCHKEEPER_CHANNEL_NAME (a variable of the workers)'
        ' or file:/run/secrets/channel-name.';
    before channel;
    name text;
    value text;
    login text;
begin
    if tg_op = 'UPDATE' then
        before := old;
    end if;
    for name, value in select * from jsonb_each_text(to_jsonb(new)) loop
        -- What was saved before stays: only a changed column is checked.
        continue when value is not distinct from to_jsonb(before) ->> name;
        if name <> 'note' and value ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]' then
            raise exception '% of channel "%" holds a line break or another control character', name, new.name
                using errcode = '23514', column = name, hint = 'Write it on one line, without control characters.';
        end if;
        if name <> 'target' and name <> 'note' and value ~* '^\s*(env|file):' then
            raise exception '% of channel "%" cannot be a secret', name, new.name
                using errcode = '23514', column = name, hint = 'Only target names one. ' || how;
        end if;
    end loop;
    if tg_op = 'UPDATE' and new.target is not distinct from before.target and new.kind = before.kind then
        return new;
    end if;
    if new.target ~* '^\s*(env|file):' then
        if new.target !~ form then
            raise exception 'target = % is not a secret that a channel may name', left(new.target, 100)
                using errcode = '23514', column = 'target', hint = how;
        end if;
    elsif new.kind in ('discord', 'apprise') then
        raise exception 'target of channel "%" is a secret: name it, do not write it', new.name
            using errcode = '23514', column = 'target', hint = how;
    elsif new.target ~ '//[^/@]*:[^/@]*@' then
        raise exception 'target of channel "%" holds a password', new.name
            using errcode = '23514', column = 'target', hint = how;
    elsif new.kind = 'email' then
        login := substring(new.target from ';(.*)$');
        if login is not null and regexp_replace(btrim(login), '^login=', '') !~ form then
            raise exception 'login of channel "%" is a secret: name it, do not write it', new.name
                using errcode = '23514', column = 'target',
                      hint = 'Write ann@example.org; login=env:WATCHKEEPER_CHANNEL_NAME, which holds user:password.';
        end if;
        if split_part(new.target, ';', 1) ~* '(^|,)\s*(env|file):' then
            raise exception 'target of channel "%" has a secret among its recipients', new.name
                using errcode = '23514', column = 'target', hint = 'Either all recipients are in one secret, or none. ' || how;
        end if;
    end if;
    return new;
end
$_$;

-- Name: FUNCTION channel_check(); Type: COMMENT
COMMENT ON FUNCTION public.channel_check() IS 'Trigger: refuses secrets that a channel may not name, secrets written out, and control characters';

-- Name: channel_room(text); Type: FUNCTION
CREATE FUNCTION public.channel_room(channel_name text) RETURNS TABLE(used integer, gathers boolean, free_at timestamp with time zone)
    LANGUAGE sql STABLE
    AS $$
    -- The last fifth of an hour's messages is spread over the hour, and each takes all that waits.
    select hour.used, hour.used >= c.max_per_hour - kept.messages,
           coalesce(greatest(
               case when hour.used >= c.max_per_hour then hour.at[c.max_per_hour] + interval '1 hour' end,
               case when least(hour.used, c.max_per_hour - 1) > c.max_per_hour - kept.messages
                    then hour.at[1] + interval '1 hour' / kept.messages end), '-infinity')
      from channel c
     cross join lateral (select greatest(1, c.max_per_hour / 5) as messages) kept
     cross join lateral (
         select count(*)::integer as used, array_agg(message.at order by message.at desc) as at
           from (select max(coalesce(n.sent_at, clock_timestamp())) as at from notice n
                  where n.channel = c.name
                    and (n.sent_at > clock_timestamp() - interval '1 hour'
                         or n.state = 'sending' and n.not_before > clock_timestamp())
                  group by n.message_id) message) hour
     where c.name = channel_name
$$;

-- Name: FUNCTION channel_room(channel_name text); Type: COMMENT
COMMENT ON FUNCTION public.channel_room(channel_name text) IS 'Messages of a channel in the last hour, whether the next takes all that waits, and when it may go';

-- Name: cron_day(date, text, integer[], boolean); Type: FUNCTION
CREATE FUNCTION public.cron_day(day date, zone text, minutes integer[], fixed boolean) RETURNS SETOF timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION cron_day(day date, zone text, minutes integer[], fixed boolean); Type: COMMENT
COMMENT ON FUNCTION public.cron_day(day date, zone text, minutes integer[], fixed boolean) IS 'Instants of minutes of a local date, also when its clocks change (beat/time/cron.py finds the same)';

-- Name: cron_dues(text, text, timestamp with time zone, timestamp with time zone, integer); Type: FUNCTION
CREATE FUNCTION public.cron_dues(cron text, zone text, first timestamp with time zone, until timestamp with time zone, most integer) RETURNS timestamp with time zone[]
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION cron_dues(cron text, zone text, first timestamp with time zone, until timestamp with time zone, most integer); Type: COMMENT
COMMENT ON FUNCTION public.cron_dues(cron text, zone text, first timestamp with time zone, until timestamp with time zone, most integer) IS 'Due times of a cron text from first to before until, at most so many (beat/time/cron.py finds the same)';

-- Name: cron_item_fits(text, integer); Type: FUNCTION
CREATE FUNCTION public.cron_item_fits(item text, field integer) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    part text[] := regexp_match(item, '^(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?$');
    most integer[] := array[59, 23, 31, 12, 7];
    low integer;
    high integer;
begin
    if part is null or coalesce(part[3]::integer, 1) not between 1 and most[field] then
        return false;
    end if;
    if part[1] = '*' then
        return part[2] is null;
    end if;
    low := cron_value(part[1], field);
    if low is null or part[2] is null then
        return low is not null;
    end if;
    high := cron_value(part[2], field);
    return high is not null and low <= high;
end
$_$;

-- Name: FUNCTION cron_item_fits(item text, field integer); Type: COMMENT
COMMENT ON FUNCTION public.cron_item_fits(item text, field integer) IS 'Whether one item of a list fits field 1-5 of a cron text';

-- Name: cron_problem(text); Type: FUNCTION
CREATE FUNCTION public.cron_problem(cron text, OUT message text, OUT hint text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    longest integer[] := array[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    macros text[] := array['@hourly','@daily','@midnight','@weekly','@monthly','@yearly','@annually'];
    names text[] := array['minute', 'hour', 'day', 'month', 'weekday'];
    ranges text[] := array['0-59', '0-23', '1-31', '1-12', '0-7'];
    spaces text := E' \t\n\r\f\v';
    one text;
    fields text[];
    first_day integer;
begin
    if length(cron) > 500 then
        message := 'cron is too long';
        hint := 'At most 500 characters.';
        return;
    end if;
    -- The empty text has one expression, the empty one; string_to_array would find none.
    -- Only ASCII letters are made lower-case: lower() depends on the database's locale.
    foreach one in array case when cron = '' then array[''] else string_to_array(cron, ';') end loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        fields := case when one = '' then '{}' else regexp_split_to_array(one, '[' || spaces || ']+') end;
        if cardinality(fields) = 1 and one = any (macros) then
            continue;
        end if;
        if cardinality(fields) = 1 and one like '@%' then
            message := format('cron "%s": there is no "%s"', one, one);
            hint := 'Short forms: ' || array_to_string(macros, ', ');
            return;
        end if;
        if cardinality(fields) <> 5 then
            message := format('cron "%s" has %s fields, needs 5', one, cardinality(fields));
            hint := 'minute hour day month weekday, e.g. ''30 17 * * 1-5'' = 17:30 on weekdays.';
            return;
        end if;
        for number in 1..5 loop
            if not (select bool_and(cron_item_fits(item, number))
                      from unnest(string_to_array(fields[number], ',')) item) then
                message := format('cron "%s": bad %s field "%s"', one, names[number], fields[number]);
                hint := format('%s must be *, a number %s, a range a-b, a list a,b or a step */n.',
                               names[number], ranges[number]);
                return;
            end if;
        end loop;
        -- A first day that no month of the list has (31 February) would never come.  It matters only
        -- when day and weekday must both match.
        if fields[3] like '*%' or fields[5] like '*%' then
            select min(cron_value(substring(item from '^[0-9]+'), 3)) into first_day
              from unnest(string_to_array(fields[3], ',')) item
             where item not like '*%';
            if fields[3] !~ '(^|,)\*' and not exists (
                select from unnest(string_to_array(fields[4], ',')) item,
                            regexp_match(item, '^(\*|[0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?(?:/([0-9]+))?$') part,
                            generate_series(coalesce(cron_value(part[1], 4), 1),
                                            case when part[2] is not null then cron_value(part[2], 4)
                                                 when part[1] = '*' or part[3] is not null then 12
                                                 else cron_value(part[1], 4) end,
                                            coalesce(part[3]::integer, 1)) month
                 where longest[month] >= first_day) then
                message := format('cron "%s" would never run: no such date', one);
                hint := 'April, June, September and November have 30 days, February at most 29.';
                return;
            end if;
        end if;
    end loop;
end
$_$;

-- Name: FUNCTION cron_problem(cron text, OUT message text, OUT hint text); Type: COMMENT
COMMENT ON FUNCTION public.cron_problem(cron text, OUT message text, OUT hint text) IS 'Why a cron text is wrong, with a hint; null when it is right (beat/time/cron.py decides the same)';

-- Name: cron_set(text, integer); Type: FUNCTION
CREATE FUNCTION public.cron_set(field text, number integer) RETURNS integer[]
    LANGUAGE sql IMMUTABLE
    AS $_$
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
$_$;

-- Name: FUNCTION cron_set(field text, number integer); Type: COMMENT
COMMENT ON FUNCTION public.cron_set(field text, number integer) IS 'The numbers in field 1-5 of a valid cron expression';

-- Name: cron_value(text, integer); Type: FUNCTION
CREATE FUNCTION public.cron_value(item text, field integer) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    low integer[] := array[0, 0, 1, 1, 0];
    high integer[] := array[59, 23, 31, 12, 7];
    found integer;
begin
    if field = 4 and item ~ '^[a-z]{3}$' then
        return array_position(array['jan','feb','mar','apr','may','jun','jul','aug','sep','oct','nov','dec'], item);
    elsif field = 5 and item ~ '^[a-z]{3}$' then
        return array_position(array['sun','mon','tue','wed','thu','fri','sat'], item) - 1;
    elsif item !~ '^[0-9]{1,2}$' then
        return null;
    end if;
    found := item::integer;
    return case when found between low[field] and high[field] then found end;
end
$_$;

-- Name: FUNCTION cron_value(item text, field integer); Type: COMMENT
COMMENT ON FUNCTION public.cron_value(item text, field integer) IS 'A number or name in field 1-5 of a cron text, or null when it does not belong there';

-- Name: cron_words(text, text); Type: FUNCTION
CREATE FUNCTION public.cron_words(cron text, timezone text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    spaces text := E' \t\n\r\f\v';
    named jsonb := '{"*": "daily", "1-5": "weekdays", "mon-fri": "weekdays", "0,6": "weekends", "6,0": "weekends",
                     "6-7": "weekends", "sat,sun": "weekends", "0": "Sundays", "1": "Mondays", "2": "Tuesdays",
                     "3": "Wednesdays", "4": "Thursdays", "5": "Fridays", "6": "Saturdays", "7": "Sundays"}';
    city text := replace(substring(timezone from '[^/]*$'), '_', ' ');
    said text[] := '{}';
    one text;
    f text[];
    words text;
    days text;
begin
    foreach one in array string_to_array(cron, ';') loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        one := case one when '@hourly' then '0 * * * *' when '@daily' then '0 0 * * *' when '@midnight' then '0 0 * * *'
                        when '@weekly' then '0 0 * * 0' when '@monthly' then '0 0 1 * *' else one end;
        f := regexp_split_to_array(one, '[' || spaces || ']+');
        words := null;
        if cardinality(f) = 5 and f[1] ~ '^([0-9]{1,2}|\*|\*/[0-9]{1,2})$' then
            if f[2:5] = array['*', '*', '*', '*'] then
                words := case
                    when f[1] in ('*', '*/1', '*/01') then 'every minute'
                    when f[1] like '*/%' and 60 % greatest(substring(f[1] from 3)::integer, 1) = 0
                        then 'every ' || substring(f[1] from 3)::integer || ' minutes'
                    when f[1] like '*/%' then 'every ' || substring(f[1] from 3)::integer || ' minutes of each hour'
                    when f[1]::integer = 0 then 'every hour'
                    else 'every hour at :' || lpad(f[1], 2, '0') || ' ' || city end;
            elsif f[1] not like '*%' and f[2] ~ '^[0-9]{1,2}$' and f[4] = '*' then
                days := case when f[3] = '*' then named ->> f[5]
                             when f[5] = '*' and f[3] ~ '^[0-9]{1,2}$' then 'day ' || f[3]::integer || ' of the month' end;
                words := days || ' at ' || lpad(f[2], 2, '0') || ':' || lpad(f[1], 2, '0') || ' ' || city;
            end if;
        end if;
        said := said || coalesce(words, 'cron ' || one || ' ' || city);
    end loop;
    return array_to_string(said, '; ');
end
$_$;

-- Name: FUNCTION cron_words(cron text, timezone text); Type: COMMENT
COMMENT ON FUNCTION public.cron_words(cron text, timezone text) IS 'A cron text in words: "weekdays at 00:00 New York"; what is out of the ordinary stays as it is written';

-- Name: day_start(text, timestamp with time zone); Type: FUNCTION
CREATE FUNCTION public.day_start(timezone text, now_ timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
    -- Where clocks go back over midnight the day has two: it begins with the first.
    select case when date_trunc('day', (midnight - interval '1 hour') at time zone timezone) = today
                then midnight - interval '1 hour' else midnight end
      from (select today, today at time zone timezone as midnight
              from (select date_trunc('day', now_ at time zone timezone) as today) local) its
$$;

-- Name: FUNCTION day_start(timezone text, now_ timestamp with time zone); Type: COMMENT
COMMENT ON FUNCTION public.day_start(timezone text, now_ timestamp with time zone) IS 'When the day of a timezone''s calendar began';

-- Name: due_times(public.schedule, timestamp with time zone, timestamp with time zone, timestamp with time zone, integer); Type: FUNCTION
CREATE FUNCTION public.due_times(s public.schedule, anchor timestamp with time zone, first timestamp with time zone, until timestamp with time zone, most integer) RETURNS timestamp with time zone[]
    LANGUAGE plpgsql STABLE
    AS $$
declare
    begins timestamptz := first;
    ends timestamptz := least(until, coalesce(s.ends_at, 'infinity'), first + interval '18250 days');
    trading record;
    found timestamptz[] := '{}';
begin
    if s.calendar is null then
        return plain_dues(s, anchor, begins, ends, most);
    end if;
    for trading in
        select case s.calendar_hours when 'session' then open_at else session_date::timestamp at time zone m.timezone end as opens,
               case s.calendar_hours when 'session' then close_at else (session_date + 1)::timestamp at time zone m.timezone end as closes
          from market m join market_session using (mic)
         where mic = s.calendar and session_date between (begins - interval '2 days')::date and (ends + interval '2 days')::date
         order by session_date
    loop
        if trading.closes > begins and trading.opens < ends then
            found := found || plain_dues(s, anchor, greatest(begins, trading.opens), least(ends, trading.closes),
                                         most - cardinality(found));
        end if;
        exit when cardinality(found) >= most;
    end loop;
    return found;
end
$$;

-- Name: FUNCTION due_times(s public.schedule, anchor timestamp with time zone, first timestamp with time zone, until timestamp with time zone, most integer); Type: COMMENT
COMMENT ON FUNCTION public.due_times(s public.schedule, anchor timestamp with time zone, first timestamp with time zone, until timestamp with time zone, most integer) IS 'Due times of a schedule from first to before until, at most so many (beat/time/timetable.py finds the same)';

-- Name: duration_words(interval); Type: FUNCTION
CREATE FUNCTION public.duration_words(length interval) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
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

-- Name: FUNCTION duration_words(length interval); Type: COMMENT
COMMENT ON FUNCTION public.duration_words(length interval) IS 'A length of time in words: 90 minutes is "1 hour 30 minutes"';

-- Name: ended_items(jsonb, text, text); Type: FUNCTION
CREATE FUNCTION public.ended_items(items jsonb, new_state text, reason text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS $$
    select coalesce(jsonb_agg(case when i ->> 'state' in ('done', 'failed', 'deferred') then i
                                   else i || jsonb_strip_nulls(jsonb_build_object('state', new_state, 'error', left(reason, 500)))
                              end order by n), items)
      from jsonb_array_elements(items) with ordinality as each(i, n)
$$;

-- Name: FUNCTION ended_items(items jsonb, new_state text, reason text); Type: COMMENT
COMMENT ON FUNCTION public.ended_items(items jsonb, new_state text, reason text) IS 'Items of a batch that ends: each that has no outcome yet gets this one';

-- Name: follow_incidents(); Type: FUNCTION
CREATE FUNCTION public.follow_incidents() RETURNS TABLE(opened integer, closed integer)
    LANGUAGE plpgsql
    SET lock_timeout TO '1s'
    AS $$
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

-- Name: FUNCTION follow_incidents(); Type: COMMENT
COMMENT ON FUNCTION public.follow_incidents() IS 'Opens an incident for each row of view trouble, closes those that are over, and writes notices of both; beat calls it';

-- Name: guard(); Type: FUNCTION
CREATE FUNCTION public.guard() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    acting text := guarded_role(tg_relid);
    verb text := case tg_op when 'INSERT' then 'insert into' when 'UPDATE' then 'change' else 'delete from' end;
begin
    if acting is null or acting = 'operator' and position(lower(tg_op) in tg_argv[0]) > 0 then
        return null;
    end if;
    perform require_operator(tg_relid, verb);
    raise exception 'an operator cannot % %', verb, tg_table_name
        using errcode = '42501',
              detail = case when tg_argv[0] = '' then 'The machine writes it: ' else 'It holds: ' end
                       || coalesce(obj_description(tg_relid, 'pg_class'), tg_table_name),
              hint = tg_argv[1];
end
$$;

-- Name: FUNCTION guard(); Type: COMMENT
COMMENT ON FUNCTION public.guard() IS 'Trigger: refuses what an operator may not do, says why and what to do instead';

-- Name: guard_columns(); Type: FUNCTION
CREATE FUNCTION public.guard_columns() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    acting text;
    name text;
begin
    foreach name in array tg_argv[1:] loop
        if to_jsonb(old) -> name is distinct from to_jsonb(new) -> name then
            acting := coalesce(acting, guarded_role(tg_relid));
            if acting is null then
                return new;
            end if;
            raise exception 'an operator cannot change %', name
                using errcode = '42501', column = name,
                      detail = coalesce(col_description(tg_relid, (select attnum from pg_attribute
                          where attrelid = tg_relid and attname = name)), name),
                      hint = tg_argv[0];
        end if;
    end loop;
    return new;
end
$$;

-- Name: FUNCTION guard_columns(); Type: COMMENT
COMMENT ON FUNCTION public.guard_columns() IS 'Trigger: refuses changes of columns that an operator may not change, and says why';

-- Name: guarded_role(oid); Type: FUNCTION
CREATE FUNCTION public.guarded_role(relation oid) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
begin
    -- Whoever owns the table, the service and superusers are not guarded; nor is anybody without the roles.
    if pg_has_role(current_user, (select relowner from pg_class where oid = relation), 'usage')
       or to_regrole('service') is null or pg_has_role(current_user, 'service', 'usage') then
        return null;
    end if;
    return case when to_regrole('operator') is not null and pg_has_role(current_user, 'operator', 'usage')
                then 'operator' else 'viewer' end;
end
$$;

-- Name: FUNCTION guarded_role(relation oid); Type: COMMENT
COMMENT ON FUNCTION public.guarded_role(relation oid) IS 'operator or viewer when the present role is one and no more; null for those who may write everything';

-- Name: in_words(timestamp with time zone); Type: FUNCTION
CREATE FUNCTION public.in_words(at timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    AS $$ select ahead_words(at - clock_timestamp()) $$;

-- Name: FUNCTION in_words(at timestamp with time zone); Type: COMMENT
COMMENT ON FUNCTION public.in_words(at timestamp with time zone) IS 'How far ahead: "in 3h 20m", "soon", or "not scheduled"';

-- Name: incident_goes_on(text, text); Type: FUNCTION
CREATE FUNCTION public.incident_goes_on(kind text, subject text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    -- An upstream that is blocked again and again, or a quota around its edge, is one incident.
    select case kind
        when 'blocked' then exists (select from upstream_state u where u.upstream = subject and u.blocked_until > clock_timestamp())
        when 'quota low' then exists (select from quota_status q where q.upstream || ' per ' || q.per = subject and q.used >= 0.8 * q.allowed)
        else false end
$$;

-- Name: FUNCTION incident_goes_on(kind text, subject text); Type: COMMENT
COMMENT ON FUNCTION public.incident_goes_on(kind text, subject text) IS 'Whether an incident is not yet over although view trouble has no row of it';

-- Name: incident_outcome(text, text); Type: FUNCTION
CREATE FUNCTION public.incident_outcome(kind text, subject text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION incident_outcome(kind text, subject text); Type: COMMENT
COMMENT ON FUNCTION public.incident_outcome(kind text, subject text) IS 'How an incident ended when not by recovering: disabled, paused, replaced …; null: it recovered';

-- Name: limit_login(text); Type: FUNCTION
CREATE FUNCTION public.limit_login(login text) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION limit_login(login text); Type: COMMENT
COMMENT ON FUNCTION public.limit_login(login text) IS 'Give a person''s login its connection limit and time-outs; an administrator''s: SELECT limit_login(''alice'');';

-- Name: make_login(text, text); Type: FUNCTION
CREATE FUNCTION public.make_login(login text, role text DEFAULT 'viewer'::text) RETURNS text
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION make_login(login text, role text); Type: COMMENT
COMMENT ON FUNCTION public.make_login(login text, role text) IS 'Make a person''s login with its limits; an administrator''s: SELECT make_login(''alice'', ''operator'');';

-- Name: next_runs(text, integer); Type: FUNCTION
CREATE FUNCTION public.next_runs(schedule_name text, n integer DEFAULT 5) RETURNS TABLE(due_at timestamp with time zone, local text, ahead text)
    LANGUAGE plpgsql STABLE
    AS $$
declare
    s schedule := schedule_named(schedule_name);
    st schedule_state;
    now_ timestamptz := clock_timestamp();
    anchor timestamptz;
    begins timestamptz;
    for_good boolean := coalesce(s.paused_until = 'infinity', false) or (select paused from pause_switch);
begin
    if n < 1 or n > 1000 then
        raise exception 'next_runs shows 1 to 1000 due times, not %', n using errcode = '22023';
    end if;
    select * into st from schedule_state where schedule_state.schedule = s.name;
    n := least(n, coalesce(s.max_runs - coalesce(st.runs_counted, 0), n));
    if not s.enabled or s.after is not null or for_good or n < 1 then
        return;
    end if;
    if st.planned_revision = s.revision then
        -- As beat has planned it; nothing while it has paused itself or set the row aside.
        if st.next_run_at is null then
            return;
        end if;
        anchor := st.anchor_at;
        begins := st.next_run_at;
    else
        -- As beat will plan it in a moment (beat/tick/plan.py).
        anchor := coalesce(s.starts_at, st.last_due_at, st.anchor_at, now_);
        begins := greatest(now_, s.paused_until);
        if s.at is not null and st.last_due_at is distinct from s.at then
            begins := begins - interval '60 seconds' + interval '1 microsecond';
        elsif st.planned_revision is not null or st.last_due_at is not null then
            begins := begins + interval '1 microsecond';
        end if;
        begins := greatest(begins, s.starts_at);
    end if;
    return query
        select due, to_char(due at time zone s.timezone, 'Dy YYYY-MM-DD HH24:MI:SS') || ' ' || s.timezone, in_words(due)
          from unnest(due_times(s, anchor, begins, 'infinity', n)) due;
end
$$;

-- Name: FUNCTION next_runs(schedule_name text, n integer); Type: COMMENT
COMMENT ON FUNCTION public.next_runs(schedule_name text, n integer) IS 'When a schedule runs next, as it stands now: SELECT * FROM next_runs(''prices-nightly'', 5);';

-- Name: option_fits(jsonb, jsonb, jsonb); Type: FUNCTION
CREATE FUNCTION public.option_fits(value jsonb, rule jsonb, defs jsonb) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    kind text;
    shape text := jsonb_typeof(value);
    element jsonb;
begin
    if rule ? '$ref' then
        return option_fits(value, defs -> replace(rule ->> '$ref', '#/$defs/', ''), defs);
    end if;
    if rule ? 'anyOf' then
        return exists (select from jsonb_array_elements(rule -> 'anyOf') one where option_fits(option_fits.value, one, option_fits.defs));
    end if;
    if rule ? 'const' and value <> rule -> 'const' then
        return false;
    end if;
    if rule ? 'enum' and not exists (select from jsonb_array_elements(rule -> 'enum') one where one = option_fits.value) then
        return false;
    end if;
    kind := rule ->> 'type';
    if kind is not null and not (case kind
            when 'integer' then shape = 'number' and value::numeric = trunc(value::numeric)
            else shape = kind end) then
        return false;
    end if;
    if shape = 'number' then
        return (not rule ? 'minimum' or value::numeric >= (rule -> 'minimum')::numeric)
           and (not rule ? 'maximum' or value::numeric <= (rule -> 'maximum')::numeric)
           and (not rule ? 'exclusiveMinimum' or value::numeric > (rule -> 'exclusiveMinimum')::numeric)
           and (not rule ? 'exclusiveMaximum' or value::numeric < (rule -> 'exclusiveMaximum')::numeric);
    elsif shape = 'string' then
        return (not rule ? 'minLength' or length(value #>> '{}') >= (rule -> 'minLength')::int)
           and (not rule ? 'maxLength' or length(value #>> '{}') <= (rule -> 'maxLength')::int)
           and (not rule ? 'pattern' or (value #>> '{}') ~ (rule ->> 'pattern'))
           and option_format_fits(value #>> '{}', rule ->> 'format');
    elsif shape = 'array' then
        if (rule ? 'minItems' and jsonb_array_length(value) < (rule -> 'minItems')::int)
           or (rule ? 'maxItems' and jsonb_array_length(value) > (rule -> 'maxItems')::int)
           or (rule -> 'uniqueItems' = 'true' and jsonb_array_length(value)
               <> (select count(distinct one) from jsonb_array_elements(option_fits.value) one)) then
            return false;
        end if;
        for element in select * from jsonb_array_elements(option_fits.value) loop
            if rule ? 'items' and not option_fits(element, rule -> 'items', defs) then
                return false;
            end if;
        end loop;
    end if;
    return true;
end
$_$;

-- Name: FUNCTION option_fits(value jsonb, rule jsonb, defs jsonb); Type: COMMENT
COMMENT ON FUNCTION public.option_fits(value jsonb, rule jsonb, defs jsonb) IS 'Whether one option fits its part of the JSON Schema';

-- Name: option_format_fits(text, text); Type: FUNCTION
CREATE FUNCTION public.option_format_fits(value text, format text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
begin
    if format = 'date' then
        return value ~ '^\d{4}-\d{2}-\d{2}$' and value::date is not null;
    elsif format = 'date-time' then
        return value::timestamptz is not null;
    elsif format = 'duration' then
        return value::interval is not null;
    end if;
    return true;
exception when others then
    return false;
end
$_$;

-- Name: FUNCTION option_format_fits(value text, format text); Type: COMMENT
COMMENT ON FUNCTION public.option_format_fits(value text, format text) IS 'Whether a string is the date, instant or duration it should be';

-- Name: option_words(jsonb, jsonb); Type: FUNCTION
CREATE FUNCTION public.option_words(rule jsonb, defs jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    low text := coalesce(rule ->> 'minimum', 'more than ' || (rule ->> 'exclusiveMinimum'));
    high text := coalesce(rule ->> 'maximum', 'less than ' || (rule ->> 'exclusiveMaximum'));
    noun text;
begin
    if rule ? '$ref' then
        return option_words(defs -> replace(rule ->> '$ref', '#/$defs/', ''), defs);
    end if;
    if rule ? 'anyOf' then
        return (select string_agg(option_words(one, defs), ', or ') from jsonb_array_elements(rule -> 'anyOf') one);
    end if;
    if rule ? 'enum' then
        return 'one of ' || (select string_agg(one #>> '{}', ', ') from jsonb_array_elements(rule -> 'enum') one);
    end if;
    if rule ? 'const' then
        return rule ->> 'const';
    end if;
    noun := case rule ->> 'type'
        when 'integer' then 'a whole number' when 'number' then 'a number'
        when 'boolean' then 'true or false' when 'null' then 'null' when 'object' then 'an object'
        when 'array' then 'a list, each of it ' || option_words(coalesce(rule -> 'items', '{}'), defs)
        when 'string' then case rule ->> 'format' when 'date' then 'a date such as "2026-11-23"'
            when 'date-time' then 'an instant such as "2026-11-23T17:00:00Z"' else 'a text' end
        else 'any value' end;
    if rule ->> 'type' in ('integer', 'number') then
        noun := noun || case when low is not null and high is not null then format(' from %s to %s', low, high)
            when low is not null then format(', %s or more', low)
            when high is not null then format(', %s or less', high) else '' end;
    elsif rule ->> 'type' = 'string' then
        noun := noun || case when rule ? 'pattern' then format(' matching %s', rule ->> 'pattern') else '' end
            || case when rule ? 'maxLength' then format(' of at most %s characters', rule ->> 'maxLength') else '' end;
    elsif rule ->> 'type' = 'array' then
        noun := noun || case when rule ? 'minItems' then format(', at least %s', rule ->> 'minItems') else '' end
            || case when rule ? 'maxItems' then format(', at most %s', rule ->> 'maxItems') else '' end;
    end if;
    return noun;
end
$_$;

-- Name: FUNCTION option_words(rule jsonb, defs jsonb); Type: COMMENT
COMMENT ON FUNCTION public.option_words(rule jsonb, defs jsonb) IS 'What an option may be, in words';

-- Name: options_check(text, jsonb, jsonb); Type: FUNCTION
CREATE FUNCTION public.options_check(task text, options jsonb, schema jsonb) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
declare
    name text;
    value jsonb;
    rule jsonb;
    wanted text;
    known text;
begin
    if options is null or options = '{}' and not schema ? 'required' then
        return;
    end if;
    select string_agg(key, ', ' order by key) into known from jsonb_object_keys(schema -> 'properties') key;
    for name, value in select * from jsonb_each(options) loop
        rule := schema -> 'properties' -> name;
        if rule is null then
            raise exception '% has no option "%"', task, name
                using errcode = '23514', column = 'options', hint = 'It takes: ' || coalesce(known, 'no options');
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
end
$_$;

-- Name: FUNCTION options_check(task text, options jsonb, schema jsonb); Type: COMMENT
COMMENT ON FUNCTION public.options_check(task text, options jsonb, schema jsonb) IS 'Refuses options that the kind''s JSON Schema does not allow (the subset that tests name)';

-- Name: past_words(interval); Type: FUNCTION
CREATE FUNCTION public.past_words(passed interval) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select case
        when passed is null then 'never'
        when s < 60 then 'just now'
        when s < 3600 then floor(s / 60) || 'm ago'
        when s < 86400 then floor(s / 3600) || 'h ago'
        else floor(s / 86400) || 'd ago' end
      from (select extract(epoch from passed) s) seconds
$$;

-- Name: FUNCTION past_words(passed interval); Type: COMMENT
COMMENT ON FUNCTION public.past_words(passed interval) IS 'How long ago, in the greatest unit: "just now", "3m ago", or "never"';

-- Name: pause(text, text, timestamp with time zone); Type: FUNCTION
CREATE FUNCTION public.pause(schedule_name text, why text DEFAULT NULL::text, until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone) RETURNS public.schedule
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION pause(schedule_name text, why text, until timestamp with time zone); Type: COMMENT
COMMENT ON FUNCTION public.pause(schedule_name text, why text, until timestamp with time zone) IS 'Pause a schedule: SELECT pause(''prices-nightly'', ''why'', now() + interval ''2 hours'');';

-- Name: pause_switch; Type: TABLE
CREATE TABLE public.pause_switch (
    single boolean DEFAULT true NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    note text,
    changed_by text,
    changed_at timestamp with time zone,
    CONSTRAINT "there is one switch only" CHECK (single)
);

-- Name: TABLE pause_switch; Type: COMMENT
COMMENT ON TABLE public.pause_switch IS 'One row: whether everything is paused.';

-- Name: COLUMN pause_switch.single; Type: COMMENT
COMMENT ON COLUMN public.pause_switch.single IS 'Always true: one row';

-- Name: COLUMN pause_switch.paused; Type: COMMENT
COMMENT ON COLUMN public.pause_switch.paused IS 'Nothing is claimed';

-- Name: COLUMN pause_switch.note; Type: COMMENT
COMMENT ON COLUMN public.pause_switch.note IS 'Why';

-- Name: COLUMN pause_switch.changed_by; Type: COMMENT
COMMENT ON COLUMN public.pause_switch.changed_by IS 'Who';

-- Name: COLUMN pause_switch.changed_at; Type: COMMENT
COMMENT ON COLUMN public.pause_switch.changed_at IS 'When';

-- Name: pause_all(text); Type: FUNCTION
CREATE FUNCTION public.pause_all(why text DEFAULT NULL::text) RETURNS public.pause_switch
    LANGUAGE sql
    AS $$
    select require_operator('pause_switch', 'change');
    update pause_switch set paused = true, note = coalesce(why, case when paused then note end) returning *
$$;

-- Name: FUNCTION pause_all(why text); Type: COMMENT
COMMENT ON FUNCTION public.pause_all(why text) IS 'Pause everything with one switch; pauses of single schedules stay';

-- Name: pause_switch_stamp(); Type: FUNCTION
CREATE FUNCTION public.pause_switch_stamp() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if new.paused is distinct from old.paused then
        new.changed_by := actor();
        new.changed_at := clock_timestamp();
    end if;
    return new;
end
$$;

-- Name: FUNCTION pause_switch_stamp(); Type: COMMENT
COMMENT ON FUNCTION public.pause_switch_stamp() IS 'Trigger: records who paused or resumed everything, and when';

-- Name: pause_switched(); Type: FUNCTION
CREATE FUNCTION public.pause_switched() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

-- Name: FUNCTION pause_switched(); Type: COMMENT
COMMENT ON FUNCTION public.pause_switched() IS 'Trigger: pause_all and resume_all take effect at once';

-- Name: upstream; Type: TABLE
CREATE TABLE public.upstream (
    name text NOT NULL,
    base_url text NOT NULL,
    concurrency integer DEFAULT 4 NOT NULL,
    spacing interval DEFAULT '00:00:00'::interval NOT NULL,
    obey_robots boolean DEFAULT false NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    note text,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    unblocked_at timestamp with time zone,
    CONSTRAINT "base_url must begin with http(s):// or smtp(s)://" CHECK ((base_url ~ '^(https?|smtps?|smtp[+]starttls)://[^/]'::text)),
    CONSTRAINT "concurrency must be 1 or more; to stop calls: enabled=false" CHECK ((concurrency >= 1)),
    CONSTRAINT "name: lower-case words and digits joined by _" CHECK ((name ~ '^[a-z0-9]+(_[a-z0-9]+)*$'::text)),
    CONSTRAINT "spacing cannot be negative" CHECK ((spacing >= '00:00:00'::interval)),
    CONSTRAINT "spacing is at most a day; use a quota for more" CHECK ((spacing <= '1 day'::interval))
);

-- Name: TABLE upstream; Type: COMMENT
COMMENT ON TABLE public.upstream IS 'Servers of other people, and the limits of our calls; edit with SQL.';

-- Name: COLUMN upstream.name; Type: COMMENT
COMMENT ON COLUMN public.upstream.name IS 'Name used by tasks';

-- Name: COLUMN upstream.base_url; Type: COMMENT
COMMENT ON COLUMN public.upstream.base_url IS 'Where it is; paths are added to it';

-- Name: COLUMN upstream.concurrency; Type: COMMENT
COMMENT ON COLUMN public.upstream.concurrency IS 'Calls in flight at once, over all workers';

-- Name: COLUMN upstream.spacing; Type: COMMENT
COMMENT ON COLUMN public.upstream.spacing IS 'Minimum time between a response and the next call';

-- Name: COLUMN upstream.obey_robots; Type: COMMENT
COMMENT ON COLUMN public.upstream.obey_robots IS 'Read and obey robots.txt (web sites; not APIs)';

-- Name: COLUMN upstream.enabled; Type: COMMENT
COMMENT ON COLUMN public.upstream.enabled IS 'false: no calls';

-- Name: COLUMN upstream.note; Type: COMMENT
COMMENT ON COLUMN public.upstream.note IS 'Why it is as it is';

-- Name: COLUMN upstream.updated_at; Type: COMMENT
COMMENT ON COLUMN public.upstream.updated_at IS 'Last edit';

-- Name: COLUMN upstream.unblocked_at; Type: COMMENT
COMMENT ON COLUMN public.upstream.unblocked_at IS 'When a person last lifted its block: unblock()';

-- Name: upstream_state; Type: TABLE
CREATE TABLE public.upstream_state (
    upstream text NOT NULL,
    blocked_until timestamp with time zone,
    blocked_reason text,
    failures integer DEFAULT 0 NOT NULL,
    crawl_delay interval,
    next_permit_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    next_permit_reason text,
    spare integer
)
WITH (fillfactor='50');

-- Name: TABLE upstream_state; Type: COMMENT
COMMENT ON TABLE public.upstream_state IS 'What is known of each upstream: blocked until when and why, next permit when.';

-- Name: COLUMN upstream_state.upstream; Type: COMMENT
COMMENT ON COLUMN public.upstream_state.upstream IS 'The upstream';

-- Name: COLUMN upstream_state.blocked_until; Type: COMMENT
COMMENT ON COLUMN public.upstream_state.blocked_until IS 'No calls before';

-- Name: COLUMN upstream_state.blocked_reason; Type: COMMENT
COMMENT ON COLUMN public.upstream_state.blocked_reason IS 'Why it is blocked';

-- Name: COLUMN upstream_state.failures; Type: COMMENT
COMMENT ON COLUMN public.upstream_state.failures IS 'Blocks or outages in a row; a good response clears them';

-- Name: COLUMN upstream_state.crawl_delay; Type: COMMENT
COMMENT ON COLUMN public.upstream_state.crawl_delay IS 'Crawl-delay of its robots.txt, when longer than spacing';

-- Name: COLUMN upstream_state.next_permit_at; Type: COMMENT
COMMENT ON COLUMN public.upstream_state.next_permit_at IS 'No permit before this, as far as is known; beat releases waiting batches then';

-- Name: COLUMN upstream_state.next_permit_reason; Type: COMMENT
COMMENT ON COLUMN public.upstream_state.next_permit_reason IS 'What it waits for';

-- Name: COLUMN upstream_state.spare; Type: COMMENT
COMMENT ON COLUMN public.upstream_state.spare IS 'Permits to give before wide windows are counted again; null: count now';

-- Name: permit_refusal(public.upstream, public.upstream_state, timestamp with time zone, boolean); Type: FUNCTION
CREATE FUNCTION public.permit_refusal(rules public.upstream, state public.upstream_state, now_ timestamp with time zone, recount boolean, OUT free_at timestamp with time zone, OUT reason text, OUT cause text, OUT window_length interval, OUT spare integer) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION permit_refusal(rules public.upstream, state public.upstream_state, now_ timestamp with time zone, recount boolean, OUT free_at timestamp with time zone, OUT reason text, OUT cause text, OUT window_length interval, OUT spare integer); Type: COMMENT
COMMENT ON FUNCTION public.permit_refusal(rules public.upstream, state public.upstream_state, now_ timestamp with time zone, recount boolean, OUT free_at timestamp with time zone, OUT reason text, OUT cause text, OUT window_length interval, OUT spare integer) IS 'Why a call may not be made now and when to ask again (free_at, cause: disabled, blocked, in flight, spacing, quota); free_at is null when it may';

-- Name: permits_available(text, timestamp with time zone); Type: FUNCTION
CREATE FUNCTION public.permits_available(for_upstream text, now_ timestamp with time zone) RETURNS integer
    LANGUAGE sql STABLE
    AS $$
    select case
        when not u.enabled or s.blocked_until > now_ then 0
        else greatest(0, least(
            case when s.failures > 0 and s.blocked_until is not null then 1 else u.concurrency end
            - (select count(*) from (select from permit p where p.upstream = u.name
                                        and p.stamp > now_ limit u.concurrency) flying),
            (select min(q.calls - (select count(*) from (
                 select from permit p where p.upstream = u.name and p.stamp > window_start(q.per, q.timezone, now_)
                  limit q.calls) used))
               from quota q where q.upstream = u.name),
            case when spaced > interval '0'
                 then 1 - (select count(*) from (select from permit p where p.upstream = u.name
                                                    and p.stamp > now_ - spaced limit 1) last)
            end))::integer
        end
      from upstream u join upstream_state s on s.upstream = u.name
      cross join lateral greatest(u.spacing, case when u.obey_robots then s.crawl_delay end,
          (select max(per / calls) from quota where upstream = u.name and paced)) as spaced
     where u.name = for_upstream
$$;

-- Name: FUNCTION permits_available(for_upstream text, now_ timestamp with time zone); Type: COMMENT
COMMENT ON FUNCTION public.permits_available(for_upstream text, now_ timestamp with time zone) IS 'How many calls the upstream would let through now';

-- Name: plain_dues(public.schedule, timestamp with time zone, timestamp with time zone, timestamp with time zone, integer); Type: FUNCTION
CREATE FUNCTION public.plain_dues(s public.schedule, anchor timestamp with time zone, first timestamp with time zone, until timestamp with time zone, most integer) RETURNS timestamp with time zone[]
    LANGUAGE plpgsql STABLE
    AS $$
declare
    -- Whole microseconds: an interval of a day would follow the clocks of the session's zone.
    grid numeric := extract(epoch from s.every) * 1000000;
    passed numeric := extract(epoch from first - anchor) * 1000000;
begin
    if s.every is not null then
        passed := greatest(0, div(passed + grid - 1, grid));
        return array(select due from generate_series(passed, passed + most - 1) k,
                                     lateral (select anchor + interval '1 microsecond' * (k * grid)::float8 as due) one
                      where due < until);
    elsif s.cron is not null then
        return cron_dues(s.cron, s.timezone, first, until, most);
    elsif s.at >= first and s.at < until then
        return array[s.at];
    end if;
    return '{}';
end
$$;

-- Name: FUNCTION plain_dues(s public.schedule, anchor timestamp with time zone, first timestamp with time zone, until timestamp with time zone, most integer); Type: COMMENT
COMMENT ON FUNCTION public.plain_dues(s public.schedule, anchor timestamp with time zone, first timestamp with time zone, until timestamp with time zone, most integer) IS 'Due times from first to before until, without regard to calendar, start and end';

-- Name: profile_asked(); Type: FUNCTION
CREATE FUNCTION public.profile_asked() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    -- A follower begins by itself, though only after success: then nothing need be asked for.
    insert into run_request (action, schedule, note)
    select 'run', s.name, 'early buyers of tokens chosen by ' || coalesce(new.schedule, 'run ' || new.id)
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

-- Name: FUNCTION profile_asked(); Type: COMMENT
COMMENT ON FUNCTION public.profile_asked() IS 'Trigger: profiles what a run has chosen as soon as the run ends, however it ends';

-- Name: quota_check(); Type: FUNCTION
CREATE FUNCTION public.quota_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION quota_check(); Type: COMMENT
COMMENT ON FUNCTION public.quota_check() IS 'Trigger: refuses an invalid limit, with a hint';

-- Name: require_operator(regclass, text); Type: FUNCTION
CREATE FUNCTION public.require_operator(relation regclass, verb text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
begin
    if guarded_role(relation) = 'viewer' then
        raise exception 'a viewer cannot % %', verb, relation
            using errcode = '42501',
                  detail = format('"%s" may read everything and change nothing.', current_user),
                  hint = format('Ask an operator; or an owner, for: GRANT operator TO %I;', session_user);
    end if;
end
$$;

-- Name: FUNCTION require_operator(relation regclass, verb text); Type: COMMENT
COMMENT ON FUNCTION public.require_operator(relation regclass, verb text) IS 'Refuses a function to a viewer and says why; without a grant no trigger could';

-- Name: resume(text); Type: FUNCTION
CREATE FUNCTION public.resume(schedule_name text) RETURNS public.schedule
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION resume(schedule_name text); Type: COMMENT
COMMENT ON FUNCTION public.resume(schedule_name text) IS 'End a pause, also an automatic one; plans from now on, without a backlog';

-- Name: resume_all(); Type: FUNCTION
CREATE FUNCTION public.resume_all() RETURNS public.pause_switch
    LANGUAGE sql
    AS $$
    select require_operator('pause_switch', 'change');
    update pause_switch set paused = false, note = null returning *
$$;

-- Name: FUNCTION resume_all(); Type: COMMENT
COMMENT ON FUNCTION public.resume_all() IS 'Undo pause_all; plans from now on, without a backlog';

-- Name: run_request; Type: TABLE
CREATE TABLE public.run_request (
    id bigint NOT NULL,
    action text NOT NULL,
    schedule text,
    run_id uuid,
    options jsonb,
    backfill_from timestamp with time zone,
    backfill_until timestamp with time zone,
    overlap text,
    note text,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    requested_by text DEFAULT COALESCE(NULLIF(current_setting('app.actor'::text, true), ''::text), (SESSION_USER)::text) NOT NULL,
    program text DEFAULT current_setting('application_name'::text),
    next_due_at timestamp with time zone,
    answered_at timestamp with time zone,
    answer text,
    answer_run_id uuid,
    CONSTRAINT "a backfill ends no earlier than it begins" CHECK ((backfill_until >= backfill_from)),
    CONSTRAINT "a backfill, and only it, has a range" CHECK (((action = 'backfill'::text) = ((backfill_from IS NOT NULL) AND (backfill_until IS NOT NULL)))),
    CONSTRAINT "action: run, backfill, stop, retry" CHECK ((action = ANY (ARRAY['run'::text, 'backfill'::text, 'stop'::text, 'retry'::text]))),
    CONSTRAINT "run and backfill name a schedule, stop and retry a run" CHECK (((action = ANY (ARRAY['run'::text, 'backfill'::text])) = (schedule IS NOT NULL))),
    CONSTRAINT "stop and retry name a run" CHECK (((action = ANY (ARRAY['stop'::text, 'retry'::text])) = (run_id IS NOT NULL)))
);

-- Name: TABLE run_request; Type: COMMENT
COMMENT ON TABLE public.run_request IS 'Requests of people to beat: run now, backfill, stop, retry; with its answer.';

-- Name: COLUMN run_request.id; Type: COMMENT
COMMENT ON COLUMN public.run_request.id IS 'Order of the requests';

-- Name: COLUMN run_request.action; Type: COMMENT
COMMENT ON COLUMN public.run_request.action IS 'run | backfill | stop | retry';

-- Name: COLUMN run_request.schedule; Type: COMMENT
COMMENT ON COLUMN public.run_request.schedule IS 'Schedule to run or backfill';

-- Name: COLUMN run_request.run_id; Type: COMMENT
COMMENT ON COLUMN public.run_request.run_id IS 'Run to stop or retry';

-- Name: COLUMN run_request.options; Type: COMMENT
COMMENT ON COLUMN public.run_request.options IS 'Options that replace the schedule''s, one by one';

-- Name: COLUMN run_request.backfill_from; Type: COMMENT
COMMENT ON COLUMN public.run_request.backfill_from IS 'First due time, inclusive';

-- Name: COLUMN run_request.backfill_until; Type: COMMENT
COMMENT ON COLUMN public.run_request.backfill_until IS 'Last due time, inclusive';

-- Name: COLUMN run_request.overlap; Type: COMMENT
COMMENT ON COLUMN public.run_request.overlap IS 'Overlap policy of a backfill; null: buffer_all';

-- Name: COLUMN run_request.note; Type: COMMENT
COMMENT ON COLUMN public.run_request.note IS 'Why';

-- Name: COLUMN run_request.requested_at; Type: COMMENT
COMMENT ON COLUMN public.run_request.requested_at IS 'When';

-- Name: COLUMN run_request.requested_by; Type: COMMENT
COMMENT ON COLUMN public.run_request.requested_by IS 'Person (app.actor) or role';

-- Name: COLUMN run_request.program; Type: COMMENT
COMMENT ON COLUMN public.run_request.program IS 'application_name of the session';

-- Name: COLUMN run_request.next_due_at; Type: COMMENT
COMMENT ON COLUMN public.run_request.next_due_at IS 'A long backfill goes on from here';

-- Name: COLUMN run_request.answered_at; Type: COMMENT
COMMENT ON COLUMN public.run_request.answered_at IS 'When beat was done with it';

-- Name: COLUMN run_request.answer; Type: COMMENT
COMMENT ON COLUMN public.run_request.answer IS 'What beat did, in a sentence';

-- Name: COLUMN run_request.answer_run_id; Type: COMMENT
COMMENT ON COLUMN public.run_request.answer_run_id IS 'The run it led to';

-- Name: retry_run(uuid, text); Type: FUNCTION
CREATE FUNCTION public.retry_run(run uuid, reason text DEFAULT NULL::text) RETURNS public.run_request
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION retry_run(run uuid, reason text); Type: COMMENT
COMMENT ON FUNCTION public.retry_run(run uuid, reason text) IS 'Run a run again with the same options';

-- Name: rule_edited(); Type: FUNCTION
CREATE FUNCTION public.rule_edited() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.revision := case tg_op when 'INSERT' then 1 else old.revision + 1 end;
    new.updated_at := clock_timestamp();
    return new;
end
$$;

-- Name: FUNCTION rule_edited(); Type: COMMENT
COMMENT ON FUNCTION public.rule_edited() IS 'Trigger: raises revision, so that the rule is parsed again';

-- Name: rule_to_check(); Type: FUNCTION
CREATE FUNCTION public.rule_to_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into run_request (action, schedule, note)
    select 'run', name, 'rules were edited' from schedule where name = 'check-rules';
    return null;
end
$$;

-- Name: FUNCTION rule_to_check(); Type: COMMENT
COMMENT ON FUNCTION public.rule_to_check() IS 'Trigger: edited rules are parsed at once';

-- Name: run_ended(); Type: FUNCTION
CREATE FUNCTION public.run_ended() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    -- Only when somebody waits for it: a notification costs a lock of the whole database.
    if exists (select from run where state = 'held' and schedule = new.schedule)
       or exists (select from schedule where after = new.schedule)
       or exists (select from task_kind where name = new.task and max_running is not null)
          and exists (select from run where state = 'held' and task = new.task) then
        perform pg_notify('watchkeeper', 'end');
    end if;
    return null;
end
$$;

-- Name: FUNCTION run_ended(); Type: COMMENT
COMMENT ON FUNCTION public.run_ended() IS 'Trigger: wakes beat when a run ends that others wait for';

-- Name: run; Type: TABLE
CREATE TABLE public.run (
    id uuid NOT NULL,
    schedule text,
    task text NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    trigger text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    covers_from timestamp with time zone,
    covers_count integer DEFAULT 1 NOT NULL,
    state text NOT NULL,
    reason text,
    exclusive boolean DEFAULT false NOT NULL,
    queue text NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    max_attempts smallint DEFAULT 3 NOT NULL,
    batch_size integer,
    batch_delay interval,
    max_in_flight integer,
    timeout interval,
    expires_at timestamp with time zone,
    deadline_at timestamp with time zone,
    stop_requested_at timestamp with time zone,
    batch_count integer DEFAULT 0 NOT NULL,
    open_batches integer DEFAULT 0 NOT NULL,
    total integer DEFAULT 0 NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    deferred integer DEFAULT 0 NOT NULL,
    result jsonb,
    error text,
    traceback text,
    requested_by text,
    retry_of uuid,
    counted boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT "open_batches never falls below zero" CHECK ((open_batches >= 0)),
    CONSTRAINT "state is one of those in the docs" CHECK ((state = ANY (ARRAY['due'::text, 'running'::text, 'held'::text, 'succeeded'::text, 'partial'::text, 'failed'::text, 'stopped'::text, 'skipped'::text, 'missed'::text, 'expired'::text]))),
    CONSTRAINT "trigger is one of those in the docs" CHECK ((trigger = ANY (ARRAY['schedule'::text, 'manual'::text, 'after'::text, 'backfill'::text, 'retry'::text])))
);

-- Name: TABLE run; Type: COMMENT
COMMENT ON TABLE public.run IS 'One row a due time or request: what was decided, what happened, and why.';

-- Name: COLUMN run.id; Type: COMMENT
COMMENT ON COLUMN public.run.id IS 'Also the Celery id and root id of its messages';

-- Name: COLUMN run.schedule; Type: COMMENT
COMMENT ON COLUMN public.run.schedule IS 'Name of the schedule; kept when the schedule is deleted; null: made by hand';

-- Name: COLUMN run.task; Type: COMMENT
COMMENT ON COLUMN public.run.task IS 'Name of the kind, which is its module''s path';

-- Name: COLUMN run.options; Type: COMMENT
COMMENT ON COLUMN public.run.options IS 'Frozen copy of the options it runs with';

-- Name: COLUMN run.trigger; Type: COMMENT
COMMENT ON COLUMN public.run.trigger IS 'schedule | manual | after | backfill | retry';

-- Name: COLUMN run.due_at; Type: COMMENT
COMMENT ON COLUMN public.run.due_at IS 'The due time it stands for (nominal, without jitter)';

-- Name: COLUMN run.covers_from; Type: COMMENT
COMMENT ON COLUMN public.run.covers_from IS 'First due time it covers, when it covers several';

-- Name: COLUMN run.covers_count; Type: COMMENT
COMMENT ON COLUMN public.run.covers_count IS 'How many due times it covers';

-- Name: COLUMN run.state; Type: COMMENT
COMMENT ON COLUMN public.run.state IS 'due | running | held | succeeded | partial | failed | stopped | skipped | missed | expired';

-- Name: COLUMN run.reason; Type: COMMENT
COMMENT ON COLUMN public.run.reason IS 'Why it is held, skipped, missed, stopped, expired or partial';

-- Name: COLUMN run.exclusive; Type: COMMENT
COMMENT ON COLUMN public.run.exclusive IS 'No other exclusive run of its schedule may be active';

-- Name: COLUMN run.queue; Type: COMMENT
COMMENT ON COLUMN public.run.queue IS 'Queue its messages go to';

-- Name: COLUMN run.priority; Type: COMMENT
COMMENT ON COLUMN public.run.priority IS '0 to 9, 9 first';

-- Name: COLUMN run.max_attempts; Type: COMMENT
COMMENT ON COLUMN public.run.max_attempts IS 'Attempts a batch has before it is failed';

-- Name: COLUMN run.batch_size; Type: COMMENT
COMMENT ON COLUMN public.run.batch_size IS 'Items a batch; null: the kind''s';

-- Name: COLUMN run.batch_delay; Type: COMMENT
COMMENT ON COLUMN public.run.batch_delay IS 'Least time between two of its batches; null: the kind''s';

-- Name: COLUMN run.max_in_flight; Type: COMMENT
COMMENT ON COLUMN public.run.max_in_flight IS 'Its batches that may run at once; null: any number';

-- Name: COLUMN run.timeout; Type: COMMENT
COMMENT ON COLUMN public.run.timeout IS 'Longest time from its start to its end';

-- Name: COLUMN run.expires_at; Type: COMMENT
COMMENT ON COLUMN public.run.expires_at IS 'Not started by then, it is no longer worth starting';

-- Name: COLUMN run.deadline_at; Type: COMMENT
COMMENT ON COLUMN public.run.deadline_at IS 'When its timeout ends it; set when it starts';

-- Name: COLUMN run.stop_requested_at; Type: COMMENT
COMMENT ON COLUMN public.run.stop_requested_at IS 'Time of a request to stop; it stops at its next call';

-- Name: COLUMN run.batch_count; Type: COMMENT
COMMENT ON COLUMN public.run.batch_count IS 'Batches it was split into';

-- Name: COLUMN run.open_batches; Type: COMMENT
COMMENT ON COLUMN public.run.open_batches IS 'Batches not ended; zero ends the run';

-- Name: COLUMN run.total; Type: COMMENT
COMMENT ON COLUMN public.run.total IS 'Items to do';

-- Name: COLUMN run.done; Type: COMMENT
COMMENT ON COLUMN public.run.done IS 'Items done';

-- Name: COLUMN run.failed; Type: COMMENT
COMMENT ON COLUMN public.run.failed IS 'Items failed';

-- Name: COLUMN run.deferred; Type: COMMENT
COMMENT ON COLUMN public.run.deferred IS 'Items left for the next run (quota spent)';

-- Name: COLUMN run.result; Type: COMMENT
COMMENT ON COLUMN public.run.result IS 'Counts by name, and a summary for people';

-- Name: COLUMN run.error; Type: COMMENT
COMMENT ON COLUMN public.run.error IS 'What went wrong, in a sentence';

-- Name: COLUMN run.traceback; Type: COMMENT
COMMENT ON COLUMN public.run.traceback IS 'Where it went wrong, redacted';

-- Name: COLUMN run.requested_by; Type: COMMENT
COMMENT ON COLUMN public.run.requested_by IS 'Person who requested it';

-- Name: COLUMN run.retry_of; Type: COMMENT
COMMENT ON COLUMN public.run.retry_of IS 'The run it repeats';

-- Name: COLUMN run.counted; Type: COMMENT
COMMENT ON COLUMN public.run.counted IS 'Whether beat has drawn its conclusions from the end (failures, after)';

-- Name: COLUMN run.created_at; Type: COMMENT
COMMENT ON COLUMN public.run.created_at IS 'Decided at';

-- Name: COLUMN run.started_at; Type: COMMENT
COMMENT ON COLUMN public.run.started_at IS 'First batch claimed by a worker';

-- Name: COLUMN run.finished_at; Type: COMMENT
COMMENT ON COLUMN public.run.finished_at IS 'Last batch ended, or decided not to run';

-- Name: run_is_failure(public.run, numeric); Type: FUNCTION
CREATE FUNCTION public.run_is_failure(r public.run, share numeric) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    -- Items that were deferred were not tried.
    select case
        when r.state = 'failed' then true
        when r.state = 'succeeded' then false
        when r.state = 'partial' and r.failed = 0 then false
        when r.state = 'partial' then r.failed >= share * (r.total - r.deferred) end
$$;

-- Name: FUNCTION run_is_failure(r public.run, share numeric); Type: COMMENT
COMMENT ON FUNCTION public.run_is_failure(r public.run, share numeric) IS 'Whether a run counts as failed, by the share of failed items that makes a partial one fail (schedule.alert_on_partial); null: neither as failed nor as good';

-- Name: run_now(text, text, jsonb); Type: FUNCTION
CREATE FUNCTION public.run_now(schedule_name text, reason text DEFAULT NULL::text, with_options jsonb DEFAULT NULL::jsonb) RETURNS public.run_request
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION run_now(schedule_name text, reason text, with_options jsonb); Type: COMMENT
COMMENT ON FUNCTION public.run_now(schedule_name text, reason text, with_options jsonb) IS 'Run a schedule now: SELECT run_now(''prices-nightly'', ''why'');';

-- Name: run_request_check(); Type: FUNCTION
CREATE FUNCTION public.run_request_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION run_request_check(); Type: COMMENT
COMMENT ON FUNCTION public.run_request_check() IS 'Trigger: refuses requests that beat could not carry out';

-- Name: run_requested(); Type: FUNCTION
CREATE FUNCTION public.run_requested() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_notify('watchkeeper', 'request');
    return null;
end
$$;

-- Name: FUNCTION run_requested(); Type: COMMENT
COMMENT ON FUNCTION public.run_requested() IS 'Trigger: wakes every beat at a request for a run';

-- Name: schedule_check(); Type: FUNCTION
CREATE FUNCTION public.schedule_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION schedule_check(); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check() IS 'Trigger: refuses mistakes in the columns that changed, with a hint';

-- Name: schedule_check_after(text, text); Type: FUNCTION
CREATE FUNCTION public.schedule_check_after(follower text, leader text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION schedule_check_after(follower text, leader text); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check_after(follower text, leader text) IS 'Refuses to run after an unknown schedule, after itself, or in a circle';

-- Name: schedule_check_calendar(text); Type: FUNCTION
CREATE FUNCTION public.schedule_check_calendar(mic text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
begin
    if exists (select from market where market.mic = schedule_check_calendar.mic) then
        return;
    end if;
    raise exception 'unknown calendar "%"', mic
        using errcode = '23514', column = 'calendar',
              hint = format('An exchange''s MIC: %s … All: SELECT mic, title FROM market;',
                            (select string_agg(m.mic, ', ')
                               from (select market.mic from market order by market.mic <-> schedule_check_calendar.mic, 1 limit 4) m));
end
$$;

-- Name: FUNCTION schedule_check_calendar(mic text); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check_calendar(mic text) IS 'Refuses an exchange that is not in table market';

-- Name: schedule_check_cron(text); Type: FUNCTION
CREATE FUNCTION public.schedule_check_cron(cron text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS $$
declare
    problem record;
begin
    select * into problem from cron_problem(cron);
    if problem.message is not null then
        raise exception '%', problem.message using errcode = '23514', column = 'cron', hint = problem.hint;
    end if;
end
$$;

-- Name: FUNCTION schedule_check_cron(cron text); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check_cron(cron text) IS 'Refuses a wrong cron text and names the field';

-- Name: task_kind; Type: TABLE
CREATE TABLE public.task_kind (
    name text NOT NULL,
    description text NOT NULL,
    options_schema jsonb NOT NULL,
    queue text NOT NULL,
    upstream text,
    min_every interval,
    max_every interval,
    allowed_every interval[],
    max_running integer,
    max_attempts integer DEFAULT 3 NOT NULL,
    timeout interval,
    retired_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE task_kind; Type: COMMENT
COMMENT ON TABLE public.task_kind IS 'Which tasks exist and what they take; written by migrate.';

-- Name: COLUMN task_kind.name; Type: COMMENT
COMMENT ON COLUMN public.task_kind.name IS 'Path of its module';

-- Name: COLUMN task_kind.description; Type: COMMENT
COMMENT ON COLUMN public.task_kind.description IS 'What it does, in a sentence';

-- Name: COLUMN task_kind.options_schema; Type: COMMENT
COMMENT ON COLUMN public.task_kind.options_schema IS 'JSON Schema of its options; the database checks edits by it';

-- Name: COLUMN task_kind.queue; Type: COMMENT
COMMENT ON COLUMN public.task_kind.queue IS 'Queue its runs go to by default';

-- Name: COLUMN task_kind.upstream; Type: COMMENT
COMMENT ON COLUMN public.task_kind.upstream IS 'Upstream it calls most';

-- Name: COLUMN task_kind.min_every; Type: COMMENT
COMMENT ON COLUMN public.task_kind.min_every IS 'Shortest interval allowed';

-- Name: COLUMN task_kind.max_every; Type: COMMENT
COMMENT ON COLUMN public.task_kind.max_every IS 'Longest interval allowed';

-- Name: COLUMN task_kind.allowed_every; Type: COMMENT
COMMENT ON COLUMN public.task_kind.allowed_every IS 'The only intervals allowed, when set';

-- Name: COLUMN task_kind.max_running; Type: COMMENT
COMMENT ON COLUMN public.task_kind.max_running IS 'Most of its runs active at once';

-- Name: COLUMN task_kind.max_attempts; Type: COMMENT
COMMENT ON COLUMN public.task_kind.max_attempts IS 'Attempts per batch, unless the schedule says otherwise';

-- Name: COLUMN task_kind.timeout; Type: COMMENT
COMMENT ON COLUMN public.task_kind.timeout IS 'Longest time of a run, unless the schedule says otherwise';

-- Name: COLUMN task_kind.retired_at; Type: COMMENT
COMMENT ON COLUMN public.task_kind.retired_at IS 'Since when no worker knows it';

-- Name: COLUMN task_kind.updated_at; Type: COMMENT
COMMENT ON COLUMN public.task_kind.updated_at IS 'Last registered';

-- Name: schedule_check_every(interval, public.task_kind); Type: FUNCTION
CREATE FUNCTION public.schedule_check_every(every interval, kind public.task_kind) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS $$
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

-- Name: FUNCTION schedule_check_every(every interval, kind public.task_kind); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check_every(every interval, kind public.task_kind) IS 'Refuses an interval with months, or outside what its kind allows';

-- Name: schedule_check_instants(public.schedule); Type: FUNCTION
CREATE FUNCTION public.schedule_check_instants(new public.schedule) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION schedule_check_instants(new public.schedule); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check_instants(new public.schedule) IS 'Refuses times that the programs cannot represent';

-- Name: schedule_check_timezone(text); Type: FUNCTION
CREATE FUNCTION public.schedule_check_timezone(zone text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
declare
    nearest text;
begin
    if exists (select from timezone_name where name = zone) then
        return;
    end if;
    select string_agg(name, ', ') into nearest
      from (select name from timezone_name order by name <-> zone, name limit 3) close;
    raise exception 'unknown timezone "%"', zone
        using errcode = '23514', column = 'timezone',
              hint = format('Did you mean: %s? All names: SELECT name FROM timezone_name;', nearest);
end
$$;

-- Name: FUNCTION schedule_check_timezone(zone text); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check_timezone(zone text) IS 'Refuses a timezone that Python''s zoneinfo does not know';

-- Name: schedule_check_timing(public.schedule); Type: FUNCTION
CREATE FUNCTION public.schedule_check_timing(new public.schedule) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION schedule_check_timing(new public.schedule); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check_timing(new public.schedule) IS 'Refuses a schedule without exactly one timing';

-- Name: schedule_check_values(public.schedule); Type: FUNCTION
CREATE FUNCTION public.schedule_check_values(new public.schedule) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
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
$_$;

-- Name: FUNCTION schedule_check_values(new public.schedule); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check_values(new public.schedule) IS 'Refuses impossible values before the CHECK constraints do, with a hint';

-- Name: schedule_check_word(text, text, text[]); Type: FUNCTION
CREATE FUNCTION public.schedule_check_word(name text, given text, known text[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS $$
begin
    if not given = any (known) then
        raise exception '% = "%" is not known', name, given
            using errcode = '23514', column = name, hint = 'One of: ' || array_to_string(known, ', ') || '.';
    end if;
end
$$;

-- Name: FUNCTION schedule_check_word(name text, given text, known text[]); Type: COMMENT
COMMENT ON FUNCTION public.schedule_check_word(name text, given text, known text[]) IS 'Refuses a word that is not one of those known';

-- Name: schedule_difference(jsonb, jsonb); Type: FUNCTION
CREATE FUNCTION public.schedule_difference(old_row jsonb, new_row jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS $$
    select coalesce(jsonb_object_agg(key, jsonb_build_array(old_row -> key, new_row -> key)), '{}')
      from jsonb_object_keys(coalesce(new_row, old_row)) key
     where (old_row -> key) is distinct from (new_row -> key)
       and key not in ('revision', 'updated_at', 'updated_by')
       and not (coalesce(old_row -> key, 'null') = 'null' and coalesce(new_row -> key, 'null') = 'null')
$$;

-- Name: FUNCTION schedule_difference(old_row jsonb, new_row jsonb); Type: COMMENT
COMMENT ON FUNCTION public.schedule_difference(old_row jsonb, new_row jsonb) IS 'Only what differs between two states of a schedule: {"every": ["04:00:00", "02:00:00"]}';

-- Name: schedule_edited(); Type: FUNCTION
CREATE FUNCTION public.schedule_edited() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    changed bigint;
    known bigint;
begin
    if tg_op = 'INSERT' then
        insert into schedule_edit (schedule) select name from new_rows;
        insert into schedule_change (schedule, action, changes, changed_by, program)
        select name, 'insert', schedule_difference(null, to_jsonb(n)), actor(),
               current_setting('application_name')
          from new_rows n;
    elsif tg_op = 'UPDATE' then
        insert into schedule_edit (schedule)
        select n.name from new_rows n join old_rows o using (name)
         where n.revision is distinct from o.revision;
        get diagnostics changed = row_count;
        if changed = 0 then
            return null;
        end if;
        insert into schedule_change (schedule, action, changes, changed_by, program)
        select n.name, 'update', schedule_difference(to_jsonb(o), to_jsonb(n)), actor(),
               current_setting('application_name')
          from new_rows n join old_rows o using (name)
         where n.revision is distinct from o.revision;
    else
        insert into schedule_edit (schedule) select name from old_rows;
        insert into schedule_change (schedule, action, changes, changed_by, program)
        select name, 'delete', schedule_difference(to_jsonb(o), null), actor(),
               current_setting('application_name')
          from old_rows o;
        get diagnostics changed = row_count;
    end if;
    if changed > 1 then
        select count(*) + case tg_op when 'DELETE' then changed else 0 end into known from schedule;
        if changed = known then
            raise notice '% of % schedules %.', changed, known, case tg_op when 'DELETE' then 'deleted' else 'changed' end
                using hint = 'If you forgot WHERE name = ''…'': ROLLBACK now; or find the old values in recent_changes.';
        end if;
    end if;
    perform pg_notify('watchkeeper', 'edit');
    return null;
end
$$;

-- Name: FUNCTION schedule_edited(); Type: COMMENT
COMMENT ON FUNCTION public.schedule_edited() IS 'Trigger: appends the edit for beat and the audit, and wakes every beat, once a statement';

-- Name: schedule_kept(); Type: FUNCTION
CREATE FUNCTION public.schedule_kept() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION schedule_kept(); Type: COMMENT
COMMENT ON FUNCTION public.schedule_kept() IS 'Trigger: a schedule that others run after cannot be deleted';

-- Name: schedule_named(text); Type: FUNCTION
CREATE FUNCTION public.schedule_named(wanted text) RETURNS public.schedule
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION schedule_named(wanted text); Type: COMMENT
COMMENT ON FUNCTION public.schedule_named(wanted text) IS 'The schedule of that name, or an error that lists the names';

-- Name: schedule_says_disabled(public.schedule); Type: FUNCTION
CREATE FUNCTION public.schedule_says_disabled(s public.schedule) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if not s.enabled then
        raise notice '"%" is disabled and does not run%', s.name, coalesce(': ' || s.note, '')
            using hint = format('To enable it: UPDATE schedule SET enabled = true WHERE name = %L;', s.name);
    elsif (select paused from pause_switch) then
        raise notice 'everything is paused, and "%" with it', s.name using hint = 'To end that: SELECT resume_all();';
    end if;
end
$$;

-- Name: FUNCTION schedule_says_disabled(s public.schedule); Type: COMMENT
COMMENT ON FUNCTION public.schedule_says_disabled(s public.schedule) IS 'Notice to whoever pauses or resumes a schedule that is disabled';

-- Name: schedule_stamp(); Type: FUNCTION
CREATE FUNCTION public.schedule_stamp() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    -- A reason goes with its pause, however that ends.
    if new.paused_until is null and (tg_op = 'INSERT' or new.pause_reason is not distinct from old.pause_reason) then
        new.pause_reason := null;
    end if;
    if tg_op = 'UPDATE' and new is not distinct from old then
        return new;
    end if;
    new.revision := nextval('schedule_revision');
    new.updated_at := clock_timestamp();
    new.updated_by := actor();
    return new;
end
$$;

-- Name: FUNCTION schedule_stamp(); Type: COMMENT
COMMENT ON FUNCTION public.schedule_stamp() IS 'Trigger: a new revision, when and by whom, for every real edit';

-- Name: schedule_words(public.schedule); Type: FUNCTION
CREATE FUNCTION public.schedule_words(s public.schedule) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select case
        when s.every is not null then 'every ' || duration_words(s.every)
        when s.cron is not null then cron_words(s.cron, s.timezone)
        when s.at is not null then 'once at ' || to_char(s.at at time zone s.timezone, 'YYYY-MM-DD HH24:MI') || ' ' || s.timezone
        else 'after ' || s.after end
        || coalesce(' on ' || s.calendar || ' ' || s.calendar_hours || 's', '')
$$;

-- Name: FUNCTION schedule_words(s public.schedule); Type: COMMENT
COMMENT ON FUNCTION public.schedule_words(s public.schedule) IS 'When a schedule runs, in words';

-- Name: selector_fits(text); Type: FUNCTION
CREATE FUNCTION public.selector_fits(css text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
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
$_$;

-- Name: FUNCTION selector_fits(css text); Type: COMMENT
COMMENT ON FUNCTION public.selector_fits(css text) IS 'Whether a text looks like a CSS selector; what is left is checked when it is used';

-- Name: notice; Type: TABLE
CREATE TABLE public.notice (
    id bigint NOT NULL,
    channel text NOT NULL,
    key text NOT NULL,
    match_id bigint,
    content jsonb,
    state text DEFAULT 'waiting'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    message_id uuid,
    answer text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_at timestamp with time zone,
    together smallint,
    CONSTRAINT "state: waiting, sending, sent, dead" CHECK ((state = ANY (ARRAY['waiting'::text, 'sending'::text, 'sent'::text, 'dead'::text])))
);

-- Name: TABLE notice; Type: COMMENT
COMMENT ON TABLE public.notice IS 'The outbox: messages to people, one row a channel.';

-- Name: COLUMN notice.id; Type: COMMENT
COMMENT ON COLUMN public.notice.id IS 'Order';

-- Name: COLUMN notice.channel; Type: COMMENT
COMMENT ON COLUMN public.notice.channel IS 'Channel';

-- Name: COLUMN notice.key; Type: COMMENT
COMMENT ON COLUMN public.notice.key IS 'What it is about; once for each channel';

-- Name: COLUMN notice.match_id; Type: COMMENT
COMMENT ON COLUMN public.notice.match_id IS 'The match it is about';

-- Name: COLUMN notice.content; Type: COMMENT
COMMENT ON COLUMN public.notice.content IS 'Title and text of a notice that is not about a match';

-- Name: COLUMN notice.state; Type: COMMENT
COMMENT ON COLUMN public.notice.state IS 'waiting | sending | sent | dead';

-- Name: COLUMN notice.attempts; Type: COMMENT
COMMENT ON COLUMN public.notice.attempts IS 'Times it was handed over';

-- Name: COLUMN notice.not_before; Type: COMMENT
COMMENT ON COLUMN public.notice.not_before IS 'Not sent earlier';

-- Name: COLUMN notice.message_id; Type: COMMENT
COMMENT ON COLUMN public.notice.message_id IS 'Message it is, or was last, part of';

-- Name: COLUMN notice.answer; Type: COMMENT
COMMENT ON COLUMN public.notice.answer IS 'Last response of the server';

-- Name: COLUMN notice.created_at; Type: COMMENT
COMMENT ON COLUMN public.notice.created_at IS 'Written';

-- Name: COLUMN notice.sent_at; Type: COMMENT
COMMENT ON COLUMN public.notice.sent_at IS 'When the server took it';

-- Name: COLUMN notice.together; Type: COMMENT
COMMENT ON COLUMN public.notice.together IS 'Most notices of its message; halved when a server refuses one; null: no limit';

-- Name: send_test(text); Type: FUNCTION
CREATE FUNCTION public.send_test(channel_name text) RETURNS public.notice
    LANGUAGE plpgsql
    AS $$
declare
    target channel;
    written notice;
begin
    perform require_operator('notice', 'insert into');
    select * into target from channel where name = channel_name;
    if target.name is null then
        raise exception 'no channel named "%"', channel_name
            using hint = format('Channels: %s',
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
    perform run_now('send-notices', 'test of ' || target.name);
    return written;
end
$$;

-- Name: FUNCTION send_test(channel_name text); Type: COMMENT
COMMENT ON FUNCTION public.send_test(channel_name text) IS 'Send a test message: SELECT send_test(''phone''); the server''s answer: SELECT * FROM notice_log LIMIT 5;';

-- Name: sessions_changed(); Type: FUNCTION
CREATE FUNCTION public.sessions_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    -- What ran out of trading days, or runs on one that is none any more, is planned anew.
    insert into schedule_edit (schedule)
    select name from schedule where calendar in (select distinct mic from changed);
    if found then
        perform pg_notify('watchkeeper', 'edit');
    end if;
    return null;
end
$$;

-- Name: FUNCTION sessions_changed(); Type: COMMENT
COMMENT ON FUNCTION public.sessions_changed() IS 'Trigger: schedules of a calendar are planned anew when its sessions change';

-- Name: settle_permits(bigint[], double precision[], integer[]); Type: FUNCTION
CREATE FUNCTION public.settle_permits(answered bigint[], elapsed double precision[], statuses integer[]) RETURNS void
    LANGUAGE sql
    AS $$
    -- The answer was in `elapsed` seconds before the caller asked: by this clock now less that, never too early.
    update permit
       set settled = true, status = one.status,
           stamp = least(permit.stamp, clock_timestamp() - one.elapsed * interval '1 second')
      from unnest(answered, elapsed, statuses) as one(id, elapsed, status)
     where permit.id = one.id and not permit.settled
$$;

-- Name: FUNCTION settle_permits(answered bigint[], elapsed double precision[], statuses integer[]); Type: COMMENT
COMMENT ON FUNCTION public.settle_permits(answered bigint[], elapsed double precision[], statuses integer[]) IS 'Lowers the stamps of answered calls from the end of their lease to the time of the response';

-- Name: sign_words(interval); Type: FUNCTION
CREATE FUNCTION public.sign_words(passed interval) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select case when passed < interval '1 minute' then floor(greatest(extract(epoch from passed), 0)) || 's ago'
                else past_words(passed) end
$$;

-- Name: FUNCTION sign_words(passed interval); Type: COMMENT
COMMENT ON FUNCTION public.sign_words(passed interval) IS 'How long ago a heartbeat was, to the second: "3s ago"';

-- Name: site_check(); Type: FUNCTION
CREATE FUNCTION public.site_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
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
$_$;

-- Name: FUNCTION site_check(); Type: COMMENT
COMMENT ON FUNCTION public.site_check() IS 'Trigger: refuses selectors that cannot be used, in words a person understands';

-- Name: stop_run(uuid, text); Type: FUNCTION
CREATE FUNCTION public.stop_run(run uuid, reason text DEFAULT NULL::text) RETURNS public.run_request
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION stop_run(run uuid, reason text); Type: COMMENT
COMMENT ON FUNCTION public.stop_run(run uuid, reason text) IS 'Stop a run: waiting batches end at once, running ones at their next call';

-- Name: take_permit(text, interval, uuid, integer, text, bigint[], double precision[], integer[]); Type: FUNCTION
CREATE FUNCTION public.take_permit(for_upstream text, lease interval, for_run uuid, for_seq integer, for_path text, answered bigint[], elapsed double precision[], statuses integer[], OUT permit_id bigint, OUT wait_seconds double precision, OUT reason text, OUT window_length interval, OUT trying boolean, OUT cause text) RETURNS record
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION take_permit(for_upstream text, lease interval, for_run uuid, for_seq integer, for_path text, answered bigint[], elapsed double precision[], statuses integer[], OUT permit_id bigint, OUT wait_seconds double precision, OUT reason text, OUT window_length interval, OUT trying boolean, OUT cause text); Type: COMMENT
COMMENT ON FUNCTION public.take_permit(for_upstream text, lease interval, for_run uuid, for_seq integer, for_path text, answered bigint[], elapsed double precision[], statuses integer[], OUT permit_id bigint, OUT wait_seconds double precision, OUT reason text, OUT window_length interval, OUT trying boolean, OUT cause text) IS 'Settles answered calls, then takes a permit for one call, or says how long to wait and for what';

-- Name: tell_incident(text, text, text, text, text); Type: FUNCTION
CREATE FUNCTION public.tell_incident(notice_key text, kind_of text, about text, title text, said text) RETURNS integer
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION tell_incident(notice_key text, kind_of text, about text, title text, said text); Type: COMMENT
COMMENT ON FUNCTION public.tell_incident(notice_key text, kind_of text, about text, title text, said text) IS 'Write a notice for every enabled channel with incidents, once for each key; returns how many';

-- Name: unblock(text, text); Type: FUNCTION
CREATE FUNCTION public.unblock(upstream_name text, why text DEFAULT NULL::text) RETURNS public.upstream
    LANGUAGE plpgsql
    AS $$
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

-- Name: FUNCTION unblock(upstream_name text, why text); Type: COMMENT
COMMENT ON FUNCTION public.unblock(upstream_name text, why text) IS 'Lift the block of an upstream before its time; one call tries first: SELECT unblock(''head_fi'', ''they said we may'');';

-- Name: upstream_added(); Type: FUNCTION
CREATE FUNCTION public.upstream_added() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into upstream_state (upstream) values (new.name) on conflict do nothing;
    return null;
end
$$;

-- Name: FUNCTION upstream_added(); Type: COMMENT
COMMENT ON FUNCTION public.upstream_added() IS 'Trigger: a new upstream gets its row in upstream_state';

-- Name: upstream_check(); Type: FUNCTION
CREATE FUNCTION public.upstream_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
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
$_$;

-- Name: FUNCTION upstream_check(); Type: COMMENT
COMMENT ON FUNCTION public.upstream_check() IS 'Trigger: refuses an upstream that cannot be called, with a hint';

-- Name: upstream_edited(); Type: FUNCTION
CREATE FUNCTION public.upstream_edited() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

-- Name: FUNCTION upstream_edited(); Type: COMMENT
COMMENT ON FUNCTION public.upstream_edited() IS 'Trigger: an edit of an upstream or quota takes effect at once';

-- Name: upstream_stamped(); Type: FUNCTION
CREATE FUNCTION public.upstream_stamped() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    new.updated_at := clock_timestamp();
    return new;
end
$$;

-- Name: FUNCTION upstream_stamped(); Type: COMMENT
COMMENT ON FUNCTION public.upstream_stamped() IS 'Trigger: updated_at is the time of the last edit';

-- Name: upstream_unblocked(); Type: FUNCTION
CREATE FUNCTION public.upstream_unblocked() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    -- Half open: one call goes first, and the others wait for its response.
    update upstream_state set blocked_until = clock_timestamp(), failures = greatest(failures, 1)
     where upstream = new.name and blocked_until > clock_timestamp();
    return null;
end
$$;

-- Name: FUNCTION upstream_unblocked(); Type: COMMENT
COMMENT ON FUNCTION public.upstream_unblocked() IS 'Trigger: unblock() lifts the block of an upstream';

-- Name: url_address(text); Type: FUNCTION
CREATE FUNCTION public.url_address(url text) RETURNS inet
    LANGUAGE plpgsql IMMUTABLE
    AS $_$
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
$_$;

-- Name: FUNCTION url_address(url text); Type: COMMENT
COMMENT ON FUNCTION public.url_address(url text) IS 'The address in a URL, or the one that its host always means; null for other names, an error for a number that is not a valid address';

-- Name: window_free(timestamp with time zone, interval, text, timestamp with time zone); Type: FUNCTION
CREATE FUNCTION public.window_free(nth timestamp with time zone, per interval, timezone text, now_ timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$
begin
    -- If even the n-th youngest call is still in flight, none can leave sooner than a window from now.
    return case when timezone is null then least(nth, now_) + per
                else day_start(timezone, (date_trunc('day', now_ at time zone timezone) + interval '1 day')
                                         at time zone timezone) end;
end
$$;

-- Name: FUNCTION window_free(nth timestamp with time zone, per interval, timezone text, now_ timestamp with time zone); Type: COMMENT
COMMENT ON FUNCTION public.window_free(nth timestamp with time zone, per interval, timezone text, now_ timestamp with time zone) IS 'When a full window has room again: when its n-th youngest call leaves, or at midnight of its timezone';

-- Name: window_start(interval, text, timestamp with time zone); Type: FUNCTION
CREATE FUNCTION public.window_start(per interval, timezone text, now_ timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$
begin
    -- What is stamped later than this counts.  A call in flight at midnight counts for both days: its
    -- stamp lies in the new one.
    return case when timezone is null then now_ - per else day_start(timezone, now_) end;
end
$$;

-- Name: FUNCTION window_start(per interval, timezone text, now_ timestamp with time zone); Type: COMMENT
COMMENT ON FUNCTION public.window_start(per interval, timezone text, now_ timestamp with time zone) IS 'Where a quota''s window begins now: per ago, or the last midnight of its timezone';

-- Name: worker_group_check(); Type: FUNCTION
CREATE FUNCTION public.worker_group_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
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
$_$;

-- Name: FUNCTION worker_group_check(); Type: COMMENT
COMMENT ON FUNCTION public.worker_group_check() IS 'Trigger: refuses bounds that a pool cannot have, with a hint';

-- Name: zone_offset(timestamp with time zone, text); Type: FUNCTION
CREATE FUNCTION public.zone_offset(at timestamp with time zone, zone text) RETURNS interval
    LANGUAGE sql STABLE
    AS $$ select (at at time zone zone) - (at at time zone 'UTC') $$;

-- Name: FUNCTION zone_offset(at timestamp with time zone, zone text); Type: COMMENT
COMMENT ON FUNCTION public.zone_offset(at timestamp with time zone, zone text) IS 'Offset of a zone from UTC at an instant';

-- Name: zone_stretches(date, text); Type: FUNCTION
CREATE FUNCTION public.zone_stretches(day date, zone text) RETURNS TABLE(starts timestamp with time zone, ends timestamp with time zone, ahead interval)
    LANGUAGE plpgsql STABLE
    AS $$
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

-- Name: FUNCTION zone_stretches(day date, zone text); Type: COMMENT
COMMENT ON FUNCTION public.zone_stretches(day date, zone text) IS 'Spans between changes of a zone''s clocks that contain a local date';


-- Name: allowed_network; Type: TABLE
CREATE TABLE public.allowed_network (
    network cidr NOT NULL,
    note text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_by text DEFAULT public.actor() NOT NULL
);

-- Name: TABLE allowed_network; Type: COMMENT
COMMENT ON TABLE public.allowed_network IS 'Private networks that calls may reach (a mail relay, a server of your own); public addresses need no row.  Only an owner edits it.';

-- Name: COLUMN allowed_network.network; Type: COMMENT
COMMENT ON COLUMN public.allowed_network.network IS 'One network or address, e.g. 10.1.2.0/24, ::1/128';

-- Name: COLUMN allowed_network.note; Type: COMMENT
COMMENT ON COLUMN public.allowed_network.note IS 'What is there and why it is called';

-- Name: COLUMN allowed_network.created_at; Type: COMMENT
COMMENT ON COLUMN public.allowed_network.created_at IS 'Added';

-- Name: COLUMN allowed_network.created_by; Type: COMMENT
COMMENT ON COLUMN public.allowed_network.created_by IS 'Added by';

-- Name: batch; Type: TABLE
CREATE TABLE public.batch (
    run_id uuid NOT NULL,
    seq integer NOT NULL,
    task text NOT NULL,
    queue text NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    items jsonb,
    total integer DEFAULT 0 NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    deferred integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone,
    send_at timestamp with time zone DEFAULT clock_timestamp(),
    sends smallint DEFAULT 0 NOT NULL,
    waiting_for text,
    fence integer DEFAULT 0 NOT NULL,
    attempt smallint DEFAULT 0 NOT NULL,
    deaths smallint DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone,
    worker text,
    error text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    leaving boolean DEFAULT false NOT NULL,
    CONSTRAINT "state is one of those in the docs" CHECK ((state = ANY (ARRAY['waiting'::text, 'sent'::text, 'running'::text, 'done'::text, 'failed'::text, 'deferred'::text, 'stopped'::text])))
);

-- Name: TABLE batch; Type: COMMENT
COMMENT ON TABLE public.batch IS 'The unit of message, lease and loss: some items of a run.';

-- Name: COLUMN batch.run_id; Type: COMMENT
COMMENT ON COLUMN public.batch.run_id IS 'Its run';

-- Name: COLUMN batch.seq; Type: COMMENT
COMMENT ON COLUMN public.batch.seq IS '0 plans the run, or does a small one whole';

-- Name: COLUMN batch.task; Type: COMMENT
COMMENT ON COLUMN public.batch.task IS 'The run''s task, for the message';

-- Name: COLUMN batch.queue; Type: COMMENT
COMMENT ON COLUMN public.batch.queue IS 'Queue of its message';

-- Name: COLUMN batch.priority; Type: COMMENT
COMMENT ON COLUMN public.batch.priority IS '0 to 9, 9 first';

-- Name: COLUMN batch.state; Type: COMMENT
COMMENT ON COLUMN public.batch.state IS 'waiting | sent | running | done | failed | deferred | stopped';

-- Name: COLUMN batch.items; Type: COMMENT
COMMENT ON COLUMN public.batch.items IS 'Its items with each one''s outcome; null: not planned yet';

-- Name: COLUMN batch.total; Type: COMMENT
COMMENT ON COLUMN public.batch.total IS 'Items it has';

-- Name: COLUMN batch.done; Type: COMMENT
COMMENT ON COLUMN public.batch.done IS 'Items done';

-- Name: COLUMN batch.failed; Type: COMMENT
COMMENT ON COLUMN public.batch.failed IS 'Items failed';

-- Name: COLUMN batch.deferred; Type: COMMENT
COMMENT ON COLUMN public.batch.deferred IS 'Items deferred';

-- Name: COLUMN batch.not_before; Type: COMMENT
COMMENT ON COLUMN public.batch.not_before IS 'No worker takes it earlier (batch delay, back-off)';

-- Name: COLUMN batch.send_at; Type: COMMENT
COMMENT ON COLUMN public.batch.send_at IS 'When a message for it is to be sent, or looked for again; null: not until released';

-- Name: COLUMN batch.sends; Type: COMMENT
COMMENT ON COLUMN public.batch.sends IS 'Messages sent since it was last claimed';

-- Name: COLUMN batch.waiting_for; Type: COMMENT
COMMENT ON COLUMN public.batch.waiting_for IS 'Upstream whose quota it waits for, until a worker has it';

-- Name: COLUMN batch.fence; Type: COMMENT
COMMENT ON COLUMN public.batch.fence IS 'Rises at every claim; an older holder writes nothing';

-- Name: COLUMN batch.attempt; Type: COMMENT
COMMENT ON COLUMN public.batch.attempt IS 'Failures of the task so far';

-- Name: COLUMN batch.deaths; Type: COMMENT
COMMENT ON COLUMN public.batch.deaths IS 'Leases that ended while all but its worker was up';

-- Name: COLUMN batch.lease_until; Type: COMMENT
COMMENT ON COLUMN public.batch.lease_until IS 'Its worker is believed alive until then';

-- Name: COLUMN batch.worker; Type: COMMENT
COMMENT ON COLUMN public.batch.worker IS 'Who holds or last held it';

-- Name: COLUMN batch.error; Type: COMMENT
COMMENT ON COLUMN public.batch.error IS 'What went wrong last';

-- Name: COLUMN batch.created_at; Type: COMMENT
COMMENT ON COLUMN public.batch.created_at IS 'Planned at';

-- Name: COLUMN batch.updated_at; Type: COMMENT
COMMENT ON COLUMN public.batch.updated_at IS 'Last change of state; order of waiting';

-- Name: COLUMN batch.started_at; Type: COMMENT
COMMENT ON COLUMN public.batch.started_at IS 'First claimed';

-- Name: COLUMN batch.finished_at; Type: COMMENT
COMMENT ON COLUMN public.batch.finished_at IS 'Ended';

-- Name: COLUMN batch.leaving; Type: COMMENT
COMMENT ON COLUMN public.batch.leaving IS 'Its worker has said that it ends: if the lease ends now, that is no death';

-- Name: category; Type: TABLE
CREATE TABLE public.category (
    id bigint NOT NULL,
    site text NOT NULL,
    external_id text NOT NULL,
    slug text NOT NULL,
    title text NOT NULL,
    path text NOT NULL,
    parent_id bigint,
    scraped boolean DEFAULT true NOT NULL,
    CONSTRAINT "path must begin with /" CHECK ((path ~~ '/%'::text))
);

-- Name: TABLE category; Type: COMMENT
COMMENT ON TABLE public.category IS 'Categories of sites; those marked scraped are read.';

-- Name: COLUMN category.id; Type: COMMENT
COMMENT ON COLUMN public.category.id IS 'Key';

-- Name: COLUMN category.site; Type: COMMENT
COMMENT ON COLUMN public.category.site IS 'Site';

-- Name: COLUMN category.external_id; Type: COMMENT
COMMENT ON COLUMN public.category.external_id IS 'The site''s own number';

-- Name: COLUMN category.slug; Type: COMMENT
COMMENT ON COLUMN public.category.slug IS 'The site''s own word, used in options';

-- Name: COLUMN category.title; Type: COMMENT
COMMENT ON COLUMN public.category.title IS 'Name for people';

-- Name: COLUMN category.path; Type: COMMENT
COMMENT ON COLUMN public.category.path IS 'Path of its first page; or with {page} where the number belongs in the middle of it';

-- Name: COLUMN category.parent_id; Type: COMMENT
COMMENT ON COLUMN public.category.parent_id IS 'Category it belongs to';

-- Name: COLUMN category.scraped; Type: COMMENT
COMMENT ON COLUMN public.category.scraped IS 'Whether scrapes read it';

-- Name: category_id_seq; Type: SEQUENCE
ALTER TABLE public.category ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.category_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: category_state; Type: TABLE
CREATE TABLE public.category_state (
    category_id bigint NOT NULL,
    first_complete_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_complete_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE category_state; Type: COMMENT
COMMENT ON TABLE public.category_state IS 'First and last complete scrape of each category.';

-- Name: COLUMN category_state.category_id; Type: COMMENT
COMMENT ON COLUMN public.category_state.category_id IS 'Category';

-- Name: COLUMN category_state.first_complete_at; Type: COMMENT
COMMENT ON COLUMN public.category_state.first_complete_at IS 'End of its first complete scrape; option thorough asks for another such';

-- Name: COLUMN category_state.last_complete_at; Type: COMMENT
COMMENT ON COLUMN public.category_state.last_complete_at IS 'End of its last complete scrape';

-- Name: channel; Type: TABLE
CREATE TABLE public.channel (
    name text NOT NULL,
    kind text NOT NULL,
    target text NOT NULL,
    upstream text NOT NULL,
    sender text,
    max_per_hour integer DEFAULT 30 NOT NULL,
    incidents boolean DEFAULT true NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    note text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT "kind: discord, email, webhook or apprise" CHECK ((kind = ANY (ARRAY['discord'::text, 'email'::text, 'webhook'::text, 'apprise'::text]))),
    CONSTRAINT "max_per_hour must be 1 or more" CHECK ((max_per_hour >= 1)),
    CONSTRAINT "name: lower-case words and digits joined by hyphens" CHECK ((name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text))
);

-- Name: TABLE channel; Type: COMMENT
COMMENT ON TABLE public.channel IS 'Where notices go.  Secrets are named, not written: env:WATCHKEEPER_CHANNEL_NAME, file:/run/secrets/channel-name.';

-- Name: COLUMN channel.name; Type: COMMENT
COMMENT ON COLUMN public.channel.name IS 'Lower-case words joined by hyphens';

-- Name: COLUMN channel.kind; Type: COMMENT
COMMENT ON COLUMN public.channel.kind IS 'discord | email | webhook | apprise';

-- Name: COLUMN channel.target; Type: COMMENT
COMMENT ON COLUMN public.channel.target IS 'Address, or where it is: env:WATCHKEEPER_CHANNEL_NAME or file:/run/secrets/channel-name; e-mail: recipients with commas';

-- Name: COLUMN channel.upstream; Type: COMMENT
COMMENT ON COLUMN public.channel.upstream IS 'Its server: base_url and quota';

-- Name: COLUMN channel.sender; Type: COMMENT
COMMENT ON COLUMN public.channel.sender IS 'E-mail: From';

-- Name: COLUMN channel.max_per_hour; Type: COMMENT
COMMENT ON COLUMN public.channel.max_per_hour IS 'Most messages an hour; more notices share a message';

-- Name: COLUMN channel.incidents; Type: COMMENT
COMMENT ON COLUMN public.channel.incidents IS 'Also gets incidents and the daily digest';

-- Name: COLUMN channel.enabled; Type: COMMENT
COMMENT ON COLUMN public.channel.enabled IS 'false: notices wait';

-- Name: COLUMN channel.note; Type: COMMENT
COMMENT ON COLUMN public.channel.note IS 'Why it is as it is';

-- Name: COLUMN channel.created_at; Type: COMMENT
COMMENT ON COLUMN public.channel.created_at IS 'Added';

-- Name: token_profile; Type: TABLE
CREATE TABLE public.token_profile (
    run_id uuid NOT NULL,
    token_id bigint NOT NULL,
    early_window_minutes integer NOT NULL,
    min_profit_pct numeric NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    profiled_at timestamp with time zone,
    profile_run_id uuid,
    trades integer,
    profiled_wallets integer,
    new_wallets integer,
    updated_wallets integer,
    note text
);

-- Name: TABLE token_profile; Type: COMMENT
COMMENT ON TABLE public.token_profile IS 'Tokens whose early buyers a discovery run asked for, and what was found.';

-- Name: COLUMN token_profile.run_id; Type: COMMENT
COMMENT ON COLUMN public.token_profile.run_id IS 'Discovery run that asked';

-- Name: COLUMN token_profile.token_id; Type: COMMENT
COMMENT ON COLUMN public.token_profile.token_id IS 'Token';

-- Name: COLUMN token_profile.early_window_minutes; Type: COMMENT
COMMENT ON COLUMN public.token_profile.early_window_minutes IS 'Early: minutes after the oldest pool was made';

-- Name: COLUMN token_profile.min_profit_pct; Type: COMMENT
COMMENT ON COLUMN public.token_profile.min_profit_pct IS 'Least gain (percent)';

-- Name: COLUMN token_profile.asked_at; Type: COMMENT
COMMENT ON COLUMN public.token_profile.asked_at IS 'When it was asked for, or last tried in vain';

-- Name: COLUMN token_profile.profiled_at; Type: COMMENT
COMMENT ON COLUMN public.token_profile.profiled_at IS 'When it was done; null: still to do';

-- Name: COLUMN token_profile.profile_run_id; Type: COMMENT
COMMENT ON COLUMN public.token_profile.profile_run_id IS 'Profiling run that did it';

-- Name: COLUMN token_profile.trades; Type: COMMENT
COMMENT ON COLUMN public.token_profile.trades IS 'Trades looked at';

-- Name: COLUMN token_profile.profiled_wallets; Type: COMMENT
COMMENT ON COLUMN public.token_profile.profiled_wallets IS 'Wallets early and with the gain asked for';

-- Name: COLUMN token_profile.new_wallets; Type: COMMENT
COMMENT ON COLUMN public.token_profile.new_wallets IS 'Of these, seen for the first time';

-- Name: COLUMN token_profile.updated_wallets; Type: COMMENT
COMMENT ON COLUMN public.token_profile.updated_wallets IS 'Of these, known before';

-- Name: COLUMN token_profile.note; Type: COMMENT
COMMENT ON COLUMN public.token_profile.note IS 'What of the early trades is out of reach';

-- Name: discovery_runs; Type: VIEW
CREATE VIEW public.discovery_runs AS
 SELECT r.id AS run_id,
    COALESCE(r.schedule, 'by hand'::text) AS schedule,
    r.state,
    r.started_at,
    r.finished_at,
    (((r.result -> 'counts'::text) ->> 'found'::text))::integer AS found,
    (((r.result -> 'counts'::text) ->> 'new'::text))::integer AS new,
    (((r.result -> 'counts'::text) ->> 'updated'::text))::integer AS updated,
    (((r.result -> 'counts'::text) ->> 'chosen'::text))::integer AS chosen,
    p.tokens_analysed,
    p.tokens_to_analyse,
    p.profiled_wallets,
    p.new_wallets,
    p.updated_wallets,
    p.out_of_reach
   FROM public.run r,
    LATERAL ( SELECT count(*) FILTER (WHERE (token_profile.profiled_at IS NOT NULL)) AS tokens_analysed,
            count(*) FILTER (WHERE (token_profile.profiled_at IS NULL)) AS tokens_to_analyse,
            COALESCE(sum(token_profile.profiled_wallets), (0)::bigint) AS profiled_wallets,
            COALESCE(sum(token_profile.new_wallets), (0)::bigint) AS new_wallets,
            COALESCE(sum(token_profile.updated_wallets), (0)::bigint) AS updated_wallets,
            count(token_profile.note) AS out_of_reach
           FROM public.token_profile
          WHERE (token_profile.run_id = r.id)) p
  WHERE (r.task = ANY (ARRAY['tasks.discovery.discover'::text, 'tasks.discovery.surveil'::text]))
  ORDER BY r.due_at DESC;

-- Name: VIEW discovery_runs; Type: COMMENT
COMMENT ON VIEW public.discovery_runs IS 'Each discovery run: tokens found and chosen, and the wallets that were early in them';

-- Name: discovery_stats; Type: VIEW
CREATE VIEW public.discovery_stats AS
 SELECT COALESCE(r.schedule, 'by hand'::text) AS schedule,
    count(*) AS total,
    count(*) FILTER (WHERE (r.state = 'succeeded'::text)) AS successful,
    count(*) FILTER (WHERE (r.state = 'partial'::text)) AS partial,
    count(*) FILTER (WHERE (r.state = 'failed'::text)) AS failed,
    COALESCE(sum(c.new), (0)::numeric) AS new,
    COALESCE(sum(c.updated), (0)::numeric) AS updated,
    round((COALESCE(sum(c.new), (0)::numeric) / (count(*))::numeric), 1) AS avg_new_per_run,
    round(avg(EXTRACT(epoch FROM (r.finished_at - r.started_at))), 1) AS avg_seconds,
    max(r.finished_at) AS last_at
   FROM public.run r,
    LATERAL ( SELECT (((r.result -> 'counts'::text) ->> 'new'::text))::numeric AS new,
            (((r.result -> 'counts'::text) ->> 'updated'::text))::numeric AS updated) c
  WHERE ((r.task = ANY (ARRAY['tasks.discovery.discover'::text, 'tasks.discovery.surveil'::text])) AND (r.finished_at IS NOT NULL) AND (r.state = ANY (ARRAY['succeeded'::text, 'partial'::text, 'failed'::text])))
  GROUP BY COALESCE(r.schedule, 'by hand'::text)
  ORDER BY COALESCE(r.schedule, 'by hand'::text);

-- Name: VIEW discovery_stats; Type: COMMENT
COMMENT ON VIEW public.discovery_stats IS 'Results of each discovery schedule: runs, new and updated tokens, new ones a run';

-- Name: global_filter; Type: TABLE
CREATE TABLE public.global_filter (
    single boolean DEFAULT true NOT NULL,
    filters jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT "filters must be a JSON object" CHECK ((jsonb_typeof(filters) = 'object'::text)),
    CONSTRAINT "there is one row of global filters only" CHECK (single)
);

-- Name: TABLE global_filter; Type: COMMENT
COMMENT ON TABLE public.global_filter IS 'One row: filters that hold for every rule; a rule''s own replace them one by one.';

-- Name: COLUMN global_filter.single; Type: COMMENT
COMMENT ON COLUMN public.global_filter.single IS 'Always true: one row';

-- Name: COLUMN global_filter.filters; Type: COMMENT
COMMENT ON COLUMN public.global_filter.filters IS 'listing_types, exclude_listing_types, ships_to, exclude_status, min_seller_reputation, categories';

-- Name: heartbeat; Type: TABLE
CREATE TABLE public.heartbeat (
    name text NOT NULL,
    role text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL
);

-- Name: TABLE heartbeat; Type: COMMENT
COMMENT ON TABLE public.heartbeat IS 'Last heartbeat of each beat and worker; silent ones show in health.';

-- Name: COLUMN heartbeat.name; Type: COMMENT
COMMENT ON COLUMN public.heartbeat.name IS 'Node name, e.g. beat@host or prices@host';

-- Name: COLUMN heartbeat.role; Type: COMMENT
COMMENT ON COLUMN public.heartbeat.role IS 'beat | worker';

-- Name: COLUMN heartbeat.started_at; Type: COMMENT
COMMENT ON COLUMN public.heartbeat.started_at IS 'Process start';

-- Name: COLUMN heartbeat.seen_at; Type: COMMENT
COMMENT ON COLUMN public.heartbeat.seen_at IS 'Last heartbeat';

-- Name: COLUMN heartbeat.detail; Type: COMMENT
COMMENT ON COLUMN public.heartbeat.detail IS 'Version, pid, queues, pool size, clock skew';

-- Name: health; Type: VIEW
CREATE VIEW public.health AS
 SELECT name,
    role,
    public.sign_words((clock_timestamp() - seen_at)) AS seen,
        CASE
            WHEN (detail ? 'ended'::text) THEN 'ended'::text
            WHEN (seen_at < (clock_timestamp() - '00:00:30'::interval)) THEN 'SILENT'::text
            ELSE 'ok'::text
        END AS state,
    detail,
    seen_at,
    started_at
   FROM public.heartbeat h
  WHERE (seen_at > (clock_timestamp() -
        CASE
            WHEN (detail ? 'ended'::text) THEN '00:10:00'::interval
            ELSE '1 day'::interval
        END))
  ORDER BY role, name;

-- Name: VIEW health; Type: COMMENT
COMMENT ON VIEW public.health IS 'Each beat and worker, and its last heartbeat';

-- Name: incident; Type: TABLE
CREATE TABLE public.incident (
    id bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    opened_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT incident_unblocked_at_not_null NOT NULL,
    closed_at timestamp with time zone
);

-- Name: TABLE incident; Type: COMMENT
COMMENT ON TABLE public.incident IS 'What broke, and when it had recovered.';

-- Name: COLUMN incident.id; Type: COMMENT
COMMENT ON COLUMN public.incident.id IS 'Order';

-- Name: COLUMN incident.kind; Type: COMMENT
COMMENT ON COLUMN public.incident.kind IS 'As in view trouble';

-- Name: COLUMN incident.subject; Type: COMMENT
COMMENT ON COLUMN public.incident.subject IS 'Schedule, process, queue, channel or upstream';

-- Name: COLUMN incident.title; Type: COMMENT
COMMENT ON COLUMN public.incident.title IS 'What is broken';

-- Name: COLUMN incident.text; Type: COMMENT
COMMENT ON COLUMN public.incident.text IS 'Why, as far as is known';

-- Name: COLUMN incident.opened_at; Type: COMMENT
COMMENT ON COLUMN public.incident.opened_at IS 'Seen first';

-- Name: COLUMN incident.closed_at; Type: COMMENT
COMMENT ON COLUMN public.incident.closed_at IS 'When it was over; null: still broken';

-- Name: incident_id_seq; Type: SEQUENCE
ALTER TABLE public.incident ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.incident_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: list_page; Type: TABLE
CREATE TABLE public.list_page (
    category_id bigint NOT NULL,
    page integer NOT NULL,
    etag text,
    last_modified text,
    reading text NOT NULL,
    external_ids text[] NOT NULL,
    has_next boolean NOT NULL,
    read_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE list_page; Type: COMMENT
COMMENT ON TABLE public.list_page IS 'Each list page as it was read last, for conditional requests.';

-- Name: COLUMN list_page.category_id; Type: COMMENT
COMMENT ON COLUMN public.list_page.category_id IS 'Category';

-- Name: COLUMN list_page.page; Type: COMMENT
COMMENT ON COLUMN public.list_page.page IS 'From 1';

-- Name: COLUMN list_page.etag; Type: COMMENT
COMMENT ON COLUMN public.list_page.etag IS 'Its ETag';

-- Name: COLUMN list_page.last_modified; Type: COMMENT
COMMENT ON COLUMN public.list_page.last_modified IS 'Its Last-Modified';

-- Name: COLUMN list_page.reading; Type: COMMENT
COMMENT ON COLUMN public.list_page.reading IS 'Version of the site''s row that it was read by';

-- Name: COLUMN list_page.external_ids; Type: COMMENT
COMMENT ON COLUMN public.list_page.external_ids IS 'Its ads, in order';

-- Name: COLUMN list_page.has_next; Type: COMMENT
COMMENT ON COLUMN public.list_page.has_next IS 'Whether another page followed';

-- Name: COLUMN list_page.read_at; Type: COMMENT
COMMENT ON COLUMN public.list_page.read_at IS 'When it was read';

-- Name: listing; Type: TABLE
CREATE TABLE public.listing (
    id bigint NOT NULL,
    site text NOT NULL,
    external_id text NOT NULL,
    category_id bigint,
    title text NOT NULL,
    url text NOT NULL,
    image_url text,
    listing_type text,
    price numeric(14,2),
    currency text,
    condition text,
    negotiability text,
    ships_to text,
    regions text[] DEFAULT '{}'::text[] NOT NULL,
    seller text,
    seller_reputation integer,
    status text DEFAULT 'active'::text NOT NULL,
    listed_at timestamp with time zone,
    edited_at timestamp with time zone,
    missed_scrapes integer DEFAULT 0 NOT NULL,
    first_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    price_text text,
    CONSTRAINT "price must be more than nothing" CHECK ((price > (0)::numeric)),
    CONSTRAINT "status is one of those in the comment" CHECK ((status = ANY (ARRAY['active'::text, 'sold'::text, 'closed'::text, 'traded'::text, 'expired'::text, 'deleted'::text])))
);

-- Name: TABLE listing; Type: COMMENT
COMMENT ON TABLE public.listing IS 'Every ad ever seen, with its latest state.';

-- Name: COLUMN listing.id; Type: COMMENT
COMMENT ON COLUMN public.listing.id IS 'Key';

-- Name: COLUMN listing.site; Type: COMMENT
COMMENT ON COLUMN public.listing.site IS 'Site';

-- Name: COLUMN listing.external_id; Type: COMMENT
COMMENT ON COLUMN public.listing.external_id IS 'The site''s own number';

-- Name: COLUMN listing.category_id; Type: COMMENT
COMMENT ON COLUMN public.listing.category_id IS 'Category it was found in';

-- Name: COLUMN listing.title; Type: COMMENT
COMMENT ON COLUMN public.listing.title IS 'Title';

-- Name: COLUMN listing.url; Type: COMMENT
COMMENT ON COLUMN public.listing.url IS 'Address of the ad';

-- Name: COLUMN listing.image_url; Type: COMMENT
COMMENT ON COLUMN public.listing.image_url IS 'Address of its picture';

-- Name: COLUMN listing.listing_type; Type: COMMENT
COMMENT ON COLUMN public.listing.listing_type IS 'For Sale, Want To Buy …';

-- Name: COLUMN listing.price; Type: COMMENT
COMMENT ON COLUMN public.listing.price IS 'Price asked';

-- Name: COLUMN listing.currency; Type: COMMENT
COMMENT ON COLUMN public.listing.currency IS 'Currency (ISO 4217); null beside a price: one that is not known';

-- Name: COLUMN listing.condition; Type: COMMENT
COMMENT ON COLUMN public.listing.condition IS 'Condition';

-- Name: COLUMN listing.negotiability; Type: COMMENT
COMMENT ON COLUMN public.listing.negotiability IS 'Firm, Or best offer …';

-- Name: COLUMN listing.ships_to; Type: COMMENT
COMMENT ON COLUMN public.listing.ships_to IS 'Where it is sent, as the ad says';

-- Name: COLUMN listing.regions; Type: COMMENT
COMMENT ON COLUMN public.listing.regions IS 'The same, region by region';

-- Name: COLUMN listing.seller; Type: COMMENT
COMMENT ON COLUMN public.listing.seller IS 'Seller''s user name';

-- Name: COLUMN listing.seller_reputation; Type: COMMENT
COMMENT ON COLUMN public.listing.seller_reputation IS 'Seller''s reputation';

-- Name: COLUMN listing.status; Type: COMMENT
COMMENT ON COLUMN public.listing.status IS 'active | sold | closed | traded | expired | deleted';

-- Name: COLUMN listing.listed_at; Type: COMMENT
COMMENT ON COLUMN public.listing.listed_at IS 'When the seller listed it';

-- Name: COLUMN listing.edited_at; Type: COMMENT
COMMENT ON COLUMN public.listing.edited_at IS 'When the seller last edited it';

-- Name: COLUMN listing.missed_scrapes; Type: COMMENT
COMMENT ON COLUMN public.listing.missed_scrapes IS 'Complete scrapes in a row that should have shown it and did not';

-- Name: COLUMN listing.first_seen_at; Type: COMMENT
COMMENT ON COLUMN public.listing.first_seen_at IS 'First seen';

-- Name: COLUMN listing.changed_at; Type: COMMENT
COMMENT ON COLUMN public.listing.changed_at IS 'Last change seen';

-- Name: COLUMN listing.last_seen_at; Type: COMMENT
COMMENT ON COLUMN public.listing.last_seen_at IS 'Last seen';

-- Name: COLUMN listing.price_text; Type: COMMENT
COMMENT ON COLUMN public.listing.price_text IS 'The price as the ad writes it, where its currency is not known';

-- Name: listing_id_seq; Type: SEQUENCE
ALTER TABLE public.listing ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.listing_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: listing_price; Type: TABLE
CREATE TABLE public.listing_price (
    id bigint NOT NULL,
    listing_id bigint NOT NULL,
    price numeric(14,2) NOT NULL,
    currency text,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE listing_price; Type: COMMENT
COMMENT ON TABLE public.listing_price IS 'Prices of ads over time, one row a change.';

-- Name: COLUMN listing_price.id; Type: COMMENT
COMMENT ON COLUMN public.listing_price.id IS 'Key';

-- Name: COLUMN listing_price.listing_id; Type: COMMENT
COMMENT ON COLUMN public.listing_price.listing_id IS 'Ad';

-- Name: COLUMN listing_price.price; Type: COMMENT
COMMENT ON COLUMN public.listing_price.price IS 'Price asked';

-- Name: COLUMN listing_price.currency; Type: COMMENT
COMMENT ON COLUMN public.listing_price.currency IS 'Currency (ISO 4217)';

-- Name: COLUMN listing_price.seen_at; Type: COMMENT
COMMENT ON COLUMN public.listing_price.seen_at IS 'Since';

-- Name: listing_price_id_seq; Type: SEQUENCE
ALTER TABLE public.listing_price ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.listing_price_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: listing_status_change; Type: TABLE
CREATE TABLE public.listing_status_change (
    id bigint NOT NULL,
    listing_id bigint NOT NULL,
    status text NOT NULL,
    before text,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE listing_status_change; Type: COMMENT
COMMENT ON TABLE public.listing_status_change IS 'Statuses of ads over time, one row a change.';

-- Name: COLUMN listing_status_change.id; Type: COMMENT
COMMENT ON COLUMN public.listing_status_change.id IS 'Key';

-- Name: COLUMN listing_status_change.listing_id; Type: COMMENT
COMMENT ON COLUMN public.listing_status_change.listing_id IS 'Ad';

-- Name: COLUMN listing_status_change.status; Type: COMMENT
COMMENT ON COLUMN public.listing_status_change.status IS 'Status from then on';

-- Name: COLUMN listing_status_change.before; Type: COMMENT
COMMENT ON COLUMN public.listing_status_change.before IS 'Status before; null: first seen';

-- Name: COLUMN listing_status_change.seen_at; Type: COMMENT
COMMENT ON COLUMN public.listing_status_change.seen_at IS 'Since';

-- Name: listing_status_change_id_seq; Type: SEQUENCE
ALTER TABLE public.listing_status_change ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.listing_status_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: login_without_limits; Type: VIEW
CREATE VIEW public.login_without_limits AS
 SELECT (rolname)::text AS name,
        CASE
            WHEN pg_has_role(oid, (to_regrole('operator'::text))::oid, 'member'::text) THEN 'operator'::text
            ELSE 'viewer'::text
        END AS role
   FROM pg_roles r
  WHERE (rolcanlogin AND (NOT rolsuper) AND (to_regrole('viewer'::text) IS NOT NULL) AND (to_regrole('operator'::text) IS NOT NULL) AND (to_regrole('service'::text) IS NOT NULL) AND (to_regrole('owner'::text) IS NOT NULL) AND (pg_has_role(oid, (to_regrole('viewer'::text))::oid, 'member'::text) OR pg_has_role(oid, (to_regrole('operator'::text))::oid, 'member'::text)) AND (NOT pg_has_role(oid, (to_regrole('service'::text))::oid, 'member'::text)) AND (NOT pg_has_role(oid, (to_regrole('owner'::text))::oid, 'member'::text)) AND ((rolconnlimit = '-1'::integer) OR (NOT (EXISTS ( SELECT
           FROM pg_db_role_setting s
          WHERE ((s.setrole = r.oid) AND ((s.setconfig)::text ~~ '%idle_in_transaction_session_timeout=%'::text)))))));

-- Name: VIEW login_without_limits; Type: COMMENT
COMMENT ON VIEW public.login_without_limits IS 'Logins of people without a connection limit or time-outs; to set them: SELECT limit_login(name);';

-- Name: COLUMN login_without_limits.name; Type: COMMENT
COMMENT ON COLUMN public.login_without_limits.name IS 'The login';

-- Name: COLUMN login_without_limits.role; Type: COMMENT
COMMENT ON COLUMN public.login_without_limits.role IS 'operator | viewer';

-- Name: machine_lock; Type: TABLE
CREATE TABLE public.machine_lock (
    name text NOT NULL
);

-- Name: TABLE machine_lock; Type: COMMENT
COMMENT ON TABLE public.machine_lock IS 'Rows that beat and workers lock to take turns; made when first needed.';

-- Name: COLUMN machine_lock.name; Type: COMMENT
COMMENT ON COLUMN public.machine_lock.name IS 'Name of the lock';

-- Name: market; Type: TABLE
CREATE TABLE public.market (
    mic text NOT NULL,
    title text NOT NULL,
    timezone text NOT NULL
);

-- Name: TABLE market; Type: COMMENT
COMMENT ON TABLE public.market IS 'Exchanges whose trading days schedules may follow.';

-- Name: COLUMN market.mic; Type: COMMENT
COMMENT ON COLUMN public.market.mic IS 'Market identifier code';

-- Name: COLUMN market.title; Type: COMMENT
COMMENT ON COLUMN public.market.title IS 'Name for people';

-- Name: COLUMN market.timezone; Type: COMMENT
COMMENT ON COLUMN public.market.timezone IS 'IANA zone of its dates';

-- Name: market_session; Type: TABLE
CREATE TABLE public.market_session (
    mic text NOT NULL,
    session_date date NOT NULL,
    open_at timestamp with time zone NOT NULL,
    close_at timestamp with time zone NOT NULL
);

-- Name: TABLE market_session; Type: COMMENT
COMMENT ON TABLE public.market_session IS 'Trading days with their real opening and closing times.';

-- Name: COLUMN market_session.mic; Type: COMMENT
COMMENT ON COLUMN public.market_session.mic IS 'Exchange';

-- Name: COLUMN market_session.session_date; Type: COMMENT
COMMENT ON COLUMN public.market_session.session_date IS 'Date in the exchange''s own zone';

-- Name: COLUMN market_session.open_at; Type: COMMENT
COMMENT ON COLUMN public.market_session.open_at IS 'Opens';

-- Name: COLUMN market_session.close_at; Type: COMMENT
COMMENT ON COLUMN public.market_session.close_at IS 'Closes';

-- Name: match; Type: TABLE
CREATE TABLE public.match (
    id bigint NOT NULL,
    rule text NOT NULL,
    subject text NOT NULL,
    subject_id text NOT NULL,
    occasion text NOT NULL,
    occasion_key text NOT NULL,
    title text NOT NULL,
    facts jsonb NOT NULL,
    run_id uuid,
    matched_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE match; Type: COMMENT
COMMENT ON TABLE public.match IS 'Matches of rules: one for each rule, subject and occasion.';

-- Name: COLUMN match.id; Type: COMMENT
COMMENT ON COLUMN public.match.id IS 'Key';

-- Name: COLUMN match.rule; Type: COMMENT
COMMENT ON COLUMN public.match.rule IS 'Rule';

-- Name: COLUMN match.subject; Type: COMMENT
COMMENT ON COLUMN public.match.subject IS 'listing | token | quote';

-- Name: COLUMN match.subject_id; Type: COMMENT
COMMENT ON COLUMN public.match.subject_id IS 'Key of the listing or token, or the symbol';

-- Name: COLUMN match.occasion; Type: COMMENT
COMMENT ON COLUMN public.match.occasion IS 'new | price_drop | relisted | changed';

-- Name: COLUMN match.occasion_key; Type: COMMENT
COMMENT ON COLUMN public.match.occasion_key IS 'The occasion itself: each lower price, each return, each day is one of its own';

-- Name: COLUMN match.title; Type: COMMENT
COMMENT ON COLUMN public.match.title IS 'What it is, for people';

-- Name: COLUMN match.facts; Type: COMMENT
COMMENT ON COLUMN public.match.facts IS 'As it was found: price, currency, old_price, url, seller …';

-- Name: COLUMN match.run_id; Type: COMMENT
COMMENT ON COLUMN public.match.run_id IS 'Run that found it';

-- Name: COLUMN match.matched_at; Type: COMMENT
COMMENT ON COLUMN public.match.matched_at IS 'When';

-- Name: match_id_seq; Type: SEQUENCE
ALTER TABLE public.match ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.match_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: memo; Type: TABLE
CREATE TABLE public.memo (
    run_id uuid NOT NULL,
    name text NOT NULL,
    value jsonb NOT NULL,
    seq integer NOT NULL
);

-- Name: TABLE memo; Type: COMMENT
COMMENT ON TABLE public.memo IS 'Results that batches keep while they wait: steps of a plan, redirects.';

-- Name: COLUMN memo.run_id; Type: COMMENT
COMMENT ON COLUMN public.memo.run_id IS 'Its run';

-- Name: COLUMN memo.name; Type: COMMENT
COMMENT ON COLUMN public.memo.name IS 'Step of the plan, or the address that redirects';

-- Name: COLUMN memo.value; Type: COMMENT
COMMENT ON COLUMN public.memo.value IS 'The result';

-- Name: COLUMN memo.seq; Type: COMMENT
COMMENT ON COLUMN public.memo.seq IS 'Its batch';

-- Name: notice_id_seq; Type: SEQUENCE
ALTER TABLE public.notice ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.notice_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: notice_log; Type: VIEW
CREATE VIEW public.notice_log AS
 SELECT n.id,
    n.channel,
    n.state,
    COALESCE(m.title, (n.content ->> 'title'::text)) AS what,
    m.rule,
    m.occasion,
    n.attempts,
    n.answer,
    n.created_at,
    n.sent_at,
    (EXTRACT(epoch FROM (n.sent_at - m.matched_at)))::double precision AS seconds
   FROM (public.notice n
     LEFT JOIN public.match m ON ((m.id = n.match_id)))
  ORDER BY n.id DESC;

-- Name: VIEW notice_log; Type: COMMENT
COMMENT ON VIEW public.notice_log IS 'The outbox: messages to people, through which channel, and what its server answered';

-- Name: permit; Type: TABLE
CREATE TABLE public.permit (
    id bigint NOT NULL,
    upstream text NOT NULL,
    granted_at timestamp with time zone NOT NULL,
    stamp timestamp with time zone NOT NULL,
    settled boolean DEFAULT false NOT NULL,
    status smallint,
    run_id uuid,
    seq integer,
    path text
);

-- Name: TABLE permit; Type: COMMENT
COMMENT ON TABLE public.permit IS 'Every call to an upstream: the limiter''s log and the audit trail.';

-- Name: COLUMN permit.id; Type: COMMENT
COMMENT ON COLUMN public.permit.id IS 'Order of the calls';

-- Name: COLUMN permit.upstream; Type: COMMENT
COMMENT ON COLUMN public.permit.upstream IS 'The upstream';

-- Name: COLUMN permit.granted_at; Type: COMMENT
COMMENT ON COLUMN public.permit.granted_at IS 'When the call was let through';

-- Name: COLUMN permit.stamp; Type: COMMENT
COMMENT ON COLUMN public.permit.stamp IS 'End of its lease; once settled, time of the response';

-- Name: COLUMN permit.settled; Type: COMMENT
COMMENT ON COLUMN public.permit.settled IS 'Whether the response is in';

-- Name: COLUMN permit.status; Type: COMMENT
COMMENT ON COLUMN public.permit.status IS 'HTTP status of the response';

-- Name: COLUMN permit.run_id; Type: COMMENT
COMMENT ON COLUMN public.permit.run_id IS 'The run that called';

-- Name: COLUMN permit.seq; Type: COMMENT
COMMENT ON COLUMN public.permit.seq IS 'The batch that called';

-- Name: COLUMN permit.path; Type: COMMENT
COMMENT ON COLUMN public.permit.path IS 'Path called, without secrets';

-- Name: permit_id_seq; Type: SEQUENCE
ALTER TABLE public.permit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.permit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: price_bar; Type: TABLE
CREATE TABLE public.price_bar (
    symbol text NOT NULL,
    bar_date date NOT NULL,
    source text NOT NULL,
    open numeric(20,6),
    high numeric(20,6),
    low numeric(20,6),
    close numeric(20,6) NOT NULL,
    volume bigint,
    stored_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    revised_at timestamp with time zone,
    CONSTRAINT "close must be more than nothing" CHECK ((close > (0)::numeric)),
    CONSTRAINT "prices must be numbers" CHECK ((GREATEST(open, high, low, close) < 'Infinity'::numeric)),
    CONSTRAINT "volume must be 0 or more" CHECK ((volume >= 0))
);

-- Name: TABLE price_bar; Type: COMMENT
COMMENT ON TABLE public.price_bar IS 'Daily bars by symbol and source; a revision overwrites and is dated.';

-- Name: COLUMN price_bar.symbol; Type: COMMENT
COMMENT ON COLUMN public.price_bar.symbol IS 'Symbol';

-- Name: COLUMN price_bar.bar_date; Type: COMMENT
COMMENT ON COLUMN public.price_bar.bar_date IS 'Session';

-- Name: COLUMN price_bar.source; Type: COMMENT
COMMENT ON COLUMN public.price_bar.source IS 'Where it is from';

-- Name: COLUMN price_bar.open; Type: COMMENT
COMMENT ON COLUMN public.price_bar.open IS 'First price';

-- Name: COLUMN price_bar.high; Type: COMMENT
COMMENT ON COLUMN public.price_bar.high IS 'Highest price';

-- Name: COLUMN price_bar.low; Type: COMMENT
COMMENT ON COLUMN public.price_bar.low IS 'Lowest price';

-- Name: COLUMN price_bar.close; Type: COMMENT
COMMENT ON COLUMN public.price_bar.close IS 'Last price';

-- Name: COLUMN price_bar.volume; Type: COMMENT
COMMENT ON COLUMN public.price_bar.volume IS 'Shares traded';

-- Name: COLUMN price_bar.stored_at; Type: COMMENT
COMMENT ON COLUMN public.price_bar.stored_at IS 'First stored';

-- Name: COLUMN price_bar.revised_at; Type: COMMENT
COMMENT ON COLUMN public.price_bar.revised_at IS 'Last time the source said something else';

-- Name: price_outcome; Type: TABLE
CREATE TABLE public.price_outcome (
    run_id uuid NOT NULL,
    symbol text NOT NULL,
    outcome text NOT NULL,
    source text,
    detail text,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT "outcome is one of those in the docs" CHECK ((outcome = ANY (ARRAY['ok'::text, 'not_found'::text, 'stale'::text])))
);

-- Name: TABLE price_outcome; Type: COMMENT
COMMENT ON TABLE public.price_outcome IS 'Outcome of each symbol in each price run.';

-- Name: COLUMN price_outcome.run_id; Type: COMMENT
COMMENT ON COLUMN public.price_outcome.run_id IS 'Run';

-- Name: COLUMN price_outcome.symbol; Type: COMMENT
COMMENT ON COLUMN public.price_outcome.symbol IS 'Symbol';

-- Name: COLUMN price_outcome.outcome; Type: COMMENT
COMMENT ON COLUMN public.price_outcome.outcome IS 'ok | not_found | stale (answered, without its last session)';

-- Name: COLUMN price_outcome.source; Type: COMMENT
COMMENT ON COLUMN public.price_outcome.source IS 'Source that answered';

-- Name: COLUMN price_outcome.detail; Type: COMMENT
COMMENT ON COLUMN public.price_outcome.detail IS 'More about it';

-- Name: COLUMN price_outcome.at; Type: COMMENT
COMMENT ON COLUMN public.price_outcome.at IS 'When';

-- Name: queue_status; Type: VIEW
CREATE VIEW public.queue_status AS
 SELECT batch.queue,
    count(*) FILTER (WHERE (is_.open AND (batch.send_at IS NOT NULL) AND (NOT is_.later))) AS ready,
    count(*) FILTER (WHERE (batch.state = 'running'::text)) AS running,
    count(*) FILTER (WHERE (is_.open AND (batch.waiting_for IS NOT NULL) AND (batch.send_at IS NULL))) AS waiting_for_quota,
    min(batch.created_at) FILTER (WHERE (is_.open AND (batch.send_at IS NOT NULL) AND (NOT is_.later))) AS oldest,
    count(*) FILTER (WHERE (is_.open AND (batch.send_at IS NOT NULL) AND is_.later)) AS later
   FROM (public.batch
     CROSS JOIN LATERAL ( SELECT (batch.state = ANY (ARRAY['waiting'::text, 'sent'::text])) AS open,
            COALESCE((batch.not_before > clock_timestamp()), false) AS later) is_)
  WHERE (batch.state = ANY (ARRAY['waiting'::text, 'sent'::text, 'running'::text]))
  GROUP BY batch.queue
  ORDER BY batch.queue;

-- Name: VIEW queue_status; Type: COMMENT
COMMENT ON VIEW public.queue_status IS 'Work by queue: ready, running, waiting for an upstream, and for later (batch delay, back-off)';

-- Name: quota; Type: TABLE
CREATE TABLE public.quota (
    upstream text NOT NULL,
    per interval NOT NULL,
    calls integer NOT NULL,
    note text,
    timezone text,
    paced boolean DEFAULT false NOT NULL,
    CONSTRAINT "a quota with a timezone counts its days: per must be 1 day" CHECK (((timezone IS NULL) OR (per = '1 day'::interval))),
    CONSTRAINT "calls must be 1 or more; to stop calls disable the upstream" CHECK ((calls >= 1)),
    CONSTRAINT "per is at most 31 days" CHECK ((per <= '31 days'::interval)),
    CONSTRAINT "per must be longer than nothing" CHECK ((per > '00:00:00'::interval)),
    CONSTRAINT "per: no months or years, write 30 days" CHECK (((EXTRACT(year FROM per) = (0)::numeric) AND (EXTRACT(month FROM per) = (0)::numeric)))
);

-- Name: TABLE quota; Type: COMMENT
COMMENT ON TABLE public.quota IS 'Limits of upstreams: at most so many calls in any window so long.';

-- Name: COLUMN quota.upstream; Type: COMMENT
COMMENT ON COLUMN public.quota.upstream IS 'The upstream';

-- Name: COLUMN quota.per; Type: COMMENT
COMMENT ON COLUMN public.quota.per IS 'Length of the window, e.g. ''1 minute'', ''1 day''';

-- Name: COLUMN quota.calls; Type: COMMENT
COMMENT ON COLUMN public.quota.calls IS 'Most calls in any such window';

-- Name: COLUMN quota.note; Type: COMMENT
COMMENT ON COLUMN public.quota.note IS 'Where the number comes from';

-- Name: COLUMN quota.timezone; Type: COMMENT
COMMENT ON COLUMN public.quota.timezone IS 'Counts calendar days of this timezone; null: any window so long';

-- Name: COLUMN quota.paced; Type: COMMENT
COMMENT ON COLUMN public.quota.paced IS 'Spread evenly: one call per per/calls, so that a day''s quota lasts the day';

-- Name: quota_status; Type: VIEW
CREATE VIEW public.quota_status AS
 SELECT u.name AS upstream,
        CASE
            WHEN (q.timezone IS NULL) THEN public.duration_words(q.per)
            ELSE ('day of '::text || q.timezone)
        END AS per,
    used.calls AS used,
    q.calls AS allowed,
    (round(((100.0 * (used.calls)::numeric) / (q.calls)::numeric)) || ' %'::text) AS share,
    public.in_words(
        CASE
            WHEN (used.calls = 0) THEN NULL::timestamp with time zone
            WHEN (q.timezone IS NULL) THEN (used.oldest + q.per)
            ELSE public.window_free(NULL::timestamp with time zone, q.per, q.timezone, clock_timestamp())
        END) AS resets,
    waiting.batches AS waiting,
    waiting.who AS who_waits,
        CASE
            WHEN (s.blocked_until > clock_timestamp()) THEN s.blocked_until
            ELSE NULL::timestamp with time zone
        END AS blocked_until,
        CASE
            WHEN (NOT u.enabled) THEN ('disabled'::text || COALESCE((': '::text || u.note), ''::text))
            WHEN (s.blocked_until > clock_timestamp()) THEN s.blocked_reason
            ELSE NULL::text
        END AS blocked_because,
        CASE
            WHEN (s.blocked_until > clock_timestamp()) THEN 'open'::text
            WHEN ((s.failures > 0) AND (s.blocked_until IS NOT NULL)) THEN 'half open'::text
            ELSE 'closed'::text
        END AS breaker,
    s.next_permit_at,
    s.next_permit_reason,
    s.failures,
    q.per AS per_interval,
    q.paced
   FROM ((((public.upstream u
     JOIN public.upstream_state s ON ((s.upstream = u.name)))
     LEFT JOIN public.quota q ON ((q.upstream = u.name)))
     CROSS JOIN LATERAL ( SELECT count(*) AS calls,
            min(p.stamp) AS oldest
           FROM public.permit p
          WHERE ((p.upstream = u.name) AND (p.stamp > public.window_start(q.per, q.timezone, clock_timestamp())))) used)
     CROSS JOIN LATERAL ( SELECT count(*) AS batches,
            string_agg(DISTINCT COALESCE(r.schedule, r.task), ', '::text) AS who
           FROM (public.batch b
             JOIN public.run r ON ((r.id = b.run_id)))
          WHERE ((b.waiting_for = u.name) AND (b.state = ANY (ARRAY['waiting'::text, 'sent'::text])))) waiting)
  ORDER BY u.name, q.per;

-- Name: VIEW quota_status; Type: COMMENT
COMMENT ON VIEW public.quota_status IS 'How much of each upstream''s limits is used, who waits, what is blocked and why (breaker: closed lets calls through)';

-- Name: quote; Type: TABLE
CREATE TABLE public.quote (
    symbol text NOT NULL,
    source text NOT NULL,
    price numeric(20,6) NOT NULL,
    session_date date NOT NULL,
    volume bigint,
    previous_close numeric(20,6),
    fetched_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT "price must be more than nothing" CHECK ((price > (0)::numeric)),
    CONSTRAINT "prices must be numbers" CHECK ((GREATEST(price, previous_close) < 'Infinity'::numeric))
);

-- Name: TABLE quote; Type: COMMENT
COMMENT ON TABLE public.quote IS 'The latest price by symbol and source.';

-- Name: COLUMN quote.symbol; Type: COMMENT
COMMENT ON COLUMN public.quote.symbol IS 'Symbol';

-- Name: COLUMN quote.source; Type: COMMENT
COMMENT ON COLUMN public.quote.source IS 'Where it is from';

-- Name: COLUMN quote.price; Type: COMMENT
COMMENT ON COLUMN public.quote.price IS 'Price';

-- Name: COLUMN quote.session_date; Type: COMMENT
COMMENT ON COLUMN public.quote.session_date IS 'Session the price is of';

-- Name: COLUMN quote.volume; Type: COMMENT
COMMENT ON COLUMN public.quote.volume IS 'Shares traded in it';

-- Name: COLUMN quote.previous_close; Type: COMMENT
COMMENT ON COLUMN public.quote.previous_close IS 'Last price the session before';

-- Name: COLUMN quote.fetched_at; Type: COMMENT
COMMENT ON COLUMN public.quote.fetched_at IS 'Last confirmed';

-- Name: schedule_change; Type: TABLE
CREATE TABLE public.schedule_change (
    id bigint NOT NULL,
    schedule text NOT NULL,
    action text NOT NULL,
    changes jsonb NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    changed_by text NOT NULL,
    program text
);

-- Name: TABLE schedule_change; Type: COMMENT
COMMENT ON TABLE public.schedule_change IS 'The audit: what changed, from what to what, by whom, with which program.';

-- Name: COLUMN schedule_change.id; Type: COMMENT
COMMENT ON COLUMN public.schedule_change.id IS 'Order of the changes';

-- Name: COLUMN schedule_change.schedule; Type: COMMENT
COMMENT ON COLUMN public.schedule_change.schedule IS 'Name of the schedule';

-- Name: COLUMN schedule_change.action; Type: COMMENT
COMMENT ON COLUMN public.schedule_change.action IS 'insert | update | delete';

-- Name: COLUMN schedule_change.changes; Type: COMMENT
COMMENT ON COLUMN public.schedule_change.changes IS 'Only what changed: {"every": ["04:00:00", "02:00:00"]}';

-- Name: COLUMN schedule_change.changed_at; Type: COMMENT
COMMENT ON COLUMN public.schedule_change.changed_at IS 'When';

-- Name: COLUMN schedule_change.changed_by; Type: COMMENT
COMMENT ON COLUMN public.schedule_change.changed_by IS 'Person or role';

-- Name: COLUMN schedule_change.program; Type: COMMENT
COMMENT ON COLUMN public.schedule_change.program IS 'application_name of the session';

-- Name: recent_changes; Type: VIEW
CREATE VIEW public.recent_changes AS
 SELECT changed_at,
    changed_by,
    program,
    schedule,
        CASE action
            WHEN 'update'::text THEN ( SELECT string_agg(((((jsonb_each.key || ': '::text) || COALESCE((jsonb_each.value ->> 0), 'null'::text)) || ' -> '::text) || COALESCE((jsonb_each.value ->> 1), 'null'::text)), ', '::text) AS string_agg
               FROM jsonb_each(c.changes) jsonb_each(key, value))
            ELSE (rtrim(action, 'e'::text) || 'ed'::text)
        END AS change,
    changes
   FROM public.schedule_change c
  ORDER BY id DESC;

-- Name: VIEW recent_changes; Type: COMMENT
COMMENT ON VIEW public.recent_changes IS 'Who changed what, the newest first; add LIMIT';

-- Name: recent_failures; Type: VIEW
CREATE VIEW public.recent_failures AS
 SELECT public.ago_words(finished_at) AS ago,
    COALESCE(schedule, task) AS name,
    state,
    error,
    failed,
    total,
    finished_at,
    id,
    traceback
   FROM public.run r
  WHERE (state = ANY (ARRAY['failed'::text, 'partial'::text]))
  ORDER BY finished_at DESC;

-- Name: VIEW recent_failures; Type: COMMENT
COMMENT ON VIEW public.recent_failures IS 'Runs that failed, whole or in part, the newest first; add LIMIT';

-- Name: recent_price_outcomes; Type: VIEW
CREATE VIEW public.recent_price_outcomes AS
 SELECT price_outcome.at,
    price_outcome.symbol,
    price_outcome.outcome,
    price_outcome.source,
    price_outcome.detail,
    price_outcome.run_id
   FROM public.price_outcome
UNION ALL
 SELECT COALESCE(b.finished_at, b.updated_at) AS at,
    (i.value ->> 'key'::text) AS symbol,
        CASE
            WHEN (COALESCE((i.value ->> 'state'::text), 'waiting'::text) <> 'deferred'::text) THEN 'error'::text
            WHEN (COALESCE((i.value ->> 'error'::text), b.error) ~~ '%blocked: %'::text) THEN 'rate_limited'::text
            ELSE 'deferred'::text
        END AS outcome,
    NULL::text AS source,
    COALESCE((i.value ->> 'error'::text), b.error) AS detail,
    b.run_id
   FROM (public.batch b
     CROSS JOIN LATERAL jsonb_array_elements(b.items) i(value))
  WHERE ((b.task ~~ 'tasks.prices.%'::text) AND (((b.failed + b.deferred) > 0) OR (b.state = ANY (ARRAY['failed'::text, 'stopped'::text]))) AND (((i.value ->> 'state'::text) = ANY (ARRAY['failed'::text, 'deferred'::text])) OR ((b.state = ANY (ARRAY['failed'::text, 'stopped'::text])) AND ((i.value ->> 'state'::text) IS DISTINCT FROM 'done'::text))))
  ORDER BY 1 DESC;

-- Name: VIEW recent_price_outcomes; Type: COMMENT
COMMENT ON VIEW public.recent_price_outcomes IS 'Outcome of each symbol in each price run: ok, stale, not_found, rate_limited (the source said so), deferred (our quota is spent) or error; add LIMIT';

-- Name: recent_runs; Type: VIEW
CREATE VIEW public.recent_runs AS
 SELECT public.ago_words(created_at) AS ago,
    COALESCE(schedule, task) AS name,
    trigger,
    state,
    COALESCE(error, reason, (result ->> 'summary'::text)) AS summary,
    public.duration_words(date_trunc('milliseconds'::text, (finished_at - started_at))) AS took,
    done,
    failed,
    deferred,
    total,
    due_at,
    created_at,
    id,
    started_at,
    finished_at,
    (finished_at - started_at) AS took_interval,
    requested_by
   FROM public.run r
  ORDER BY created_at DESC;

-- Name: VIEW recent_runs; Type: COMMENT
COMMENT ON VIEW public.recent_runs IS 'Runs, the newest first; add LIMIT';

-- Name: robots_file; Type: TABLE
CREATE TABLE public.robots_file (
    upstream text NOT NULL,
    url text NOT NULL,
    body text NOT NULL,
    fetched_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE robots_file; Type: COMMENT
COMMENT ON TABLE public.robots_file IS 'Each site''s robots.txt as it was fetched last.';

-- Name: COLUMN robots_file.upstream; Type: COMMENT
COMMENT ON COLUMN public.robots_file.upstream IS 'The upstream';

-- Name: COLUMN robots_file.url; Type: COMMENT
COMMENT ON COLUMN public.robots_file.url IS 'Where it was fetched from';

-- Name: COLUMN robots_file.body; Type: COMMENT
COMMENT ON COLUMN public.robots_file.body IS 'The file; empty where there is none';

-- Name: COLUMN robots_file.fetched_at; Type: COMMENT
COMMENT ON COLUMN public.robots_file.fetched_at IS 'When';

-- Name: rule; Type: TABLE
CREATE TABLE public.rule (
    name text NOT NULL,
    subject text DEFAULT 'listing'::text NOT NULL,
    expression text NOT NULL,
    grammar smallint DEFAULT 2 NOT NULL,
    filters jsonb DEFAULT '{}'::jsonb NOT NULL,
    occasions text[] DEFAULT '{new,price_drop,relisted,changed}'::text[] NOT NULL,
    channels text[],
    baseline boolean DEFAULT false NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    note text,
    revision bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    currency text,
    CONSTRAINT "currency: only rules on listings have one" CHECK (((currency IS NULL) OR (subject = 'listing'::text))),
    CONSTRAINT "currency: three capitals such as EUR, or null (the site's)" CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT "filters must be a JSON object" CHECK ((jsonb_typeof(filters) = 'object'::text)),
    CONSTRAINT "grammar: 1 (as it was) or 2" CHECK ((grammar = ANY (ARRAY[1, 2]))),
    CONSTRAINT "name: lower-case words and digits joined by hyphens" CHECK ((name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text)),
    CONSTRAINT "occasions: new, price_drop, relisted, changed" CHECK ((occasions <@ ARRAY['new'::text, 'price_drop'::text, 'relisted'::text, 'changed'::text])),
    CONSTRAINT "subject: listing, token or quote" CHECK ((subject = ANY (ARRAY['listing'::text, 'token'::text, 'quote'::text])))
);

-- Name: TABLE rule; Type: COMMENT
COMMENT ON TABLE public.rule IS 'Rules: an expression over what a watch finds.';

-- Name: COLUMN rule.name; Type: COMMENT
COMMENT ON COLUMN public.rule.name IS 'Lower-case words joined by hyphens';

-- Name: COLUMN rule.subject; Type: COMMENT
COMMENT ON COLUMN public.rule.subject IS 'listing | token | quote';

-- Name: COLUMN rule.expression; Type: COMMENT
COMMENT ON COLUMN public.rule.expression IS 'E.g. title contains "HD 650" AND price < 300';

-- Name: COLUMN rule.grammar; Type: COMMENT
COMMENT ON COLUMN public.rule.grammar IS 'Language of the expression: 1 (as it was) or 2';

-- Name: COLUMN rule.filters; Type: COMMENT
COMMENT ON COLUMN public.rule.filters IS 'Filters that replace the global ones, one by one';

-- Name: COLUMN rule.occasions; Type: COMMENT
COMMENT ON COLUMN public.rule.occasions IS 'Occasions that it is evaluated on: new, price_drop, relisted, changed';

-- Name: COLUMN rule.channels; Type: COMMENT
COMMENT ON COLUMN public.rule.channels IS 'Channels that get its matches; null: every enabled one';

-- Name: COLUMN rule.baseline; Type: COMMENT
COMMENT ON COLUMN public.rule.baseline IS 'Also ads that a category''s first scrape finds';

-- Name: COLUMN rule.enabled; Type: COMMENT
COMMENT ON COLUMN public.rule.enabled IS 'false: not evaluated';

-- Name: COLUMN rule.note; Type: COMMENT
COMMENT ON COLUMN public.rule.note IS 'Remarks';

-- Name: COLUMN rule.revision; Type: COMMENT
COMMENT ON COLUMN public.rule.revision IS 'Rises at every edit (trigger)';

-- Name: COLUMN rule.updated_at; Type: COMMENT
COMMENT ON COLUMN public.rule.updated_at IS 'Last edit (trigger)';

-- Name: COLUMN rule.currency; Type: COMMENT
COMMENT ON COLUMN public.rule.currency IS 'Currency (ISO 4217) of the prices it compares; null: the site''s own';

-- Name: rule_state; Type: TABLE
CREATE TABLE public.rule_state (
    rule text NOT NULL,
    revision bigint NOT NULL,
    error text,
    error_at integer,
    hint text,
    checked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE rule_state; Type: COMMENT
COMMENT ON TABLE public.rule_state IS 'Whether each rule can be read; if not, where and why.';

-- Name: COLUMN rule_state.rule; Type: COMMENT
COMMENT ON COLUMN public.rule_state.rule IS 'Rule';

-- Name: COLUMN rule_state.revision; Type: COMMENT
COMMENT ON COLUMN public.rule_state.revision IS 'Revision that was read';

-- Name: COLUMN rule_state.error; Type: COMMENT
COMMENT ON COLUMN public.rule_state.error IS 'What is wrong; null: the rule is active';

-- Name: COLUMN rule_state.error_at; Type: COMMENT
COMMENT ON COLUMN public.rule_state.error_at IS 'Where in the expression, in characters from 0';

-- Name: COLUMN rule_state.hint; Type: COMMENT
COMMENT ON COLUMN public.rule_state.hint IS 'What to write instead';

-- Name: COLUMN rule_state.checked_at; Type: COMMENT
COMMENT ON COLUMN public.rule_state.checked_at IS 'When';

-- Name: rule_status; Type: VIEW
CREATE VIEW public.rule_status AS
 SELECT r.name,
    r.subject,
    r.expression,
        CASE
            WHEN (NOT r.enabled) THEN 'disabled'::text
            WHEN (s.revision IS DISTINCT FROM r.revision) THEN 'not yet read'::text
            WHEN (s.error IS NOT NULL) THEN ('wrong: '::text || s.error)
            ELSE 'active'::text
        END AS state,
        CASE
            WHEN ((s.revision = r.revision) AND (s.error IS NOT NULL)) THEN (("left"(r.expression, s.error_at) || ' ⟶ '::text) || substr(r.expression, (s.error_at + 1)))
            ELSE NULL::text
        END AS wrong_at,
        CASE
            WHEN (s.revision = r.revision) THEN s.hint
            ELSE NULL::text
        END AS hint,
    ( SELECT count(*) AS count
           FROM public.match m
          WHERE (m.rule = r.name)) AS matches,
    ( SELECT max(m.matched_at) AS max
           FROM public.match m
          WHERE (m.rule = r.name)) AS last_match_at,
    COALESCE(array_to_string(r.channels, ', '::text), 'every channel'::text) AS channels,
    r.note
   FROM (public.rule r
     LEFT JOIN public.rule_state s ON ((s.rule = r.name)))
  ORDER BY r.name;

-- Name: VIEW rule_status; Type: COMMENT
COMMENT ON VIEW public.rule_status IS 'Each rule: whether it is active, if not its error, and what it found';

-- Name: run_request_id_seq; Type: SEQUENCE
ALTER TABLE public.run_request ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.run_request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: running_now; Type: VIEW
CREATE VIEW public.running_now AS
 SELECT r.schedule,
    r.task,
        CASE
            WHEN (all_.items > 0) THEN (repeat('█'::text, (((20 * b.ended) / all_.items))::integer) || repeat('░'::text, (20 - (((20 * b.ended) / all_.items))::integer)))
            ELSE NULL::text
        END AS progress,
    ((b.ended || '/'::text) || all_.items) AS items,
    public.duration_words(date_trunc('second'::text, (clock_timestamp() - r.started_at))) AS elapsed,
        CASE
            WHEN ((b.ended > 0) AND (b.total > b.ended)) THEN ('about '::text || public.duration_words(date_trunc('second'::text, ((clock_timestamp() - r.started_at) * (((b.total - b.ended))::double precision / (b.ended)::double precision)))))
            ELSE NULL::text
        END AS time_left,
    ( SELECT string_agg((w.upstream ||
                CASE
                    WHEN (u.next_permit_at > clock_timestamp()) THEN (', '::text || public.in_words(u.next_permit_at))
                    ELSE ''::text
                END), '; '::text ORDER BY w.upstream) AS string_agg
           FROM (unnest(b.waiting_for) w(upstream)
             LEFT JOIN public.upstream_state u ON ((u.upstream = w.upstream)))) AS waiting_for,
    (r.trigger || COALESCE((' by '::text || r.requested_by), ''::text)) AS started_by,
    b.failed,
    r.state,
    r.id,
    r.started_at,
    r.created_at,
    all_.items AS total,
    b.ended,
    b.done,
    b.deferred,
    b.waiting_for AS waiting_upstreams,
    (clock_timestamp() - r.started_at) AS elapsed_interval
   FROM ((public.run r
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(((batch.done + batch.failed) + batch.deferred)), (0)::bigint) AS ended,
            COALESCE(sum(batch.done), (0)::bigint) AS done,
            COALESCE(sum(batch.failed), (0)::bigint) AS failed,
            COALESCE(sum(batch.deferred), (0)::bigint) AS deferred,
            COALESCE(sum(batch.total), (0)::bigint) AS total,
            array_agg(DISTINCT batch.waiting_for) FILTER (WHERE (batch.waiting_for IS NOT NULL)) AS waiting_for
           FROM public.batch
          WHERE (batch.run_id = r.id)) b)
     CROSS JOIN LATERAL ( SELECT GREATEST((r.total)::bigint, b.total) AS items) all_)
  WHERE (r.state = ANY (ARRAY['due'::text, 'running'::text, 'held'::text]))
  ORDER BY r.created_at;

-- Name: VIEW running_now; Type: COMMENT
COMMENT ON VIEW public.running_now IS 'Active runs, their progress, and what they wait for';

-- Name: scaling_status; Type: VIEW
CREATE VIEW public.scaling_status AS
 SELECT name AS worker,
    ((detail ->> 'processes'::text))::integer AS processes,
    ((detail ->> 'min'::text))::integer AS min,
    ((detail ->> 'max'::text))::integer AS max,
    ((detail ->> 'wanted'::text))::integer AS wanted,
    ((detail ->> 'ready'::text))::integer AS ready,
    ( SELECT count(*) AS count
           FROM public.batch b
          WHERE ((b.state = 'running'::text) AND (b.worker = h.name))) AS busy,
    COALESCE((detail ->> 'measure'::text), 'fixed size'::text) AS measure,
    ( SELECT string_agg(queue.value, ', '::text) AS string_agg
           FROM jsonb_array_elements_text((h.detail -> 'queues'::text)) queue(value)) AS queues,
    seen_at
   FROM public.heartbeat h
  WHERE ((role = 'worker'::text) AND (seen_at > (clock_timestamp() - '00:01:00'::interval)) AND (NOT (detail ? 'ended'::text)))
  ORDER BY name;

-- Name: VIEW scaling_status; Type: COMMENT
COMMENT ON VIEW public.scaling_status IS 'Each worker''s pool: its size, its bounds, and what the size follows';

-- Name: schedule_change_id_seq; Type: SEQUENCE
ALTER TABLE public.schedule_change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.schedule_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: schedule_edit; Type: TABLE
CREATE TABLE public.schedule_edit (
    id bigint NOT NULL,
    schedule text NOT NULL,
    edited_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE schedule_edit; Type: COMMENT
COMMENT ON TABLE public.schedule_edit IS 'Edits that beat has not planned yet; appended by trigger.';

-- Name: COLUMN schedule_edit.id; Type: COMMENT
COMMENT ON COLUMN public.schedule_edit.id IS 'Order of the edits';

-- Name: COLUMN schedule_edit.schedule; Type: COMMENT
COMMENT ON COLUMN public.schedule_edit.schedule IS 'Name of the schedule edited';

-- Name: COLUMN schedule_edit.edited_at; Type: COMMENT
COMMENT ON COLUMN public.schedule_edit.edited_at IS 'Edited at';

-- Name: schedule_edit_id_seq; Type: SEQUENCE
ALTER TABLE public.schedule_edit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.schedule_edit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: schedule_revision; Type: SEQUENCE
CREATE SEQUENCE public.schedule_revision
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

-- Name: SEQUENCE schedule_revision; Type: COMMENT
COMMENT ON SEQUENCE public.schedule_revision IS 'Revisions of schedules: a sequence, so that no edit is lost to a clock';

-- Name: schedule_state; Type: TABLE
CREATE TABLE public.schedule_state (
    schedule text NOT NULL,
    planned_revision bigint,
    anchor_at timestamp with time zone,
    next_run_at timestamp with time zone,
    claim_at timestamp with time zone,
    last_due_at timestamp with time zone,
    runs_counted bigint DEFAULT 0 NOT NULL,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    tripped_at timestamp with time zone,
    tripped_reason text,
    error text,
    error_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (fillfactor='75');

-- Name: TABLE schedule_state; Type: COMMENT
COMMENT ON TABLE public.schedule_state IS 'State of each schedule: next run, failures, errors.';

-- Name: COLUMN schedule_state.schedule; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.schedule IS 'The schedule';

-- Name: COLUMN schedule_state.planned_revision; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.planned_revision IS 'Revision of the schedule that this plan is made from';

-- Name: COLUMN schedule_state.anchor_at; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.anchor_at IS 'Where the grid of every begins';

-- Name: COLUMN schedule_state.next_run_at; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.next_run_at IS 'Next due time (nominal); null: none';

-- Name: COLUMN schedule_state.claim_at; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.claim_at IS 'When beat acts on it: next_run_at plus jitter';

-- Name: COLUMN schedule_state.last_due_at; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.last_due_at IS 'Latest due time accounted for';

-- Name: COLUMN schedule_state.runs_counted; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.runs_counted IS 'Runs started so far, against max_runs';

-- Name: COLUMN schedule_state.consecutive_failures; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.consecutive_failures IS 'Failed runs since the last good one; alert_on_partial says which partial runs count';

-- Name: COLUMN schedule_state.tripped_at; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.tripped_at IS 'Since when it is paused automatically; any edit clears it';

-- Name: COLUMN schedule_state.tripped_reason; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.tripped_reason IS 'Why it is paused automatically';

-- Name: COLUMN schedule_state.error; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.error IS 'Why beat set it aside; any edit lets beat try again';

-- Name: COLUMN schedule_state.error_at; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.error_at IS 'When beat set it aside';

-- Name: COLUMN schedule_state.updated_at; Type: COMMENT
COMMENT ON COLUMN public.schedule_state.updated_at IS 'Last change by beat';

-- Name: schedule_status; Type: VIEW
CREATE VIEW public.schedule_status AS
 SELECT s.name,
    public.schedule_words(s.*) AS runs,
        CASE
            WHEN (st.error IS NOT NULL) THEN ('set aside: '::text || st.error)
            WHEN (NOT s.enabled) THEN 'disabled'::text
            WHEN switch.paused THEN 'paused (all)'::text
            WHEN (s.paused_until = 'infinity'::timestamp with time zone) THEN 'paused'::text
            WHEN (s.paused_until > clock_timestamp()) THEN ((('paused until '::text || to_char((s.paused_until AT TIME ZONE s.timezone), 'MM-DD HH24:MI'::text)) || ' '::text) || s.timezone)
            WHEN (st.tripped_at IS NOT NULL) THEN ('paused itself: '::text || st.tripped_reason)
            WHEN (st.claim_at < (clock_timestamp() - '00:01:00'::interval)) THEN ('LATE by '::text || public.duration_words(date_trunc('second'::text, (clock_timestamp() - st.claim_at))))
            ELSE 'on'::text
        END AS state,
    (NOT (st.planned_revision IS DISTINCT FROM s.revision)) AS seen_by_beat,
    public.ago_words(last.created_at) AS last_run,
    last.state AS result,
    COALESCE(last.error, last.reason, (last.result ->> 'summary'::text)) AS summary,
        CASE
            WHEN (s.after IS NOT NULL) THEN ('after '::text || s.after)
            ELSE public.in_words(st.next_run_at)
        END AS next_run,
    (round(((100)::numeric * recent.share)) || ' %'::text) AS success_rate,
    (round(((100)::numeric * recent.partial_share)) || ' %'::text) AS partial_rate,
    public.duration_words(date_trunc('second'::text, recent.median)) AS median_duration,
    s.note,
        CASE
            WHEN switch.paused THEN switch.note
            WHEN (s.paused_until > clock_timestamp()) THEN s.pause_reason
            ELSE NULL::text
        END AS pause_reason,
        CASE
            WHEN switch.paused THEN switch.changed_by
            WHEN (s.paused_until > clock_timestamp()) THEN ( SELECT c.changed_by
               FROM public.schedule_change c
              WHERE ((c.schedule = s.name) AND (c.changes ? 'paused_until'::text))
              ORDER BY c.changed_at DESC
             LIMIT 1)
            ELSE NULL::text
        END AS paused_by,
    s.enabled,
    s.every,
    s.cron,
    s.timezone,
    s.task,
    s.paused_until,
    st.next_run_at,
    last.created_at AS last_run_at,
    last.id AS last_run_id,
    st.consecutive_failures,
    round(recent.share, 3) AS success_share,
    recent.median AS median_interval,
    st.tripped_at,
    st.error,
    round(recent.partial_share, 3) AS partial_share,
    s.alert_after,
    s.alert_on_partial
   FROM ((((public.schedule s
     CROSS JOIN public.pause_switch switch)
     LEFT JOIN public.schedule_state st ON ((st.schedule = s.name)))
     LEFT JOIN LATERAL ( SELECT r.id,
            r.schedule,
            r.task,
            r.options,
            r.trigger,
            r.due_at,
            r.covers_from,
            r.covers_count,
            r.state,
            r.reason,
            r.exclusive,
            r.queue,
            r.priority,
            r.max_attempts,
            r.batch_size,
            r.batch_delay,
            r.max_in_flight,
            r.timeout,
            r.expires_at,
            r.deadline_at,
            r.stop_requested_at,
            r.batch_count,
            r.open_batches,
            r.total,
            r.done,
            r.failed,
            r.deferred,
            r.result,
            r.error,
            r.traceback,
            r.requested_by,
            r.retry_of,
            r.counted,
            r.created_at,
            r.started_at,
            r.finished_at
           FROM public.run r
          WHERE ((r.schedule = s.name) AND (r.state <> ALL (ARRAY['missed'::text, 'skipped'::text])))
          ORDER BY r.created_at DESC
         LIMIT 1) last ON (true))
     LEFT JOIN LATERAL ( SELECT ((count(*) FILTER (WHERE (ended.state = 'succeeded'::text)))::numeric / (NULLIF(count(*), 0))::numeric) AS share,
            ((count(*) FILTER (WHERE (ended.state = 'partial'::text)))::numeric / (NULLIF(count(*), 0))::numeric) AS partial_share,
            percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY (ended.finished_at - ended.started_at)) AS median
           FROM ( SELECT r.state,
                    r.started_at,
                    r.finished_at
                   FROM public.run r
                  WHERE ((r.schedule = s.name) AND (r.finished_at IS NOT NULL) AND (r.started_at IS NOT NULL))
                  ORDER BY r.created_at DESC
                 LIMIT 20) ended) recent ON (true))
  ORDER BY s.name;

-- Name: VIEW schedule_status; Type: COMMENT
COMMENT ON VIEW public.schedule_status IS 'Start here: every schedule, when it runs, how it went, when it runs next';

-- Name: COLUMN schedule_status.seen_by_beat; Type: COMMENT
COMMENT ON COLUMN public.schedule_status.seen_by_beat IS 'Whether beat has planned the latest edit';

-- Name: COLUMN schedule_status.success_rate; Type: COMMENT
COMMENT ON COLUMN public.schedule_status.success_rate IS 'Of the last 20 runs; a partial one is no success';

-- Name: COLUMN schedule_status.partial_rate; Type: COMMENT
COMMENT ON COLUMN public.schedule_status.partial_rate IS 'Of the last 20 runs: those of which some items failed or were deferred';

-- Name: COLUMN schedule_status.median_duration; Type: COMMENT
COMMENT ON COLUMN public.schedule_status.median_duration IS 'Of the last 20 runs';

-- Name: COLUMN schedule_status.pause_reason; Type: COMMENT
COMMENT ON COLUMN public.schedule_status.pause_reason IS 'Why it is paused now, or why everything is';

-- Name: COLUMN schedule_status.paused_by; Type: COMMENT
COMMENT ON COLUMN public.schedule_status.paused_by IS 'Who paused it, or everything';

-- Name: scrape; Type: TABLE
CREATE TABLE public.scrape (
    run_id uuid NOT NULL,
    category_id bigint NOT NULL,
    thorough boolean NOT NULL,
    pages integer DEFAULT 0 NOT NULL,
    unchanged_pages integer DEFAULT 0 NOT NULL,
    cards integer DEFAULT 0 NOT NULL,
    new integer DEFAULT 0 NOT NULL,
    changed integer DEFAULT 0 NOT NULL,
    price_changes integer DEFAULT 0 NOT NULL,
    expired integer DEFAULT 0 NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    reason text,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT "state is one of those in the comment" CHECK ((state = ANY (ARRAY['running'::text, 'complete'::text, 'incomplete'::text, 'blocked'::text, 'failed'::text])))
);

-- Name: TABLE scrape; Type: COMMENT
COMMENT ON TABLE public.scrape IS 'Outcome of each category in each scrape run.';

-- Name: COLUMN scrape.run_id; Type: COMMENT
COMMENT ON COLUMN public.scrape.run_id IS 'Run';

-- Name: COLUMN scrape.category_id; Type: COMMENT
COMMENT ON COLUMN public.scrape.category_id IS 'Category';

-- Name: COLUMN scrape.thorough; Type: COMMENT
COMMENT ON COLUMN public.scrape.thorough IS 'Whether it was thorough, as a category''s first scrape is';

-- Name: COLUMN scrape.pages; Type: COMMENT
COMMENT ON COLUMN public.scrape.pages IS 'Pages read';

-- Name: COLUMN scrape.unchanged_pages; Type: COMMENT
COMMENT ON COLUMN public.scrape.unchanged_pages IS 'Pages that the site said had not changed (304)';

-- Name: COLUMN scrape.cards; Type: COMMENT
COMMENT ON COLUMN public.scrape.cards IS 'Ads on them';

-- Name: COLUMN scrape.new; Type: COMMENT
COMMENT ON COLUMN public.scrape.new IS 'Ads never seen before';

-- Name: COLUMN scrape.changed; Type: COMMENT
COMMENT ON COLUMN public.scrape.changed IS 'Ads that changed';

-- Name: COLUMN scrape.price_changes; Type: COMMENT
COMMENT ON COLUMN public.scrape.price_changes IS 'Prices recorded: first ones and changes';

-- Name: COLUMN scrape.expired; Type: COMMENT
COMMENT ON COLUMN public.scrape.expired IS 'Ads that expired';

-- Name: COLUMN scrape.state; Type: COMMENT
COMMENT ON COLUMN public.scrape.state IS 'running | complete | incomplete | blocked | failed';

-- Name: COLUMN scrape.reason; Type: COMMENT
COMMENT ON COLUMN public.scrape.reason IS 'Why it ended where it did';

-- Name: COLUMN scrape.started_at; Type: COMMENT
COMMENT ON COLUMN public.scrape.started_at IS 'First page';

-- Name: COLUMN scrape.ended_at; Type: COMMENT
COMMENT ON COLUMN public.scrape.ended_at IS 'Ended';

-- Name: scrape_log; Type: VIEW
CREATE VIEW public.scrape_log AS
 SELECT s.started_at,
    c.site,
    c.slug AS category,
        CASE
            WHEN given.early THEN 'incomplete'::text
            ELSE s.state
        END AS state,
        CASE
            WHEN given.early THEN concat_ws(': '::text, 'its run ended first', r.error)
            ELSE s.reason
        END AS reason,
    s.pages,
    s.cards,
    s.new,
    s.changed,
    s.expired,
    (s.state = 'complete'::text) AS complete,
        CASE
            WHEN (s.state = 'blocked'::text) THEN s.reason
            ELSE NULL::text
        END AS blocked_why,
    s.thorough,
    s.unchanged_pages,
    s.price_changes,
    (s.ended_at - s.started_at) AS took,
    r.state AS run_state,
    r.schedule,
    s.run_id
   FROM (((public.scrape s
     JOIN public.category c ON ((c.id = s.category_id)))
     LEFT JOIN public.run r ON ((r.id = s.run_id)))
     CROSS JOIN LATERAL ( SELECT ((s.state = 'running'::text) AND (r.state IS DISTINCT FROM 'running'::text)) AS early) given)
  ORDER BY s.started_at DESC;

-- Name: VIEW scrape_log; Type: COMMENT
COMMENT ON VIEW public.scrape_log IS 'Each category in each scrape run: pages, ads, new, changed, complete or not, blocked why; add LIMIT';

-- Name: site; Type: TABLE
CREATE TABLE public.site (
    name text NOT NULL,
    upstream text NOT NULL,
    title text NOT NULL,
    page_path text DEFAULT 'page-{page}'::text NOT NULL,
    id_pattern text DEFAULT '(?:\.|/)(\d+)/?$'::text NOT NULL,
    selectors jsonb NOT NULL,
    currency text DEFAULT 'USD'::text NOT NULL,
    expire_after smallint DEFAULT 3 NOT NULL,
    active boolean DEFAULT true NOT NULL,
    note text,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    fetch_by text DEFAULT 'http'::text NOT NULL,
    CONSTRAINT "currency is three capitals, such as USD" CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT "expire_after is from 1 to 100" CHECK (((expire_after >= 1) AND (expire_after <= 100))),
    CONSTRAINT "fetch_by is http, or browser (pages that scripts draw)" CHECK ((fetch_by = ANY (ARRAY['http'::text, 'browser'::text]))),
    CONSTRAINT "id_pattern needs a group: (...)" CHECK ((id_pattern ~~ '%(%)%'::text)),
    CONSTRAINT "page_path must contain {page}" CHECK ((page_path ~~ '%{page}%'::text)),
    CONSTRAINT "site name: lower-case words and digits joined by _" CHECK ((name ~ '^[a-z0-9]+(_[a-z0-9]+)*$'::text))
);

-- Name: TABLE site; Type: COMMENT
COMMENT ON TABLE public.site IS 'Sites with classified ads; add one with SQL alone.';

-- Name: COLUMN site.name; Type: COMMENT
COMMENT ON COLUMN public.site.name IS 'Name';

-- Name: COLUMN site.upstream; Type: COMMENT
COMMENT ON COLUMN public.site.upstream IS 'Upstream whose limits hold for it';

-- Name: COLUMN site.title; Type: COMMENT
COMMENT ON COLUMN public.site.title IS 'Name for people';

-- Name: COLUMN site.page_path; Type: COMMENT
COMMENT ON COLUMN public.site.page_path IS 'Added to a category''s path from page 2: page-{page}, or ?page={page}';

-- Name: COLUMN site.id_pattern; Type: COMMENT
COMMENT ON COLUMN public.site.id_pattern IS 'Regular expression; its first group is the ad''s number in the path of its address';

-- Name: COLUMN site.selectors; Type: COMMENT
COMMENT ON COLUMN public.site.selectors IS 'Where on a card things stand: CSS, or CSS@attribute; checked when saved';

-- Name: COLUMN site.currency; Type: COMMENT
COMMENT ON COLUMN public.site.currency IS 'Currency of a price that names none';

-- Name: COLUMN site.expire_after; Type: COMMENT
COMMENT ON COLUMN public.site.expire_after IS 'Complete scrapes in a row without an ad, that should show it, before it expires';

-- Name: COLUMN site.active; Type: COMMENT
COMMENT ON COLUMN public.site.active IS 'false: not scraped';

-- Name: COLUMN site.note; Type: COMMENT
COMMENT ON COLUMN public.site.note IS 'Remarks';

-- Name: COLUMN site.updated_at; Type: COMMENT
COMMENT ON COLUMN public.site.updated_at IS 'Last edit';

-- Name: COLUMN site.fetch_by; Type: COMMENT
COMMENT ON COLUMN public.site.fetch_by IS 'http, or browser if scripts render the ads (slower; needs the extra browser)';

-- Name: site_turn; Type: TABLE
CREATE TABLE public.site_turn (
    site text NOT NULL,
    run_id uuid NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE site_turn; Type: COMMENT
COMMENT ON TABLE public.site_turn IS 'Which run scrapes each site now, or did last.';

-- Name: COLUMN site_turn.site; Type: COMMENT
COMMENT ON COLUMN public.site_turn.site IS 'Site';

-- Name: COLUMN site_turn.run_id; Type: COMMENT
COMMENT ON COLUMN public.site_turn.run_id IS 'Run that has, or had, the turn';

-- Name: COLUMN site_turn.since; Type: COMMENT
COMMENT ON COLUMN public.site_turn.since IS 'Since when';

-- Name: status_bar; Type: VIEW
CREATE VIEW public.status_bar AS
 SELECT s.name,
    ((((((COALESCE(s.title, s.name) || ': '::text) ||
        CASE last.state
            WHEN 'failed'::text THEN '✘ '::text
            WHEN 'partial'::text THEN '◐ '::text
            ELSE ''::text
        END) || public.ago_words(last.created_at)) || ' (next: '::text) ||
        CASE
            WHEN (s.after IS NOT NULL) THEN ('after '::text || s.after)
            ELSE public.brief_words((st.next_run_at - clock_timestamp()))
        END) || ')'::text) AS line
   FROM ((public.schedule s
     LEFT JOIN public.schedule_state st ON ((st.schedule = s.name)))
     LEFT JOIN LATERAL ( SELECT r.state,
            r.created_at
           FROM public.run r
          WHERE ((r.schedule = s.name) AND (r.state <> ALL (ARRAY['missed'::text, 'skipped'::text])))
          ORDER BY r.created_at DESC
         LIMIT 1) last ON (true))
  WHERE s.enabled
  ORDER BY s.name;

-- Name: VIEW status_bar; Type: COMMENT
COMMENT ON VIEW public.status_bar IS 'One line a schedule, for a status bar: Token discovery: 2h ago (next: 2h)';

-- Name: timezone_name; Type: TABLE
CREATE TABLE public.timezone_name (
    name text NOT NULL
);

-- Name: TABLE timezone_name; Type: COMMENT
COMMENT ON TABLE public.timezone_name IS 'Timezones that schedules may name; written by migrate.';

-- Name: COLUMN timezone_name.name; Type: COMMENT
COMMENT ON COLUMN public.timezone_name.name IS 'IANA name';

-- Name: token; Type: TABLE
CREATE TABLE public.token (
    id bigint NOT NULL,
    chain text NOT NULL,
    address_key text NOT NULL,
    address text NOT NULL,
    symbol text,
    name text,
    price_usd numeric,
    market_cap numeric,
    volume_h24 numeric,
    liquidity_usd numeric,
    price_change_h24 numeric,
    pool_created_at timestamp with time zone,
    first_run_id uuid,
    first_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_checked_at timestamp with time zone,
    links jsonb,
    orders integer,
    boosts integer,
    paid_at timestamp with time zone,
    boost_amount integer,
    boost_total integer
);

-- Name: TABLE token; Type: COMMENT
COMMENT ON TABLE public.token IS 'Every token ever seen, with the latest values known.';

-- Name: COLUMN token.id; Type: COMMENT
COMMENT ON COLUMN public.token.id IS 'Key';

-- Name: COLUMN token.chain; Type: COMMENT
COMMENT ON COLUMN public.token.chain IS 'Chain, as DexScreener names it';

-- Name: COLUMN token.address_key; Type: COMMENT
COMMENT ON COLUMN public.token.address_key IS 'Address, normalised; with chain unique';

-- Name: COLUMN token.address; Type: COMMENT
COMMENT ON COLUMN public.token.address IS 'Address as first written';

-- Name: COLUMN token.symbol; Type: COMMENT
COMMENT ON COLUMN public.token.symbol IS 'Ticker, at most 64 characters';

-- Name: COLUMN token.name; Type: COMMENT
COMMENT ON COLUMN public.token.name IS 'Name, at most 256 characters';

-- Name: COLUMN token.price_usd; Type: COMMENT
COMMENT ON COLUMN public.token.price_usd IS 'Price (USD)';

-- Name: COLUMN token.market_cap; Type: COMMENT
COMMENT ON COLUMN public.token.market_cap IS 'Market capitalisation (USD)';

-- Name: COLUMN token.volume_h24; Type: COMMENT
COMMENT ON COLUMN public.token.volume_h24 IS 'Volume of 24 hours (USD)';

-- Name: COLUMN token.liquidity_usd; Type: COMMENT
COMMENT ON COLUMN public.token.liquidity_usd IS 'Liquidity (USD)';

-- Name: COLUMN token.price_change_h24; Type: COMMENT
COMMENT ON COLUMN public.token.price_change_h24 IS 'Price change of 24 hours (percent)';

-- Name: COLUMN token.pool_created_at; Type: COMMENT
COMMENT ON COLUMN public.token.pool_created_at IS 'When its oldest known pool was made: its age';

-- Name: COLUMN token.first_run_id; Type: COMMENT
COMMENT ON COLUMN public.token.first_run_id IS 'Run that found it first';

-- Name: COLUMN token.first_seen_at; Type: COMMENT
COMMENT ON COLUMN public.token.first_seen_at IS 'First seen';

-- Name: COLUMN token.last_seen_at; Type: COMMENT
COMMENT ON COLUMN public.token.last_seen_at IS 'Last in a feed';

-- Name: COLUMN token.last_checked_at; Type: COMMENT
COMMENT ON COLUMN public.token.last_checked_at IS 'Last looked up';

-- Name: COLUMN token.links; Type: COMMENT
COMMENT ON COLUMN public.token.links IS 'Pages that its makers name: [{type, label, url}]';

-- Name: COLUMN token.orders; Type: COMMENT
COMMENT ON COLUMN public.token.orders IS 'Orders paid for it at DexScreener';

-- Name: COLUMN token.boosts; Type: COMMENT
COMMENT ON COLUMN public.token.boosts IS 'Boosts paid for it at DexScreener';

-- Name: COLUMN token.paid_at; Type: COMMENT
COMMENT ON COLUMN public.token.paid_at IS 'When something was first paid for it';

-- Name: COLUMN token.boost_amount; Type: COMMENT
COMMENT ON COLUMN public.token.boost_amount IS 'Boosts of the newest purchase that a feed named';

-- Name: COLUMN token.boost_total; Type: COMMENT
COMMENT ON COLUMN public.token.boost_total IS 'Boosts active in all, as a feed named them';

-- Name: token_id_seq; Type: SEQUENCE
ALTER TABLE public.token ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: token_pool; Type: TABLE
CREATE TABLE public.token_pool (
    id bigint NOT NULL,
    token_id bigint NOT NULL,
    chain text NOT NULL,
    pool text NOT NULL,
    dex text,
    price_usd numeric,
    liquidity_usd numeric,
    volume_h24 numeric,
    created_at timestamp with time zone,
    checked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE token_pool; Type: COMMENT
COMMENT ON TABLE public.token_pool IS 'The pools that tokens trade in, with the latest values.';

-- Name: COLUMN token_pool.id; Type: COMMENT
COMMENT ON COLUMN public.token_pool.id IS 'Key';

-- Name: COLUMN token_pool.token_id; Type: COMMENT
COMMENT ON COLUMN public.token_pool.token_id IS 'Base token';

-- Name: COLUMN token_pool.chain; Type: COMMENT
COMMENT ON COLUMN public.token_pool.chain IS 'Chain';

-- Name: COLUMN token_pool.pool; Type: COMMENT
COMMENT ON COLUMN public.token_pool.pool IS 'Address of the pool';

-- Name: COLUMN token_pool.dex; Type: COMMENT
COMMENT ON COLUMN public.token_pool.dex IS 'Exchange';

-- Name: COLUMN token_pool.price_usd; Type: COMMENT
COMMENT ON COLUMN public.token_pool.price_usd IS 'Price (USD)';

-- Name: COLUMN token_pool.liquidity_usd; Type: COMMENT
COMMENT ON COLUMN public.token_pool.liquidity_usd IS 'Liquidity (USD)';

-- Name: COLUMN token_pool.volume_h24; Type: COMMENT
COMMENT ON COLUMN public.token_pool.volume_h24 IS 'Volume of 24 hours (USD)';

-- Name: COLUMN token_pool.created_at; Type: COMMENT
COMMENT ON COLUMN public.token_pool.created_at IS 'When the pool was made';

-- Name: COLUMN token_pool.checked_at; Type: COMMENT
COMMENT ON COLUMN public.token_pool.checked_at IS 'Last looked up';

-- Name: token_pool_id_seq; Type: SEQUENCE
ALTER TABLE public.token_pool ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.token_pool_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: token_rule; Type: TABLE
CREATE TABLE public.token_rule (
    rule text NOT NULL,
    token_id bigint NOT NULL,
    fits boolean NOT NULL,
    reference_price numeric,
    told integer DEFAULT 0 NOT NULL
);

-- Name: TABLE token_rule; Type: COMMENT
COMMENT ON TABLE public.token_rule IS 'State of each rule for each token: what was reported, the price to compare with.';

-- Name: COLUMN token_rule.rule; Type: COMMENT
COMMENT ON COLUMN public.token_rule.rule IS 'Rule';

-- Name: COLUMN token_rule.token_id; Type: COMMENT
COMMENT ON COLUMN public.token_rule.token_id IS 'Token';

-- Name: COLUMN token_rule.fits; Type: COMMENT
COMMENT ON COLUMN public.token_rule.fits IS 'Whether the rule fitted at the last look';

-- Name: COLUMN token_rule.reference_price; Type: COMMENT
COMMENT ON COLUMN public.token_rule.reference_price IS 'Highest price (USD) since the last reported drop; drops are counted from it';

-- Name: COLUMN token_rule.told; Type: COMMENT
COMMENT ON COLUMN public.token_rule.told IS 'How often a match was reported';

-- Name: token_sighting; Type: TABLE
CREATE TABLE public.token_sighting (
    run_id uuid NOT NULL,
    token_id bigint NOT NULL,
    is_new boolean NOT NULL,
    chosen boolean NOT NULL,
    rejected_because text,
    feeds text[] NOT NULL,
    passed boolean NOT NULL,
    volume_h24 numeric
);

-- Name: TABLE token_sighting; Type: COMMENT
COMMENT ON TABLE public.token_sighting IS 'Decision of each discovery run about each token it saw.';

-- Name: COLUMN token_sighting.run_id; Type: COMMENT
COMMENT ON COLUMN public.token_sighting.run_id IS 'Run';

-- Name: COLUMN token_sighting.token_id; Type: COMMENT
COMMENT ON COLUMN public.token_sighting.token_id IS 'Token';

-- Name: COLUMN token_sighting.is_new; Type: COMMENT
COMMENT ON COLUMN public.token_sighting.is_new IS 'Seen for the first time';

-- Name: COLUMN token_sighting.chosen; Type: COMMENT
COMMENT ON COLUMN public.token_sighting.chosen IS 'Passed, and among the max_tokens of most volume';

-- Name: COLUMN token_sighting.rejected_because; Type: COMMENT
COMMENT ON COLUMN public.token_sighting.rejected_because IS 'Filter that rejected it';

-- Name: COLUMN token_sighting.feeds; Type: COMMENT
COMMENT ON COLUMN public.token_sighting.feeds IS 'Feeds that named it';

-- Name: COLUMN token_sighting.passed; Type: COMMENT
COMMENT ON COLUMN public.token_sighting.passed IS 'Passed every filter';

-- Name: COLUMN token_sighting.volume_h24; Type: COMMENT
COMMENT ON COLUMN public.token_sighting.volume_h24 IS 'Volume of 24 hours (USD) that it was ranked by';

-- Name: token_snapshot; Type: TABLE
CREATE TABLE public.token_snapshot (
    token_id bigint NOT NULL,
    run_id uuid NOT NULL,
    pool text,
    price_usd numeric,
    liquidity_usd numeric,
    volume_h24 numeric,
    market_cap numeric,
    taken_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE token_snapshot; Type: COMMENT
COMMENT ON TABLE public.token_snapshot IS 'Values of tokens over time, one row a token and run.';

-- Name: COLUMN token_snapshot.token_id; Type: COMMENT
COMMENT ON COLUMN public.token_snapshot.token_id IS 'Token';

-- Name: COLUMN token_snapshot.run_id; Type: COMMENT
COMMENT ON COLUMN public.token_snapshot.run_id IS 'Run that saw it';

-- Name: COLUMN token_snapshot.pool; Type: COMMENT
COMMENT ON COLUMN public.token_snapshot.pool IS 'Pool the values are from';

-- Name: COLUMN token_snapshot.price_usd; Type: COMMENT
COMMENT ON COLUMN public.token_snapshot.price_usd IS 'Price (USD)';

-- Name: COLUMN token_snapshot.liquidity_usd; Type: COMMENT
COMMENT ON COLUMN public.token_snapshot.liquidity_usd IS 'Liquidity (USD)';

-- Name: COLUMN token_snapshot.volume_h24; Type: COMMENT
COMMENT ON COLUMN public.token_snapshot.volume_h24 IS 'Volume of 24 hours (USD)';

-- Name: COLUMN token_snapshot.market_cap; Type: COMMENT
COMMENT ON COLUMN public.token_snapshot.market_cap IS 'Market capitalisation (USD)';

-- Name: COLUMN token_snapshot.taken_at; Type: COMMENT
COMMENT ON COLUMN public.token_snapshot.taken_at IS 'When';

-- Name: transaction; Type: TABLE
CREATE TABLE public.transaction (
    id bigint NOT NULL,
    symbol text NOT NULL,
    quantity numeric NOT NULL,
    price numeric(20,6) NOT NULL,
    traded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT "price must be a number" CHECK ((price < 'Infinity'::numeric)),
    CONSTRAINT "price must be more than nothing" CHECK ((price > (0)::numeric)),
    CONSTRAINT "quantity must be a number" CHECK (((quantity < 'Infinity'::numeric) AND (quantity > '-Infinity'::numeric))),
    CONSTRAINT "quantity: bought above, sold below nothing" CHECK ((quantity <> (0)::numeric)),
    CONSTRAINT "symbol: capitals, e.g. AAPL, BRK.B, TSCO.LON" CHECK ((symbol ~ '^[A-Z0-9]{1,10}([.\-][A-Z0-9]{1,6})?$'::text))
);

-- Name: TABLE transaction; Type: COMMENT
COMMENT ON TABLE public.transaction IS 'Trades of ours; their symbols are kept fresh.';

-- Name: COLUMN transaction.id; Type: COMMENT
COMMENT ON COLUMN public.transaction.id IS 'Key';

-- Name: COLUMN transaction.symbol; Type: COMMENT
COMMENT ON COLUMN public.transaction.symbol IS 'Symbol';

-- Name: COLUMN transaction.quantity; Type: COMMENT
COMMENT ON COLUMN public.transaction.quantity IS 'Bought above, sold below nothing';

-- Name: COLUMN transaction.price; Type: COMMENT
COMMENT ON COLUMN public.transaction.price IS 'Price of one';

-- Name: COLUMN transaction.traded_at; Type: COMMENT
COMMENT ON COLUMN public.transaction.traded_at IS 'When';

-- Name: transaction_id_seq; Type: SEQUENCE
ALTER TABLE public.transaction ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.transaction_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: trouble; Type: VIEW
CREATE VIEW public.trouble AS
 WITH sign AS MATERIALIZED (
         SELECT h.name,
            h.role,
            split_part(h.name, '@'::text, 1) AS "group",
            h.started_at,
            h.seen_at,
            (h.detail -> 'queues'::text) AS queues,
            (h.seen_at > (clock_timestamp() - '00:00:30'::interval)) AS alive
           FROM public.heartbeat h
          WHERE ((h.seen_at > (clock_timestamp() - '1 day'::interval)) AND (NOT (h.detail ? 'ended'::text)))
        ), silent AS MATERIALIZED (
         SELECT s.name,
            s.role,
            s."group",
            s.started_at,
            s.seen_at,
            s.queues,
            s.alive,
                CASE
                    WHEN (s.role = 'beat'::text) THEN (EXISTS ( SELECT
                       FROM sign b
                      WHERE ((b.role = 'beat'::text) AND b.alive)))
                    ELSE (NOT (EXISTS ( SELECT
                       FROM jsonb_array_elements_text(s.queues) q(queue)
                      WHERE (NOT (EXISTS ( SELECT
                               FROM sign w
                              WHERE ((w.role = 'worker'::text) AND w.alive AND (w.queues ? q.queue))))))))
                END AS covered
           FROM sign s
          WHERE ((NOT s.alive) AND (( SELECT count(*) AS count
                   FROM sign n
                  WHERE (n.alive AND (n.role = s.role) AND ((n."group" = s."group") OR (n.queues @> s.queues)) AND (n.started_at > s.seen_at))) < ( SELECT count(*) AS count
                   FROM sign o
                  WHERE ((NOT o.alive) AND (o.role = s.role) AND ((o."group" = s."group") OR (o.queues @> s.queues)) AND (o.seen_at >= s.seen_at)))))
        ), at_work AS NOT MATERIALIZED (
         SELECT s.name,
            s.title,
            s.task,
            s.options,
            s.every,
            s.cron,
            s.at,
            s.after,
            s.timezone,
            s.calendar,
            s.calendar_hours,
            s.starts_at,
            s.ends_at,
            s.jitter,
            s.overlap,
            s.catch_up,
            s.catch_up_window,
            s.max_runs,
            s.enabled,
            s.paused_until,
            s.note,
            s.pause_after_failures,
            s.max_attempts,
            s.timeout,
            s.expires,
            s.queue,
            s.priority,
            s.batch_size,
            s.batch_delay,
            s.max_in_flight,
            s.revision,
            s.updated_at,
            s.updated_by,
            s.pause_reason,
            s.alert_after,
            s.alert_on_partial
           FROM public.schedule s
          WHERE (s.enabled AND (NOT COALESCE((s.paused_until > clock_timestamp()), false)))
        )
 SELECT 'failing'::text AS kind,
    s.name AS subject,
    ((s.name || ' failed'::text) ||
        CASE
            WHEN (st.consecutive_failures > 1) THEN ((' '::text || st.consecutive_failures) || ' times in a row'::text)
            ELSE ''::text
        END) AS title,
    COALESCE((
        CASE
            WHEN (last.state = 'partial'::text) THEN (((last.failed || ' of '::text) || last.total) || ' items failed: '::text)
            ELSE ''::text
        END || COALESCE(last.error, last.reason)), 'no reason kept'::text) AS text,
    'error'::text AS severity,
    last.finished_at AS since
   FROM ((at_work s
     JOIN public.schedule_state st ON ((st.schedule = s.name)))
     LEFT JOIN LATERAL ( SELECT r.id,
            r.schedule,
            r.task,
            r.options,
            r.trigger,
            r.due_at,
            r.covers_from,
            r.covers_count,
            r.state,
            r.reason,
            r.exclusive,
            r.queue,
            r.priority,
            r.max_attempts,
            r.batch_size,
            r.batch_delay,
            r.max_in_flight,
            r.timeout,
            r.expires_at,
            r.deadline_at,
            r.stop_requested_at,
            r.batch_count,
            r.open_batches,
            r.total,
            r.done,
            r.failed,
            r.deferred,
            r.result,
            r.error,
            r.traceback,
            r.requested_by,
            r.retry_of,
            r.counted,
            r.created_at,
            r.started_at,
            r.finished_at
           FROM public.run r
          WHERE ((r.schedule = s.name) AND (r.state = ANY (ARRAY['failed'::text, 'partial'::text])) AND public.run_is_failure(r.*, s.alert_on_partial))
          ORDER BY r.created_at DESC
         LIMIT 1) last ON (true))
  WHERE ((st.tripped_at IS NULL) AND (st.consecutive_failures > 0) AND (st.consecutive_failures >= s.alert_after))
UNION ALL
 SELECT 'tripped'::text AS kind,
    s.name AS subject,
    (s.name || ' paused itself'::text) AS title,
    st.tripped_reason AS text,
    'error'::text AS severity,
    st.tripped_at AS since
   FROM (at_work s
     JOIN public.schedule_state st ON ((st.schedule = s.name)))
  WHERE (st.tripped_at IS NOT NULL)
UNION ALL
 SELECT 'late'::text AS kind,
    s.name AS subject,
    (s.name || ' is late'::text) AS title,
    (('due '::text || to_char((st.claim_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD HH24:MI'::text)) || ' UTC and not begun; is a beat running?'::text) AS text,
    'error'::text AS severity,
    st.claim_at AS since
   FROM (at_work s
     JOIN public.schedule_state st ON ((st.schedule = s.name)))
  WHERE ((st.tripped_at IS NULL) AND (st.error IS NULL) AND (NOT ( SELECT pause_switch.paused
           FROM public.pause_switch)) AND (st.claim_at < (clock_timestamp() - '00:01:00'::interval)))
UNION ALL
 SELECT 'set aside'::text AS kind,
    s.name AS subject,
    (s.name || ' is set aside: beat cannot plan it'::text) AS title,
    st.error AS text,
    'error'::text AS severity,
    st.error_at AS since
   FROM (at_work s
     JOIN public.schedule_state st ON ((st.schedule = s.name)))
  WHERE (st.error IS NOT NULL)
UNION ALL
 SELECT 'paused'::text AS kind,
    'everything'::text AS subject,
    'everything is paused'::text AS title,
    ((((('by '::text || COALESCE(p.changed_by, 'somebody'::text)) || COALESCE(((' since '::text || to_char((p.changed_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD HH24:MI'::text)) || ' UTC'::text), ''::text)) || ': '::text) || COALESCE(p.note, 'no reason given'::text)) || '; to end it: SELECT resume_all();'::text) AS text,
    'error'::text AS severity,
    p.changed_at AS since
   FROM public.pause_switch p
  WHERE p.paused
UNION ALL
 SELECT 'beat silent'::text AS kind,
    'beat'::text AS subject,
    'no beat runs'::text AS title,
    (COALESCE(((('the last heartbeat was '::text || last.name) || '''s, '::text) || public.sign_words((clock_timestamp() - last.seen_at))), 'there was never a heartbeat'::text) || '; no run starts and no notice is sent until a beat runs'::text) AS text,
    'error'::text AS severity,
    last.seen_at AS since
   FROM (( SELECT) always
     LEFT JOIN LATERAL ( SELECT h.name,
            h.seen_at
           FROM public.heartbeat h
          WHERE (h.role = 'beat'::text)
          ORDER BY h.seen_at DESC
         LIMIT 1) last ON (true))
  WHERE (NOT (EXISTS ( SELECT
           FROM sign
          WHERE ((sign.role = 'beat'::text) AND sign.alive))))
UNION ALL
 SELECT 'beat silent'::text AS kind,
    s.name AS subject,
    (('beat '::text || s.name) || ' is silent'::text) AS title,
    (('last heartbeat '::text || public.sign_words((clock_timestamp() - s.seen_at))) || '; another beat runs'::text) AS text,
    'error'::text AS severity,
    s.seen_at AS since
   FROM silent s
  WHERE ((s.role = 'beat'::text) AND s.covered AND (s.seen_at > (clock_timestamp() - '01:00:00'::interval)))
UNION ALL
 SELECT 'worker silent'::text AS kind,
    s.name AS subject,
    (('worker '::text || s.name) || ' is silent'::text) AS title,
    (((('last heartbeat '::text || public.sign_words((clock_timestamp() - s.seen_at))) || '; its queues: '::text) || COALESCE(( SELECT string_agg(queue.value, ', '::text ORDER BY queue.value) AS string_agg
           FROM jsonb_array_elements_text(s.queues) queue(value)), 'none'::text)) ||
        CASE
            WHEN s.covered THEN ', which other workers serve too'::text
            ELSE ''::text
        END) AS text,
    'error'::text AS severity,
    s.seen_at AS since
   FROM silent s
  WHERE ((s.role = 'worker'::text) AND ((NOT s.covered) OR (s.seen_at > (clock_timestamp() - '01:00:00'::interval))))
UNION ALL
 SELECT 'queue unserved'::text AS kind,
    unserved.queue AS subject,
    ('no worker serves the queue '::text || unserved.queue) AS title,
    ((
        CASE waiting.number
            WHEN 1 THEN '1 batch is'::text
            WHEN 1000 THEN '1000 or more batches are'::text
            ELSE (waiting.number || ' batches are'::text)
        END || ' ready, the oldest made '::text) || public.sign_words((clock_timestamp() - waiting.oldest))) AS text,
    'error'::text AS severity,
    waiting.oldest AS since
   FROM (((
                 SELECT task_kind.queue
                   FROM public.task_kind
                  WHERE (task_kind.retired_at IS NULL)
                UNION
                 SELECT schedule.queue
                   FROM public.schedule
                  WHERE (schedule.queue IS NOT NULL)
        ) EXCEPT
         SELECT jsonb_array_elements_text(sign.queues) AS jsonb_array_elements_text
           FROM sign
          WHERE ((sign.role = 'worker'::text) AND sign.alive)) unserved
     CROSS JOIN LATERAL ( SELECT count(*) AS number,
            min(due.created_at) AS oldest
           FROM ( SELECT b.created_at
                   FROM public.batch b
                  WHERE ((b.queue = unserved.queue) AND ((b.state = 'sent'::text) OR ((b.state = 'waiting'::text) AND (b.send_at <= clock_timestamp()))) AND COALESCE((b.not_before <= clock_timestamp()), true))
                 LIMIT 1000) due) waiting)
  WHERE (waiting.oldest < (clock_timestamp() - '00:00:30'::interval))
UNION ALL
 SELECT 'notices held'::text AS kind,
    c.name AS subject,
        CASE
            WHEN (room.free_at > clock_timestamp()) THEN (c.name || ' is near its limit of messages an hour'::text)
            ELSE (('notices for '::text || c.name) || ' are not sent'::text)
        END AS title,
    ((waiting.number || ' waiting; '::text) ||
        CASE
            WHEN (room.free_at > clock_timestamp()) THEN (((((('messages in the last hour: '::text || room.used) || ' of '::text) || c.max_per_hour) || '; one with all waiting notices goes at '::text) || to_char((room.free_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD HH24:MI:SS'::text)) || ' UTC'::text)
            ELSE (('the oldest is from '::text || public.ago_words(waiting.oldest)) || COALESCE(('; the server said: '::text || waiting.answer), '; does the schedule send-notices run?'::text))
        END) AS text,
        CASE
            WHEN (room.free_at > clock_timestamp()) THEN 'warning'::text
            ELSE 'error'::text
        END AS severity,
    waiting.oldest AS since
   FROM ((public.channel c
     CROSS JOIN LATERAL ( SELECT count(*) AS number,
            min(n.created_at) AS oldest,
            (array_agg(n.answer ORDER BY n.id) FILTER (WHERE (n.answer IS NOT NULL)))[1] AS answer
           FROM public.notice n
          WHERE ((n.channel = c.name) AND (n.state = ANY (ARRAY['waiting'::text, 'sending'::text])))) waiting)
     CROSS JOIN LATERAL public.channel_room(c.name) room(used, gathers, free_at))
  WHERE (c.enabled AND (waiting.number > 0) AND ((room.free_at > clock_timestamp()) OR (waiting.oldest < (clock_timestamp() - '00:05:00'::interval))))
UNION ALL
 SELECT 'notices dead'::text AS kind,
    n.channel AS subject,
    (('notices for '::text || n.channel) || ' were given up'::text) AS title,
    (((count(*) || ' in the last day, the last because: '::text) || COALESCE((array_agg(n.answer ORDER BY n.id DESC))[1], 'no answer kept'::text)) || '; once that is fixed: celery -A workers.app notify resend'::text) AS text,
    'error'::text AS severity,
    min(n.not_before) AS since
   FROM public.notice n
  WHERE ((n.state = 'dead'::text) AND (n.not_before > (clock_timestamp() - '1 day'::interval)))
  GROUP BY n.channel
UNION ALL
 SELECT 'quota low'::text AS kind,
    ((q.upstream || ' per '::text) || q.per) AS subject,
    (('quota of '::text || q.upstream) || ' is nearly spent'::text) AS title,
    (((((q.used || ' of '::text) || q.allowed) || ' calls per '::text) || q.per) || ' used'::text) AS text,
    'warning'::text AS severity,
    NULL::timestamp with time zone AS since
   FROM public.quota_status q
  WHERE ((q.per_interval >= '01:00:00'::interval) AND ((q.used)::numeric >= (0.9 * (q.allowed)::numeric)) AND (q.allowed >= 10))
UNION ALL
 SELECT 'blocked'::text AS kind,
    u.upstream AS subject,
    (u.upstream || ' is blocked'::text) AS title,
    (((((COALESCE(u.blocked_reason, 'no reason kept'::text) || '; no calls before '::text) || to_char((u.blocked_until AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD HH24:MI'::text)) || ' UTC; sooner: SELECT unblock('''::text) || u.upstream) || ''', ''why'');'::text) AS text,
    'error'::text AS severity,
    NULL::timestamp with time zone AS since
   FROM public.upstream_state u
  WHERE ((u.blocked_until > clock_timestamp()) AND (u.failures >= 2));

-- Name: VIEW trouble; Type: COMMENT
COMMENT ON VIEW public.trouble IS 'What is broken at the moment of reading; beat sends one notice when it breaks and one when it is over';

-- Name: COLUMN trouble.kind; Type: COMMENT
COMMENT ON COLUMN public.trouble.kind IS 'failing, tripped, late, set aside, paused, beat silent, worker silent, queue unserved, notices held, notices dead, quota low, blocked';

-- Name: COLUMN trouble.subject; Type: COMMENT
COMMENT ON COLUMN public.trouble.subject IS 'Schedule, process, queue, channel or upstream';

-- Name: COLUMN trouble.severity; Type: COMMENT
COMMENT ON COLUMN public.trouble.severity IS 'error: schedule status and doctor exit 1; warning: it ends by itself';

-- Name: COLUMN trouble.since; Type: COMMENT
COMMENT ON COLUMN public.trouble.since IS 'Since when, as far as is known';

-- Name: wallet; Type: TABLE
CREATE TABLE public.wallet (
    id bigint NOT NULL,
    chain text NOT NULL,
    address text NOT NULL,
    score numeric DEFAULT 0 NOT NULL,
    early_tokens integer DEFAULT 0 NOT NULL,
    first_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

-- Name: TABLE wallet; Type: COMMENT
COMMENT ON TABLE public.wallet IS 'Wallets that bought tokens early which gained, with a score.';

-- Name: COLUMN wallet.id; Type: COMMENT
COMMENT ON COLUMN public.wallet.id IS 'Key';

-- Name: COLUMN wallet.chain; Type: COMMENT
COMMENT ON COLUMN public.wallet.chain IS 'Chain, as DexScreener names it';

-- Name: COLUMN wallet.address; Type: COMMENT
COMMENT ON COLUMN public.wallet.address IS 'Sender of the trades; a router or bot may hide people';

-- Name: COLUMN wallet.score; Type: COMMENT
COMMENT ON COLUMN public.wallet.score IS '0 to 100: one token doubled is 50, two are 75';

-- Name: COLUMN wallet.early_tokens; Type: COMMENT
COMMENT ON COLUMN public.wallet.early_tokens IS 'Tokens it was early in, with a gain';

-- Name: COLUMN wallet.first_seen_at; Type: COMMENT
COMMENT ON COLUMN public.wallet.first_seen_at IS 'First seen';

-- Name: COLUMN wallet.last_seen_at; Type: COMMENT
COMMENT ON COLUMN public.wallet.last_seen_at IS 'Last seen';

-- Name: wallet_id_seq; Type: SEQUENCE
ALTER TABLE public.wallet ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.wallet_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: wallet_token; Type: TABLE
CREATE TABLE public.wallet_token (
    wallet_id bigint NOT NULL,
    token_id bigint NOT NULL,
    run_id uuid NOT NULL,
    pool text NOT NULL,
    first_bought_at timestamp with time zone NOT NULL,
    bought_usd numeric NOT NULL,
    gain_pct numeric NOT NULL
);

-- Name: TABLE wallet_token; Type: COMMENT
COMMENT ON TABLE public.wallet_token IS 'Which wallet was early in which token, and its gain.';

-- Name: COLUMN wallet_token.wallet_id; Type: COMMENT
COMMENT ON COLUMN public.wallet_token.wallet_id IS 'Wallet';

-- Name: COLUMN wallet_token.token_id; Type: COMMENT
COMMENT ON COLUMN public.wallet_token.token_id IS 'Token';

-- Name: COLUMN wallet_token.run_id; Type: COMMENT
COMMENT ON COLUMN public.wallet_token.run_id IS 'Profiling run that found it';

-- Name: COLUMN wallet_token.pool; Type: COMMENT
COMMENT ON COLUMN public.wallet_token.pool IS 'Pool it bought in';

-- Name: COLUMN wallet_token.first_bought_at; Type: COMMENT
COMMENT ON COLUMN public.wallet_token.first_bought_at IS 'First purchase';

-- Name: COLUMN wallet_token.bought_usd; Type: COMMENT
COMMENT ON COLUMN public.wallet_token.bought_usd IS 'What it spent (USD)';

-- Name: COLUMN wallet_token.gain_pct; Type: COMMENT
COMMENT ON COLUMN public.wallet_token.gain_pct IS 'Gain, sold and still held together (percent)';

-- Name: watchlist_item; Type: TABLE
CREATE TABLE public.watchlist_item (
    symbol text NOT NULL,
    priority integer DEFAULT 100 NOT NULL,
    refresh_every interval DEFAULT '00:05:00'::interval NOT NULL,
    active boolean DEFAULT true NOT NULL,
    note text,
    added_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT "priority: 0 or more, lower goes first" CHECK ((priority >= 0)),
    CONSTRAINT "refresh_every is at most 31 days, e.g. 5 minutes" CHECK ((refresh_every <= '31 days'::interval)),
    CONSTRAINT "refresh_every is longer than nothing" CHECK ((refresh_every > '00:00:00'::interval)),
    CONSTRAINT "symbol: capitals, e.g. AAPL, BRK.B, TSCO.LON" CHECK ((symbol ~ '^[A-Z0-9]{1,10}([.\-][A-Z0-9]{1,6})?$'::text))
);

-- Name: TABLE watchlist_item; Type: COMMENT
COMMENT ON TABLE public.watchlist_item IS 'Symbols to follow; edit with SQL.';

-- Name: COLUMN watchlist_item.symbol; Type: COMMENT
COMMENT ON COLUMN public.watchlist_item.symbol IS 'Symbol';

-- Name: COLUMN watchlist_item.priority; Type: COMMENT
COMMENT ON COLUMN public.watchlist_item.priority IS 'Lower goes first';

-- Name: COLUMN watchlist_item.refresh_every; Type: COMMENT
COMMENT ON COLUMN public.watchlist_item.refresh_every IS 'Oldest a price may be while the market is open';

-- Name: COLUMN watchlist_item.active; Type: COMMENT
COMMENT ON COLUMN public.watchlist_item.active IS 'false: removed';

-- Name: COLUMN watchlist_item.note; Type: COMMENT
COMMENT ON COLUMN public.watchlist_item.note IS 'Why it is followed';

-- Name: COLUMN watchlist_item.added_at; Type: COMMENT
COMMENT ON COLUMN public.watchlist_item.added_at IS 'First added';

-- Name: worker_group; Type: TABLE
CREATE TABLE public.worker_group (
    name text NOT NULL,
    min_processes integer NOT NULL,
    max_processes integer NOT NULL,
    note text,
    CONSTRAINT "max_processes cannot be less than min_processes" CHECK ((max_processes >= min_processes)),
    CONSTRAINT "max_processes is at most 500 a worker" CHECK ((max_processes <= 500)),
    CONSTRAINT "min_processes must be 1 or more" CHECK ((min_processes >= 1)),
    CONSTRAINT "name: what stands before @ in a worker's node name" CHECK ((name ~ '^[^@ ]+$'::text))
);

-- Name: TABLE worker_group; Type: COMMENT
COMMENT ON TABLE public.worker_group IS 'Bounds of the pools of workers, by group; without a row --autoscale holds.';

-- Name: COLUMN worker_group.name; Type: COMMENT
COMMENT ON COLUMN public.worker_group.name IS 'Node name up to the @, e.g. prices for prices@host';

-- Name: COLUMN worker_group.min_processes; Type: COMMENT
COMMENT ON COLUMN public.worker_group.min_processes IS 'Processes that each worker always has';

-- Name: COLUMN worker_group.max_processes; Type: COMMENT
COMMENT ON COLUMN public.worker_group.max_processes IS 'Processes that each worker has at most';

-- Name: COLUMN worker_group.note; Type: COMMENT
COMMENT ON COLUMN public.worker_group.note IS 'Why it is as it is';


-- Name: allowed_network allowed_network_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.allowed_network
    ADD CONSTRAINT allowed_network_pkey PRIMARY KEY (network);

-- Name: batch batch_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (run_id, seq);

-- Name: category category_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_pkey PRIMARY KEY (id);

-- Name: category category_site_external_id_key; Type: CONSTRAINT
ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_site_external_id_key UNIQUE (site, external_id);

-- Name: category category_site_slug_key; Type: CONSTRAINT
ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_site_slug_key UNIQUE (site, slug);

-- Name: category_state category_state_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.category_state
    ADD CONSTRAINT category_state_pkey PRIMARY KEY (category_id);

-- Name: channel channel_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.channel
    ADD CONSTRAINT channel_pkey PRIMARY KEY (name);

-- Name: global_filter global_filter_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.global_filter
    ADD CONSTRAINT global_filter_pkey PRIMARY KEY (single);

-- Name: heartbeat heartbeat_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.heartbeat
    ADD CONSTRAINT heartbeat_pkey PRIMARY KEY (name);

-- Name: incident incident_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.incident
    ADD CONSTRAINT incident_pkey PRIMARY KEY (id);

-- Name: list_page list_page_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.list_page
    ADD CONSTRAINT list_page_pkey PRIMARY KEY (category_id, page);

-- Name: listing listing_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.listing
    ADD CONSTRAINT listing_pkey PRIMARY KEY (id);

-- Name: listing_price listing_price_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.listing_price
    ADD CONSTRAINT listing_price_pkey PRIMARY KEY (id);

-- Name: listing listing_site_external_id_key; Type: CONSTRAINT
ALTER TABLE ONLY public.listing
    ADD CONSTRAINT listing_site_external_id_key UNIQUE (site, external_id);

-- Name: listing_status_change listing_status_change_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.listing_status_change
    ADD CONSTRAINT listing_status_change_pkey PRIMARY KEY (id);

-- Name: machine_lock machine_lock_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.machine_lock
    ADD CONSTRAINT machine_lock_pkey PRIMARY KEY (name);

-- Name: market market_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.market
    ADD CONSTRAINT market_pkey PRIMARY KEY (mic);

-- Name: market_session market_session_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.market_session
    ADD CONSTRAINT market_session_pkey PRIMARY KEY (mic, session_date);

-- Name: match match_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.match
    ADD CONSTRAINT match_pkey PRIMARY KEY (id);

-- Name: match match_rule_subject_subject_id_occasion_key_key; Type: CONSTRAINT
ALTER TABLE ONLY public.match
    ADD CONSTRAINT match_rule_subject_subject_id_occasion_key_key UNIQUE (rule, subject, subject_id, occasion_key);

-- Name: memo memo_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.memo
    ADD CONSTRAINT memo_pkey PRIMARY KEY (run_id, seq, name);

-- Name: notice notice_channel_key_key; Type: CONSTRAINT
ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_channel_key_key UNIQUE (channel, key);

-- Name: notice notice_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_pkey PRIMARY KEY (id);

-- Name: pause_switch pause_switch_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.pause_switch
    ADD CONSTRAINT pause_switch_pkey PRIMARY KEY (single);

-- Name: permit permit_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.permit
    ADD CONSTRAINT permit_pkey PRIMARY KEY (id);

-- Name: price_bar price_bar_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.price_bar
    ADD CONSTRAINT price_bar_pkey PRIMARY KEY (symbol, bar_date, source);

-- Name: price_outcome price_outcome_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.price_outcome
    ADD CONSTRAINT price_outcome_pkey PRIMARY KEY (run_id, symbol);

-- Name: quota quota_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.quota
    ADD CONSTRAINT quota_pkey PRIMARY KEY (upstream, per);

-- Name: quote quote_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.quote
    ADD CONSTRAINT quote_pkey PRIMARY KEY (symbol, source);

-- Name: robots_file robots_file_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.robots_file
    ADD CONSTRAINT robots_file_pkey PRIMARY KEY (upstream);

-- Name: rule rule_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.rule
    ADD CONSTRAINT rule_pkey PRIMARY KEY (name);

-- Name: rule_state rule_state_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.rule_state
    ADD CONSTRAINT rule_state_pkey PRIMARY KEY (rule);

-- Name: run run_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (id);

-- Name: run_request run_request_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.run_request
    ADD CONSTRAINT run_request_pkey PRIMARY KEY (id);

-- Name: schedule_change schedule_change_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.schedule_change
    ADD CONSTRAINT schedule_change_pkey PRIMARY KEY (id);

-- Name: schedule_edit schedule_edit_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.schedule_edit
    ADD CONSTRAINT schedule_edit_pkey PRIMARY KEY (id);

-- Name: schedule schedule_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_pkey PRIMARY KEY (name);

-- Name: schedule_state schedule_state_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.schedule_state
    ADD CONSTRAINT schedule_state_pkey PRIMARY KEY (schedule);

-- Name: scrape scrape_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.scrape
    ADD CONSTRAINT scrape_pkey PRIMARY KEY (run_id, category_id);

-- Name: site site_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.site
    ADD CONSTRAINT site_pkey PRIMARY KEY (name);

-- Name: site_turn site_turn_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.site_turn
    ADD CONSTRAINT site_turn_pkey PRIMARY KEY (site);

-- Name: task_kind task_kind_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.task_kind
    ADD CONSTRAINT task_kind_pkey PRIMARY KEY (name);

-- Name: timezone_name timezone_name_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.timezone_name
    ADD CONSTRAINT timezone_name_pkey PRIMARY KEY (name);

-- Name: token token_chain_address_key_key; Type: CONSTRAINT
ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_chain_address_key_key UNIQUE (chain, address_key);

-- Name: token token_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_pkey PRIMARY KEY (id);

-- Name: token_pool token_pool_chain_pool_key; Type: CONSTRAINT
ALTER TABLE ONLY public.token_pool
    ADD CONSTRAINT token_pool_chain_pool_key UNIQUE (chain, pool);

-- Name: token_pool token_pool_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.token_pool
    ADD CONSTRAINT token_pool_pkey PRIMARY KEY (id);

-- Name: token_profile token_profile_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.token_profile
    ADD CONSTRAINT token_profile_pkey PRIMARY KEY (run_id, token_id);

-- Name: token_rule token_rule_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.token_rule
    ADD CONSTRAINT token_rule_pkey PRIMARY KEY (rule, token_id);

-- Name: token_sighting token_sighting_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.token_sighting
    ADD CONSTRAINT token_sighting_pkey PRIMARY KEY (run_id, token_id);

-- Name: token_snapshot token_snapshot_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.token_snapshot
    ADD CONSTRAINT token_snapshot_pkey PRIMARY KEY (token_id, run_id);

-- Name: transaction transaction_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.transaction
    ADD CONSTRAINT transaction_pkey PRIMARY KEY (id);

-- Name: upstream upstream_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.upstream
    ADD CONSTRAINT upstream_pkey PRIMARY KEY (name);

-- Name: upstream_state upstream_state_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.upstream_state
    ADD CONSTRAINT upstream_state_pkey PRIMARY KEY (upstream);

-- Name: wallet wallet_chain_address_key; Type: CONSTRAINT
ALTER TABLE ONLY public.wallet
    ADD CONSTRAINT wallet_chain_address_key UNIQUE (chain, address);

-- Name: wallet wallet_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.wallet
    ADD CONSTRAINT wallet_pkey PRIMARY KEY (id);

-- Name: wallet_token wallet_token_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.wallet_token
    ADD CONSTRAINT wallet_token_pkey PRIMARY KEY (wallet_id, token_id);

-- Name: watchlist_item watchlist_item_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.watchlist_item
    ADD CONSTRAINT watchlist_item_pkey PRIMARY KEY (symbol);

-- Name: worker_group worker_group_pkey; Type: CONSTRAINT
ALTER TABLE ONLY public.worker_group
    ADD CONSTRAINT worker_group_pkey PRIMARY KEY (name);

-- Name: batch_by_queue; Type: INDEX
CREATE INDEX batch_by_queue ON public.batch USING btree (queue, state, send_at) WHERE (state = ANY (ARRAY['waiting'::text, 'sent'::text, 'running'::text]));

-- Name: batch_leased; Type: INDEX
CREATE INDEX batch_leased ON public.batch USING btree (lease_until) WHERE (state = 'running'::text);

-- Name: batch_to_send; Type: INDEX
CREATE INDEX batch_to_send ON public.batch USING btree (send_at) WHERE (state = ANY (ARRAY['waiting'::text, 'sent'::text]));

-- Name: batch_waiting_for_upstream; Type: INDEX
CREATE INDEX batch_waiting_for_upstream ON public.batch USING btree (waiting_for, priority DESC, updated_at) WHERE ((state = ANY (ARRAY['waiting'::text, 'sent'::text])) AND (waiting_for IS NOT NULL));

-- Name: batch_waiting_run; Type: INDEX
CREATE INDEX batch_waiting_run ON public.batch USING btree (waiting_for, run_id) WHERE ((state = ANY (ARRAY['waiting'::text, 'sent'::text])) AND (waiting_for IS NOT NULL));

-- Name: category_by_parent; Type: INDEX
CREATE INDEX category_by_parent ON public.category USING btree (parent_id);

-- Name: channel_by_upstream; Type: INDEX
CREATE INDEX channel_by_upstream ON public.channel USING btree (upstream);

-- Name: incident_by_time; Type: INDEX
CREATE INDEX incident_by_time ON public.incident USING btree (opened_at);

-- Name: incident_open; Type: INDEX
CREATE UNIQUE INDEX incident_open ON public.incident USING btree (kind, subject) WHERE (closed_at IS NULL);

-- Name: listing_by_category; Type: INDEX
CREATE INDEX listing_by_category ON public.listing USING btree (category_id, last_seen_at);

-- Name: listing_by_first_seen; Type: INDEX
CREATE INDEX listing_by_first_seen ON public.listing USING btree (first_seen_at);

-- Name: listing_by_last_seen; Type: INDEX
CREATE INDEX listing_by_last_seen ON public.listing USING btree (last_seen_at);

-- Name: listing_price_by_listing; Type: INDEX
CREATE INDEX listing_price_by_listing ON public.listing_price USING btree (listing_id, seen_at);

-- Name: listing_status_change_by_listing; Type: INDEX
CREATE INDEX listing_status_change_by_listing ON public.listing_status_change USING btree (listing_id, seen_at);

-- Name: market_session_by_close; Type: INDEX
CREATE INDEX market_session_by_close ON public.market_session USING btree (mic, close_at);

-- Name: match_by_subject; Type: INDEX
CREATE INDEX match_by_subject ON public.match USING btree (subject, subject_id);

-- Name: match_by_time; Type: INDEX
CREATE INDEX match_by_time ON public.match USING btree (matched_at);

-- Name: notice_by_match; Type: INDEX
CREATE INDEX notice_by_match ON public.notice USING btree (match_id);

-- Name: notice_by_time; Type: INDEX
CREATE INDEX notice_by_time ON public.notice USING btree (channel, sent_at);

-- Name: notice_open; Type: INDEX
CREATE INDEX notice_open ON public.notice USING btree (channel, id) WHERE (state = ANY (ARRAY['waiting'::text, 'sending'::text]));

-- Name: permit_by_run; Type: INDEX
CREATE INDEX permit_by_run ON public.permit USING btree (run_id) WHERE (run_id IS NOT NULL);

-- Name: permit_by_stamp; Type: INDEX
CREATE INDEX permit_by_stamp ON public.permit USING btree (upstream, stamp DESC);

-- Name: price_bar_by_date; Type: INDEX
CREATE INDEX price_bar_by_date ON public.price_bar USING btree (bar_date);

-- Name: price_outcome_by_symbol; Type: INDEX
CREATE INDEX price_outcome_by_symbol ON public.price_outcome USING btree (symbol, at);

-- Name: price_outcome_by_time; Type: INDEX
CREATE INDEX price_outcome_by_time ON public.price_outcome USING btree (at);

-- Name: run_active; Type: INDEX
CREATE INDEX run_active ON public.run USING btree (schedule, created_at) WHERE (state = ANY (ARRAY['due'::text, 'running'::text, 'held'::text]));

-- Name: run_by_creation; Type: INDEX
CREATE INDEX run_by_creation ON public.run USING btree (created_at);

-- Name: run_by_schedule; Type: INDEX
CREATE INDEX run_by_schedule ON public.run USING btree (schedule, created_at);

-- Name: run_deadline; Type: INDEX
CREATE INDEX run_deadline ON public.run USING btree (deadline_at) WHERE ((state = ANY (ARRAY['due'::text, 'running'::text])) AND (deadline_at IS NOT NULL));

-- Name: run_failures; Type: INDEX
CREATE INDEX run_failures ON public.run USING btree (finished_at) WHERE (state = ANY (ARRAY['failed'::text, 'partial'::text]));

-- Name: run_held; Type: INDEX
CREATE INDEX run_held ON public.run USING btree (schedule, created_at, due_at) WHERE (state = 'held'::text);

-- Name: run_one_exclusive; Type: INDEX
CREATE UNIQUE INDEX run_one_exclusive ON public.run USING btree (schedule) WHERE (exclusive AND (state = ANY (ARRAY['due'::text, 'running'::text])));

-- Name: run_one_per_due_time; Type: INDEX
CREATE UNIQUE INDEX run_one_per_due_time ON public.run USING btree (schedule, due_at) WHERE (trigger = 'schedule'::text);

-- Name: run_request_by_time; Type: INDEX
CREATE INDEX run_request_by_time ON public.run_request USING btree (requested_at);

-- Name: run_request_open; Type: INDEX
CREATE INDEX run_request_open ON public.run_request USING btree (id) WHERE (answered_at IS NULL);

-- Name: run_stopping; Type: INDEX
CREATE INDEX run_stopping ON public.run USING btree (stop_requested_at) WHERE ((state = ANY (ARRAY['due'::text, 'running'::text, 'held'::text])) AND (stop_requested_at IS NOT NULL));

-- Name: run_task_active; Type: INDEX
CREATE INDEX run_task_active ON public.run USING btree (task) WHERE (state = ANY (ARRAY['due'::text, 'running'::text]));

-- Name: run_uncounted; Type: INDEX
CREATE INDEX run_uncounted ON public.run USING btree (finished_at) WHERE ((finished_at IS NOT NULL) AND (NOT counted));

-- Name: schedule_by_after; Type: INDEX
CREATE INDEX schedule_by_after ON public.schedule USING btree (after) WHERE (after IS NOT NULL);

-- Name: schedule_by_task; Type: INDEX
CREATE INDEX schedule_by_task ON public.schedule USING btree (task);

-- Name: schedule_change_by_schedule; Type: INDEX
CREATE INDEX schedule_change_by_schedule ON public.schedule_change USING btree (schedule, changed_at);

-- Name: schedule_change_by_time; Type: INDEX
CREATE INDEX schedule_change_by_time ON public.schedule_change USING btree (changed_at);

-- Name: schedule_state_due; Type: INDEX
CREATE INDEX schedule_state_due ON public.schedule_state USING btree (claim_at) WHERE (claim_at IS NOT NULL);

-- Name: schedule_state_failing; Type: INDEX
CREATE INDEX schedule_state_failing ON public.schedule_state USING btree (schedule) WHERE (consecutive_failures > 0);

-- Name: schedule_state_tripped; Type: INDEX
CREATE INDEX schedule_state_tripped ON public.schedule_state USING btree (schedule) WHERE (tripped_at IS NOT NULL);

-- Name: schedule_state_wrong; Type: INDEX
CREATE INDEX schedule_state_wrong ON public.schedule_state USING btree (error_at) WHERE (error IS NOT NULL);

-- Name: scrape_by_category; Type: INDEX
CREATE INDEX scrape_by_category ON public.scrape USING btree (category_id, started_at);

-- Name: scrape_by_time; Type: INDEX
CREATE INDEX scrape_by_time ON public.scrape USING btree (started_at);

-- Name: site_by_upstream; Type: INDEX
CREATE INDEX site_by_upstream ON public.site USING btree (upstream);

-- Name: token_by_check; Type: INDEX
CREATE INDEX token_by_check ON public.token USING btree (last_checked_at);

-- Name: token_by_first_seen; Type: INDEX
CREATE INDEX token_by_first_seen ON public.token USING btree (first_seen_at);

-- Name: token_by_last_seen; Type: INDEX
CREATE INDEX token_by_last_seen ON public.token USING btree (last_seen_at);

-- Name: token_pool_by_check; Type: INDEX
CREATE INDEX token_pool_by_check ON public.token_pool USING btree (checked_at);

-- Name: token_pool_by_token; Type: INDEX
CREATE INDEX token_pool_by_token ON public.token_pool USING btree (token_id);

-- Name: token_profile_by_token; Type: INDEX
CREATE INDEX token_profile_by_token ON public.token_profile USING btree (token_id);

-- Name: token_profile_open; Type: INDEX
CREATE INDEX token_profile_open ON public.token_profile USING btree (asked_at) WHERE (profiled_at IS NULL);

-- Name: token_rule_by_token; Type: INDEX
CREATE INDEX token_rule_by_token ON public.token_rule USING btree (token_id);

-- Name: token_sighting_by_token; Type: INDEX
CREATE INDEX token_sighting_by_token ON public.token_sighting USING btree (token_id);

-- Name: transaction_by_time; Type: INDEX
CREATE INDEX transaction_by_time ON public.transaction USING btree (traded_at, symbol);

-- Name: upstream_state_next_permit; Type: INDEX
CREATE INDEX upstream_state_next_permit ON public.upstream_state USING btree (next_permit_at);

-- Name: wallet_by_score; Type: INDEX
CREATE INDEX wallet_by_score ON public.wallet USING btree (score DESC);

-- Name: wallet_token_by_token; Type: INDEX
CREATE INDEX wallet_token_by_token ON public.wallet_token USING btree (token_id);

-- Name: watchlist_item_active; Type: INDEX
CREATE INDEX watchlist_item_active ON public.watchlist_item USING btree (priority, symbol) WHERE active;

-- Name: channel channel_check; Type: TRIGGER
CREATE TRIGGER channel_check BEFORE INSERT OR UPDATE ON public.channel FOR EACH ROW EXECUTE FUNCTION public.channel_check();

-- Name: pause_switch pause_switch_stamp; Type: TRIGGER
CREATE TRIGGER pause_switch_stamp BEFORE UPDATE ON public.pause_switch FOR EACH ROW EXECUTE FUNCTION public.pause_switch_stamp();

-- Name: pause_switch pause_switched; Type: TRIGGER
CREATE TRIGGER pause_switched AFTER UPDATE ON public.pause_switch FOR EACH ROW EXECUTE FUNCTION public.pause_switched();

-- Name: run profile_asked; Type: TRIGGER
CREATE TRIGGER profile_asked AFTER UPDATE OF finished_at ON public.run FOR EACH ROW WHEN (((old.finished_at IS NULL) AND (new.finished_at IS NOT NULL) AND (new.task = ANY (ARRAY['tasks.discovery.discover'::text, 'tasks.discovery.surveil'::text])))) EXECUTE FUNCTION public.profile_asked();

-- Name: quota quota_check; Type: TRIGGER
CREATE TRIGGER quota_check BEFORE INSERT OR UPDATE ON public.quota FOR EACH ROW EXECUTE FUNCTION public.quota_check();

-- Name: quota quota_edited; Type: TRIGGER
CREATE CONSTRAINT TRIGGER quota_edited AFTER INSERT OR DELETE OR UPDATE ON public.quota DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.upstream_edited();

-- Name: rule rule_edited; Type: TRIGGER
CREATE TRIGGER rule_edited BEFORE INSERT OR UPDATE ON public.rule FOR EACH ROW EXECUTE FUNCTION public.rule_edited();

-- Name: rule rule_to_check; Type: TRIGGER
CREATE TRIGGER rule_to_check AFTER INSERT OR UPDATE ON public.rule FOR EACH STATEMENT EXECUTE FUNCTION public.rule_to_check();

-- Name: run run_ended; Type: TRIGGER
CREATE TRIGGER run_ended AFTER UPDATE OF finished_at ON public.run FOR EACH ROW WHEN (((old.finished_at IS NULL) AND (new.finished_at IS NOT NULL))) EXECUTE FUNCTION public.run_ended();

-- Name: run_request run_request_check; Type: TRIGGER
CREATE TRIGGER run_request_check BEFORE INSERT ON public.run_request FOR EACH ROW EXECUTE FUNCTION public.run_request_check();

-- Name: run_request run_requested; Type: TRIGGER
CREATE TRIGGER run_requested AFTER INSERT ON public.run_request FOR EACH STATEMENT EXECUTE FUNCTION public.run_requested();

-- Name: schedule schedule_check; Type: TRIGGER
CREATE TRIGGER schedule_check BEFORE INSERT OR UPDATE ON public.schedule FOR EACH ROW EXECUTE FUNCTION public.schedule_check();

-- Name: schedule schedule_deleted; Type: TRIGGER
CREATE TRIGGER schedule_deleted AFTER DELETE ON public.schedule REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.schedule_edited();

-- Name: schedule schedule_inserted; Type: TRIGGER
CREATE TRIGGER schedule_inserted AFTER INSERT ON public.schedule REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.schedule_edited();

-- Name: schedule schedule_kept; Type: TRIGGER
CREATE TRIGGER schedule_kept BEFORE DELETE ON public.schedule FOR EACH ROW EXECUTE FUNCTION public.schedule_kept();

-- Name: schedule schedule_stamp; Type: TRIGGER
CREATE TRIGGER schedule_stamp BEFORE INSERT OR UPDATE ON public.schedule FOR EACH ROW EXECUTE FUNCTION public.schedule_stamp();

-- Name: schedule schedule_updated; Type: TRIGGER
CREATE TRIGGER schedule_updated AFTER UPDATE ON public.schedule REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.schedule_edited();

-- Name: market_session sessions_deleted; Type: TRIGGER
CREATE TRIGGER sessions_deleted AFTER DELETE ON public.market_session REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.sessions_changed();

-- Name: market_session sessions_inserted; Type: TRIGGER
CREATE TRIGGER sessions_inserted AFTER INSERT ON public.market_session REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.sessions_changed();

-- Name: market_session sessions_updated; Type: TRIGGER
CREATE TRIGGER sessions_updated AFTER UPDATE ON public.market_session REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.sessions_changed();

-- Name: site site_check; Type: TRIGGER
CREATE TRIGGER site_check BEFORE INSERT OR UPDATE ON public.site FOR EACH ROW EXECUTE FUNCTION public.site_check();

-- Name: upstream upstream_added; Type: TRIGGER
CREATE TRIGGER upstream_added AFTER INSERT ON public.upstream FOR EACH ROW EXECUTE FUNCTION public.upstream_added();

-- Name: upstream upstream_check; Type: TRIGGER
CREATE TRIGGER upstream_check BEFORE INSERT OR UPDATE ON public.upstream FOR EACH ROW EXECUTE FUNCTION public.upstream_check();

-- Name: upstream upstream_edited; Type: TRIGGER
CREATE CONSTRAINT TRIGGER upstream_edited AFTER UPDATE ON public.upstream DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.upstream_edited();

-- Name: upstream upstream_stamped; Type: TRIGGER
CREATE TRIGGER upstream_stamped BEFORE UPDATE ON public.upstream FOR EACH ROW EXECUTE FUNCTION public.upstream_stamped();

-- Name: upstream upstream_unblocked; Type: TRIGGER
CREATE CONSTRAINT TRIGGER upstream_unblocked AFTER UPDATE OF unblocked_at ON public.upstream DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.unblocked_at IS DISTINCT FROM old.unblocked_at)) EXECUTE FUNCTION public.upstream_unblocked();

-- Name: worker_group worker_group_check; Type: TRIGGER
CREATE TRIGGER worker_group_check BEFORE INSERT OR UPDATE ON public.worker_group FOR EACH ROW EXECUTE FUNCTION public.worker_group_check();

-- Name: batch batch_run_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.batch
    ADD CONSTRAINT batch_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.run(id) ON DELETE CASCADE;

-- Name: category category_parent_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES public.category(id);

-- Name: category category_site_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_site_fkey FOREIGN KEY (site) REFERENCES public.site(name) ON DELETE CASCADE;

-- Name: category_state category_state_category_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.category_state
    ADD CONSTRAINT category_state_category_id_fkey FOREIGN KEY (category_id) REFERENCES public.category(id) ON DELETE CASCADE;

-- Name: channel channel_upstream_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.channel
    ADD CONSTRAINT channel_upstream_fkey FOREIGN KEY (upstream) REFERENCES public.upstream(name) ON DELETE RESTRICT;

-- Name: list_page list_page_category_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.list_page
    ADD CONSTRAINT list_page_category_id_fkey FOREIGN KEY (category_id) REFERENCES public.category(id) ON DELETE CASCADE;

-- Name: listing listing_category_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.listing
    ADD CONSTRAINT listing_category_id_fkey FOREIGN KEY (category_id) REFERENCES public.category(id) ON DELETE SET NULL;

-- Name: listing_price listing_price_listing_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.listing_price
    ADD CONSTRAINT listing_price_listing_id_fkey FOREIGN KEY (listing_id) REFERENCES public.listing(id) ON DELETE CASCADE;

-- Name: listing listing_site_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.listing
    ADD CONSTRAINT listing_site_fkey FOREIGN KEY (site) REFERENCES public.site(name) ON DELETE CASCADE;

-- Name: listing_status_change listing_status_change_listing_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.listing_status_change
    ADD CONSTRAINT listing_status_change_listing_id_fkey FOREIGN KEY (listing_id) REFERENCES public.listing(id) ON DELETE CASCADE;

-- Name: market_session market_session_mic_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.market_session
    ADD CONSTRAINT market_session_mic_fkey FOREIGN KEY (mic) REFERENCES public.market(mic) ON DELETE CASCADE;

-- Name: match match_rule_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.match
    ADD CONSTRAINT match_rule_fkey FOREIGN KEY (rule) REFERENCES public.rule(name) ON DELETE CASCADE;

-- Name: memo memo_run_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.memo
    ADD CONSTRAINT memo_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.run(id) ON DELETE CASCADE;

-- Name: notice notice_channel_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_channel_fkey FOREIGN KEY (channel) REFERENCES public.channel(name) ON DELETE CASCADE;

-- Name: notice notice_match_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_match_id_fkey FOREIGN KEY (match_id) REFERENCES public.match(id) ON DELETE CASCADE;

-- Name: permit permit_upstream_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.permit
    ADD CONSTRAINT permit_upstream_fkey FOREIGN KEY (upstream) REFERENCES public.upstream(name) ON DELETE CASCADE;

-- Name: quota quota_upstream_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.quota
    ADD CONSTRAINT quota_upstream_fkey FOREIGN KEY (upstream) REFERENCES public.upstream(name) ON DELETE CASCADE;

-- Name: robots_file robots_file_upstream_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.robots_file
    ADD CONSTRAINT robots_file_upstream_fkey FOREIGN KEY (upstream) REFERENCES public.upstream(name) ON DELETE CASCADE;

-- Name: rule_state rule_state_rule_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.rule_state
    ADD CONSTRAINT rule_state_rule_fkey FOREIGN KEY (rule) REFERENCES public.rule(name) ON DELETE CASCADE;

-- Name: schedule schedule_after_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_after_fkey FOREIGN KEY (after) REFERENCES public.schedule(name) ON DELETE RESTRICT;

-- Name: schedule_state schedule_state_schedule_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.schedule_state
    ADD CONSTRAINT schedule_state_schedule_fkey FOREIGN KEY (schedule) REFERENCES public.schedule(name) ON DELETE CASCADE;

-- Name: schedule schedule_task_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_task_fkey FOREIGN KEY (task) REFERENCES public.task_kind(name);

-- Name: scrape scrape_category_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.scrape
    ADD CONSTRAINT scrape_category_id_fkey FOREIGN KEY (category_id) REFERENCES public.category(id) ON DELETE CASCADE;

-- Name: site_turn site_turn_site_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.site_turn
    ADD CONSTRAINT site_turn_site_fkey FOREIGN KEY (site) REFERENCES public.site(name) ON DELETE CASCADE;

-- Name: site site_upstream_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.site
    ADD CONSTRAINT site_upstream_fkey FOREIGN KEY (upstream) REFERENCES public.upstream(name);

-- Name: token_pool token_pool_token_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.token_pool
    ADD CONSTRAINT token_pool_token_id_fkey FOREIGN KEY (token_id) REFERENCES public.token(id) ON DELETE CASCADE;

-- Name: token_profile token_profile_token_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.token_profile
    ADD CONSTRAINT token_profile_token_id_fkey FOREIGN KEY (token_id) REFERENCES public.token(id) ON DELETE CASCADE;

-- Name: token_rule token_rule_rule_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.token_rule
    ADD CONSTRAINT token_rule_rule_fkey FOREIGN KEY (rule) REFERENCES public.rule(name) ON DELETE CASCADE;

-- Name: token_rule token_rule_token_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.token_rule
    ADD CONSTRAINT token_rule_token_id_fkey FOREIGN KEY (token_id) REFERENCES public.token(id) ON DELETE CASCADE;

-- Name: token_sighting token_sighting_token_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.token_sighting
    ADD CONSTRAINT token_sighting_token_id_fkey FOREIGN KEY (token_id) REFERENCES public.token(id) ON DELETE CASCADE;

-- Name: token_snapshot token_snapshot_token_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.token_snapshot
    ADD CONSTRAINT token_snapshot_token_id_fkey FOREIGN KEY (token_id) REFERENCES public.token(id) ON DELETE CASCADE;

-- Name: upstream_state upstream_state_upstream_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.upstream_state
    ADD CONSTRAINT upstream_state_upstream_fkey FOREIGN KEY (upstream) REFERENCES public.upstream(name) ON DELETE CASCADE;

-- Name: wallet_token wallet_token_token_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.wallet_token
    ADD CONSTRAINT wallet_token_token_id_fkey FOREIGN KEY (token_id) REFERENCES public.token(id) ON DELETE CASCADE;

-- Name: wallet_token wallet_token_wallet_id_fkey; Type: FK CONSTRAINT
ALTER TABLE ONLY public.wallet_token
    ADD CONSTRAINT wallet_token_wallet_id_fkey FOREIGN KEY (wallet_id) REFERENCES public.wallet(id) ON DELETE CASCADE;
