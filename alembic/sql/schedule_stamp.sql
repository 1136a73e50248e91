create sequence if not exists schedule_revision;
comment on sequence schedule_revision is 'Revisions of schedules: a sequence, so that no edit is lost to a clock';

create or replace function schedule_stamp() returns trigger
language plpgsql
as $$
begin
    -- A reason goes with its pause, however that ends.
    if new.paused_until is null and (tg_op = 'INSERT' or new.pause_reason is not distinct from old.pause_reason) then
        new.pause_reason := null;
    end if;
    if tg_op = 'UPDATE' and new is not distinct from old then
        return new;
    end if;
    new.revision := nextval('schedule_revision');
    new.updated_at := clock_timestamp();
    new.updated_by := actor();
    return new;
end
$$;

comment on function schedule_stamp() is 'Trigger: a new revision, when and by whom, for every real edit';

create or replace trigger schedule_stamp
    before insert or update on schedule
    for each row execute function schedule_stamp();
