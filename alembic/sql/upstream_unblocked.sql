create or replace function upstream_unblocked() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- Half open: one call goes first, and the others wait for its response.
    update upstream_state set blocked_until = clock_timestamp(), failures = greatest(failures, 1)
     where upstream = new.name and blocked_until > clock_timestamp();
    return null;
end
$$;

comment on function upstream_unblocked() is 'Trigger: unblock() lifts the block of an upstream';

-- Deferred to the commit, as upstream_edited is, which lets what waits be looked at again.
drop trigger if exists upstream_unblocked on upstream;
create constraint trigger upstream_unblocked
    after update of unblocked_at on upstream deferrable initially deferred
    for each row when (new.unblocked_at is distinct from old.unblocked_at) execute function upstream_unblocked();
