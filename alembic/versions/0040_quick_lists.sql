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

-- The first schedules of a kind, as pages of watches name them; built at once, within a second for 100,000.
-- squawk-ignore require-concurrent-index-creation
create index schedule_by_kind on schedule (task, enabled desc, name);
-- squawk-ignore require-concurrent-index-deletion
drop index schedule_by_task;
