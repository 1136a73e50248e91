create or replace function quota_check() returns trigger
language plpgsql
as $$
begin
    if new.timezone is not null then
        perform schedule_check_timezone(new.timezone);
    end if;
    return new;
end
$$;

comment on function quota_check() is 'Trigger: refuses a timezone that there is not, with the nearest names';

create trigger quota_check
    before insert or update of timezone on quota
    for each row execute function quota_check();
