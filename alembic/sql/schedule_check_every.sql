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
