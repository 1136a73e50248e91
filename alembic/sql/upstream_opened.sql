create or replace function upstream_opened() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- Half open: one call goes first, and the others wait for what it is told.
    update upstream_state set closed_until = clock_timestamp(), failures = greatest(failures, 1)
     where upstream = new.name and closed_until > clock_timestamp();
    return null;
end
$$;

comment on function upstream_opened() is 'Trigger: a person opens the closed door of an upstream';

-- Deferred to the commit, as upstream_edited is, which lets what waits be looked at again.
drop trigger if exists upstream_opened on upstream;
create constraint trigger upstream_opened
    after update of opened_at on upstream deferrable initially deferred
    for each row when (new.opened_at is distinct from old.opened_at) execute function upstream_opened();
