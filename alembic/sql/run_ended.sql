create or replace function run_ended() returns trigger
language plpgsql
as $$
begin
    -- Only when somebody waits for it: a notification costs a lock of the whole database.
    if exists (select from run where state = 'held' and schedule = new.schedule)
       or exists (select from schedule where after = new.schedule)
       or exists (select from task_kind where name = new.task and max_running is not null)
          and exists (select from run where state = 'held' and task = new.task) then
        perform pg_notify('watchkeeper', 'end');
    end if;
    return null;
end
$$;

comment on function run_ended() is 'Trigger: wakes beat when a run ends that others wait for';

create or replace trigger run_ended
    after update of finished_at on run
    for each row when (old.finished_at is null and new.finished_at is not null)
    execute function run_ended();
