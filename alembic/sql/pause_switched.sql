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

comment on function pause_switched() is 'Trigger: pause_all and resume_all take effect at once';

create or replace trigger pause_switched
    after update on pause_switch
    for each row execute function pause_switched();

create or replace function pause_switch_stamp() returns trigger
language plpgsql
as $$
begin
    if new.paused is distinct from old.paused then
        new.changed_by := actor();
        new.changed_at := clock_timestamp();
    end if;
    return new;
end
$$;

comment on function pause_switch_stamp() is 'Trigger: records who paused or resumed everything, and when';

create or replace trigger pause_switch_stamp
    before update on pause_switch
    for each row execute function pause_switch_stamp();
