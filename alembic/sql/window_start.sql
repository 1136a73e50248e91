create or replace function window_start(per interval, timezone text, now_ timestamptz) returns timestamptz
language sql stable
as $$
    -- What is stamped later than this counts.  A call in flight at midnight counts for both days: its
    -- stamp lies in the new one.
    select case when timezone is null then now_ - per
                else date_trunc('day', now_ at time zone timezone) at time zone timezone end
$$;

comment on function window_start(interval, text, timestamptz) is
    'Where a quota''s window begins now: per ago, or the last midnight of its timezone';

create or replace function window_free(nth timestamptz, per interval, timezone text, now_ timestamptz)
returns timestamptz
language sql stable
as $$
    -- If even the n-th youngest call is still in flight, none can leave sooner than a window from now.
    select case when timezone is null then least(nth, now_) + per
                else (date_trunc('day', now_ at time zone timezone) + interval '1 day')
                     at time zone timezone end
$$;

comment on function window_free(timestamptz, interval, text, timestamptz) is
    'When a full window has room again: when its n-th youngest call leaves, or at midnight of its timezone';
