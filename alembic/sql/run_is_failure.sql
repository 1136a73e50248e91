create or replace function run_is_failure(r run, share numeric) returns boolean
language sql immutable
as $$
    -- Items that were deferred were not tried.
    select case
        when r.state = 'failed' then true
        when r.state = 'succeeded' then false
        when r.state = 'partial' and r.failed = 0 then false
        when r.state = 'partial' then r.failed >= share * (r.total - r.deferred) end
$$;

comment on function run_is_failure(run, numeric) is
    'Whether a run counts as failed, by the share of failed items that makes a partial one fail (schedule.alert_on_partial); null: neither as failed nor as good';
