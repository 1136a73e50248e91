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
