create or replace function plain_dues(s schedule, anchor timestamptz, first timestamptz, until timestamptz, most integer)
returns timestamptz[]
language plpgsql stable
as $$
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
    elsif sun_event(s.cron) is not null then
        -- Only beat computes where the sun is.
        return '{}';
    elsif s.cron is not null then
        return cron_dues(s.cron, s.timezone, first, until, most);
    elsif s.at >= first and s.at < until then
        return array[s.at];
    end if;
    return '{}';
end
$$;

comment on function plain_dues(schedule, timestamptz, timestamptz, timestamptz, integer) is
    'Due times from first to before until, without regard to calendar, start and end';

create or replace function due_times(s schedule, anchor timestamptz, first timestamptz, until timestamptz, most integer)
returns timestamptz[]
language plpgsql stable
as $$
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

comment on function due_times(schedule, timestamptz, timestamptz, timestamptz, integer) is
    'Due times of a schedule from first to before until, at most so many (beat/time/timetable.py finds the same)';

create or replace function next_runs(schedule_name text, n integer default 5)
returns table (due_at timestamptz, local text, ahead text)
language plpgsql stable
as $$
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
        if s.paused_until > now_ then
            -- Not a moment earlier; what is due when the pause ends runs.
            begins := s.paused_until;
        elsif s.at is not null and st.last_due_at is distinct from s.at then
            begins := begins - interval '60 seconds' + interval '1 microsecond';
        elsif st.planned_revision is not null or st.last_due_at is not null then
            begins := begins + interval '1 microsecond';
        end if;
        begins := greatest(begins, s.starts_at);
    end if;
    return query
        select due, to_char(due at time zone s.timezone, 'Dy YYYY-MM-DD HH24:MI:SS') || ' ' || s.timezone, in_words(due)
          from unnest(case when sun_event(s.cron) is null then due_times(s, anchor, begins, 'infinity', n)
                           when st.planned_revision = s.revision then array[st.next_run_at] end) due;
end
$$;

comment on function next_runs(text, integer) is
    'When a schedule runs next, as it stands now; by the sun only the first is known: SELECT * FROM next_runs(''prices-nightly'', 5);';
