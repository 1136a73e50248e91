create or replace function run_requested() returns trigger
language plpgsql
as $$
begin
    perform pg_notify('watchkeeper', 'request');
    return null;
end
$$;

comment on function run_requested() is 'Trigger: wakes every beat at a request for a run';

create or replace trigger run_requested
    after insert on run_request
    for each statement execute function run_requested();
