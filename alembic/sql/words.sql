create or replace function duration_words(length interval) returns text
language plpgsql immutable strict
as $$
declare
    -- In thousandths of a second: of 59.9996 seconds a minute is said.  Types are exact: a session
    -- looks for no operator that fits.
    ms bigint := case when isfinite(length) then abs(round(extract(epoch from length) * 1000.0))::bigint end;
    d bigint := ms / 86400000;
    h bigint := ms / 3600000 % 24;
    m bigint := ms / 60000 % 60;
    r numeric := trim_scale((ms % 60000)::numeric / 1000.0);
begin
    return case
        when ms is null then length::text
        when ms = 0 then '0 seconds'
        else concat(case when length < interval '0' then 'minus ' end, concat_ws(' ',
            case d when 0 then null when 1 then '1 day' else concat(d, ' days') end,
            case h when 0 then null when 1 then '1 hour' else concat(h, ' hours') end,
            case m when 0 then null when 1 then '1 minute' else concat(m, ' minutes') end,
            case r when 0.0 then null when 1.0 then '1 second' else concat(r, ' seconds') end))
        end;
end $$;

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

create or replace function count_words(number bigint, one text, several text default null) returns text
language sql immutable
as $$
    select case when number = 1 then '1 ' || one else to_char(number, 'FM999,999,999,999,999,990') || ' ' || coalesce(several, one || 's') end
$$;

comment on function count_words(bigint, text, text) is 'A number of things: "1 rule", "2 rules", "1 batch", "3 batches"';

create or replace function rate_words(calls bigint, per interval) returns text
language sql immutable
as $$
    select count_words(calls, 'call')
           || case when said ~ '^1 [a-z]+$' then case said when '1 hour' then ' an ' else ' a ' end || substr(said, 3)
                   else ' in ' || said end
      from (select duration_words(per) as said) length_
$$;

comment on function rate_words(bigint, interval) is 'So many calls in a length of time: "30 calls a minute", "1 call in 5 minutes"';
