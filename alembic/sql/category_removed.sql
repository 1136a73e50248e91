create or replace function category_removed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- With a site its ads go too.
    if exists (select from site where site.name = old.site) then
        with gone as (
            update listing set status = 'expired', changed_at = clock_timestamp()
             where category_id = old.id and status = 'active'
            returning id
        )
        insert into listing_status_change (listing_id, status, before) select id, 'expired', 'active' from gone;
    end if;
    return old;
end
$$;

comment on function category_removed() is 'Trigger: ads of a category that is removed expire, because nobody looks at them any more';

create or replace trigger category_removed
    before delete on category
    for each row execute function category_removed();
