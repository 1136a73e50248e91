create or replace function permit_changed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    since timestamptz;
begin
    if tg_op = 'TRUNCATE' then
        delete from permit_total;
        return null;
    end if;
    since := least(old.stamp, new.stamp, new.granted_at);
    -- Totals are not continued meanwhile.
    perform from upstream_state where upstream in (old.upstream, new.upstream) order by upstream for update;
    delete from permit_total where upstream in (old.upstream, new.upstream) and stamp >= since;
    return null;
end
$$;

comment on function permit_changed() is
    'Trigger: forgets totals that a change of calls made long ago, or by hand, has made wrong';

-- A permit is inserted with a stamp ahead, and settled once, soon after its lease at the latest: neither fires.
create or replace trigger permit_inserted
    after insert on permit for each row
    when (new.stamp <= clock_timestamp() or new.granted_at < clock_timestamp() - interval '10 seconds')
    execute function permit_changed();

create or replace trigger permit_updated
    after update on permit for each row
    when (old.settled or old.stamp <= clock_timestamp() - interval '10 minutes' or new.stamp < new.granted_at
          or (new.upstream, new.granted_at) is distinct from (old.upstream, old.granted_at))
    execute function permit_changed();

create or replace trigger permit_deleted
    after delete on permit for each row execute function permit_changed();

create or replace trigger permit_truncated
    after truncate on permit for each statement execute function permit_changed();
