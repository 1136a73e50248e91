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
    elsif first is null or last is null then
        raise exception 'a backfill needs both ends of its range'
            using errcode = '23514', column = case when first is null then 'backfill_from' else 'backfill_until' end,
                  hint = format('E.g. SELECT backfill(%L, now() - interval ''2 days'', now());', s.name);
    elsif not isfinite(first) or not isfinite(last) or last < first then
        raise exception 'a backfill must end after it starts, not from % to %', first, last
            using errcode = '23514', column = 'backfill_until', hint = 'Both ends are included.';
    elsif first > clock_timestamp() then
        raise exception 'a backfill is of the past, and % is still to come', first
            using errcode = '23514', column = 'backfill_from',
                  hint = format('Its due times run by themselves: SELECT * FROM next_runs(%L);', s.name);
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
    last := least(last, clock_timestamp());
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
        if jsonb_typeof(new.options) <> 'object' then
            raise exception 'options must be a JSON object, not %', jsonb_typeof(new.options)
                using errcode = '23514', column = 'options', hint = 'Write ''{"name": value}'' or ''{}''.';
        elsif new.options is not null then
            perform options_check(asked.task, asked.options || new.options,
                                  (select options_schema from task_kind where name = asked.task));
        end if;
        if new.action = 'backfill' then
            perform backfill_check(asked, new.backfill_from, new.backfill_until, coalesce(new.overlap, 'buffer_all'));
            -- What is still to come runs by itself.
            new.backfill_until := least(new.backfill_until, clock_timestamp());
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
    last := least(last, now_);
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
