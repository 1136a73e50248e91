create or replace function console.person_changed() returns trigger
language plpgsql
as $$
begin
    if (new.password, new.role, new.disabled) is distinct from (old.password, old.role, old.disabled) then
        delete from console.session where person = new.name;
    end if;
    return null;
end
$$;
comment on function console.person_changed() is 'Trigger: a new password or role, and disabling, end all sessions';
create or replace trigger person_changed after update on console.person
    for each row execute function console.person_changed();
