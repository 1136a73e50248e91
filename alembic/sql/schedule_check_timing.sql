create or replace function schedule_check_timing(new schedule) returns void
language plpgsql immutable
as $$
declare
    given text[] := array_remove(array[
        case when new.every is not null then 'every' end,
        case when new.cron is not null then 'cron' end,
        case when new.at is not null then 'at' end,
        case when new.after is not null then 'after' end], null);
begin
    if cardinality(given) = 0 then
        raise exception 'schedule "%" says nothing about when it runs', new.name
            using errcode = '23514', column = 'every',
                  hint = 'Set exactly one of every, cron, at, after, e.g. every = ''15 minutes''.';
    elsif cardinality(given) > 1 then
        raise exception 'schedule "%" says twice when it runs: %', new.name, array_to_string(given, ' and ')
            using errcode = '23514', column = given[2],
                  hint = format('Set exactly one and the others to NULL, e.g. SET %s = %s, %s = NULL.',
                                given[2], '…', given[1]);
    end if;
    if new.ends_at <= new.starts_at then
        raise exception 'ends_at = % is not later than starts_at = %', new.ends_at, new.starts_at
            using errcode = '23514', column = 'ends_at',
                  hint = 'A schedule ends after it starts; ends_at = NULL: never.';
    end if;
    if jsonb_typeof(new.options) <> 'object' then
        raise exception 'options must be a JSON object, not %', jsonb_typeof(new.options)
            using errcode = '23514', column = 'options', hint = 'Write options = ''{"name": value}'' or ''{}''.';
    end if;
end
$$;

comment on function schedule_check_timing(schedule) is 'Refuses a schedule without exactly one timing';
