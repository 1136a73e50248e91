create or replace function schedule_edited() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    changed bigint;
    known bigint;
begin
    if tg_op = 'INSERT' then
        insert into schedule_edit (schedule) select name from new_rows;
    elsif tg_op = 'UPDATE' then
        insert into schedule_edit (schedule)
        select n.name from new_rows n join old_rows o using (name)
         where n.revision is distinct from o.revision;
        get diagnostics changed = row_count;
        if changed = 0 then
            return null;
        end if;
    else
        insert into schedule_edit (schedule) select name from old_rows;
        get diagnostics changed = row_count;
    end if;
    if changed > 1 then
        select count(*) + case tg_op when 'DELETE' then changed else 0 end into known from schedule;
        if changed = known then
            raise notice '% of % schedules %.', changed, known, case tg_op when 'DELETE' then 'deleted' else 'changed' end
                using hint = 'If you forgot WHERE name = ''…'': ROLLBACK now; or find the old values in recent_changes.';
        end if;
    end if;
    perform pg_notify('watchkeeper', 'edit');
    return null;
end
$$;

comment on function schedule_edited() is
    'Trigger: appends the edit for beat and wakes every beat, once a statement';

create or replace trigger schedule_inserted
    after insert on schedule referencing new table as new_rows
    for each statement execute function schedule_edited();

create or replace trigger schedule_updated
    after update on schedule referencing old table as old_rows new table as new_rows
    for each statement execute function schedule_edited();

create or replace trigger schedule_deleted
    after delete on schedule referencing old table as old_rows
    for each statement execute function schedule_edited();
