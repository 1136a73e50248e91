create or replace function duration_words(length interval) returns text
language sql immutable
as $$
    select case
        when length is null then null
        when ms = 0 then '0 seconds'
        else case when length < interval '0' then 'minus ' else '' end || array_to_string(array_remove(array[
            case when d > 0 then d || case d when 1 then ' day' else ' days' end end,
            case when h > 0 then h || case h when 1 then ' hour' else ' hours' end end,
            case when m > 0 then m || case m when 1 then ' minute' else ' minutes' end end,
            case when r > 0 then trim_scale(r) || case r when 1 then ' second' else ' seconds' end end], null), ' ')
        end
      -- In thousandths of a second: of 59.9996 seconds a minute is said.
      from (select abs(round(extract(epoch from length) * 1000)) ms) total,
           lateral (select floor(ms / 86400000) d, floor(ms / 3600000) % 24 h, floor(ms / 60000) % 60 m, ms % 60000 / 1000 r) parts
$$;

-- squawk-ignore require-concurrent-index-creation
create index schedule_by_task on schedule (task);
-- squawk-ignore require-concurrent-index-deletion
drop index schedule_by_kind;
