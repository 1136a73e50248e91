create or replace function upstream_edited() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    edited text;
begin
    if tg_table_name = 'upstream' then
        edited := new.name;
        if tg_op = 'INSERT' then
            insert into upstream_state (upstream) values (edited) on conflict do nothing;
        end if;
    elsif tg_op = 'DELETE' then
        edited := old.upstream;
    else
        edited := new.upstream;
    end if;
    -- In force at once: what waits is looked at again by beat.
    update upstream_state set next_permit_at = clock_timestamp() where upstream = edited;
    perform pg_notify('watchkeeper', 'upstream');
    return null;
end
$$;

comment on function upstream_edited() is 'Trigger: an edit of an upstream or quota is in force at once';

create trigger upstream_edited
    after insert or update on upstream
    for each row execute function upstream_edited();

create trigger quota_edited
    after insert or update or delete on quota
    for each row execute function upstream_edited();
