create or replace function quota_check() returns trigger
language plpgsql
as $$
begin
    if coalesce(new.calls, 0) < 1 then
        raise exception 'calls = % is not allowed for %', coalesce(new.calls::text, 'null'), new.upstream
            using errcode = '23514', column = 'calls',
                  hint = 'calls must be 1 or more; to stop calls disable the upstream: '
                         || how_to(format('UPDATE upstream SET enabled = false WHERE name = %L;', new.upstream),
                                   format('upstream set %s --disabled', new.upstream));
    end if;
    if isfinite(new.per) and (extract(year from new.per) <> 0 or extract(month from new.per) <> 0) then
        raise exception 'per = % has months or years, which have no fixed length', new.per
            using errcode = '23514', column = 'per', hint = 'per takes no months or years, write 30 days.';
    end if;
    if coalesce(new.per, interval '0') <= interval '0' then
        raise exception 'per = % is not a length of time', coalesce(new.per::text, 'null')
            using errcode = '23514', column = 'per', hint = 'per must be longer than zero, e.g. per = ''1 minute''.';
    end if;
    if new.per > interval '31 days' then
        raise exception 'per = % is too long', new.per
            using errcode = '23514', column = 'per', hint = 'per is at most 31 days: calls are counted no longer than that.';
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
                  hint = did_you_mean(new.upstream, (select array_agg(name) from upstream)) || 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    return new;
end
$$;

comment on function quota_check() is 'Trigger: refuses an invalid limit, with a hint';

create or replace trigger quota_check
    before insert or update on quota
    for each row execute function quota_check();
