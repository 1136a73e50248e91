create or replace function duration_words(length interval) returns text
language plpgsql immutable strict
as $$
declare
    -- In thousandths of a second: of 59.9996 seconds a minute is said.
    ms bigint := case when isfinite(length) then abs(round(extract(epoch from length) * 1000)) end;
    d bigint := ms / 86400000;
    h bigint := ms / 3600000 % 24;
    m bigint := ms / 60000 % 60;
    r bigint := ms % 60000;
begin
    return case
        when ms is null then length::text
        when ms = 0 then '0 seconds'
        else case when length < interval '0' then 'minus ' else '' end || concat_ws(' ',
            case when d > 0 then d || case d when 1 then ' day' else ' days' end end,
            case when h > 0 then h || case h when 1 then ' hour' else ' hours' end end,
            case when m > 0 then m || case m when 1 then ' minute' else ' minutes' end end,
            case when r > 0 then trim_scale(r / 1000.0) || case r when 1000 then ' second' else ' seconds' end end)
        end;
end $$;

-- The first schedules of a kind, as pages of watches name them; built at once, within a second for 100,000.
-- squawk-ignore require-concurrent-index-creation
create index schedule_by_kind on schedule (task, enabled desc, name);
-- squawk-ignore require-concurrent-index-deletion
drop index schedule_by_task;
