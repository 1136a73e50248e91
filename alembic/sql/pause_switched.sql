create or replace function pause_switched() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if new.paused is distinct from old.paused then
        -- Every schedule is planned anew: while paused to nothing, when resumed from now on.
        insert into schedule_edit (schedule) select name from schedule;
        perform pg_notify('watchkeeper', 'edit');
    end if;
    return null;
end
$$;

comment on function pause_switched() is 'Trigger: pause_all and resume_all are in force at once';

create trigger pause_switched
    after update on pause_switch
    for each row execute function pause_switched();
