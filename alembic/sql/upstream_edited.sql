create or replace function upstream_added() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into upstream_state (upstream) values (new.name) on conflict do nothing;
    return null;
end
$$;

comment on function upstream_added() is 'Trigger: a new upstream gets its row in upstream_state';

create or replace trigger upstream_added
    after insert on upstream
    for each row execute function upstream_added();

create or replace function upstream_stamped() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end
$$;

comment on function upstream_stamped() is 'Trigger: updated_at is the time of the last edit';

create or replace trigger upstream_stamped
    before update on upstream
    for each row execute function upstream_stamped();

create or replace function upstream_edited() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    -- Two, when a quota is given to another upstream.
    edited text[] := case tg_table_name when 'upstream' then array[to_jsonb(new) ->> 'name']
                                        else array[to_jsonb(old) ->> 'upstream', to_jsonb(new) ->> 'upstream'] end;
begin
    -- Beat looks at waiting batches again.
    update upstream_state set next_permit_at = clock_timestamp(), spare = null
     where upstream in (select upstream from upstream_state where upstream = any(edited) order by upstream for update);
    perform pg_notify('watchkeeper', 'upstream');
    return null;
end
$$;

comment on function upstream_edited() is 'Trigger: an edit of an upstream or quota takes effect at once';

-- Deferred to the commit: upstream_state is locked whenever a permit is taken, and an editor's open
-- transaction must not hold that lock.
drop trigger if exists upstream_edited on upstream;
create constraint trigger upstream_edited
    after update on upstream deferrable initially deferred
    for each row execute function upstream_edited();

drop trigger if exists quota_edited on quota;
create constraint trigger quota_edited
    after insert or update or delete on quota deferrable initially deferred
    for each row execute function upstream_edited();
