create or replace function sessions_changed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- What ran out of trading days, or runs on one that is none any more, is planned anew.
    insert into schedule_edit (schedule)
    select name from schedule where calendar in (select distinct mic from changed);
    if found then
        perform pg_notify('watchkeeper', 'edit');
    end if;
    return null;
end
$$;

comment on function sessions_changed() is 'Trigger: schedules of a calendar are planned anew when its sessions change';

create or replace trigger sessions_inserted
    after insert on market_session referencing new table as changed
    for each statement execute function sessions_changed();

create or replace trigger sessions_updated
    after update on market_session referencing new table as changed
    for each statement execute function sessions_changed();

create or replace trigger sessions_deleted
    after delete on market_session referencing old table as changed
    for each statement execute function sessions_changed();
