create or replace function day_start(timezone text, now_ timestamptz) returns timestamptz
language sql stable
as $$
    -- Where clocks go back over midnight the day has two: it begins with the first.
    select case when date_trunc('day', (midnight - interval '1 hour') at time zone timezone) = today
                then midnight - interval '1 hour' else midnight end
      from (select today, today at time zone timezone as midnight
              from (select date_trunc('day', now_ at time zone timezone) as today) local) its
$$;

comment on function day_start(text, timestamptz) is 'When the day of a timezone''s calendar began';

create or replace function window_start(per interval, timezone text, now_ timestamptz) returns timestamptz
language plpgsql stable
as $$
begin
    -- What is stamped later than this counts.  A call in flight at midnight counts for both days: its
    -- stamp lies in the new one.
    return case when timezone is null then now_ - per else day_start(timezone, now_) end;
end
$$;

comment on function window_start(interval, text, timestamptz) is
    'Where a quota''s window begins now: per ago, or the last midnight of its timezone';

create or replace function window_free(nth timestamptz, per interval, timezone text, now_ timestamptz)
returns timestamptz
language plpgsql stable
as $$
begin
    -- If even the n-th youngest call is still in flight, none can leave sooner than a window from now.
    return case when timezone is null then least(nth, now_) + per
                else day_start(timezone, (date_trunc('day', now_ at time zone timezone) + interval '1 day')
                                         at time zone timezone) end;
end
$$;

comment on function window_free(timestamptz, interval, text, timestamptz) is
    'When a full window has room again: when its n-th youngest call leaves, or at midnight of its timezone';
