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
    meet boolean;
    days_more integer := 2;
    found timestamptz[] := '{}';
begin
    foreach one in array string_to_array(cron, ';') loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        f := regexp_split_to_array(coalesce(macros ->> one, one), '[' || spaces || ']+');
        meet := cardinality(f) = 6;
        if meet then
            f := f[1:4] || f[6];
        end if;
        expressions := expressions || jsonb_build_object(
            'minutes', (select array_agg(h * 60 + m order by h, m) from unnest(cron_set(f[1], 1)) m, unnest(cron_set(f[2], 2)) h),
            'days', cron_set(f[3], 3), 'months', cron_set(f[4], 4),
            'weekdays', (select array_agg(distinct d % 7) from unnest(cron_set(f[5], 5)) d),
            'both', meet or f[3] like '*%' or f[5] like '*%',
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
