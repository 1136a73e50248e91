create or replace function unblock(upstream_name text, why text default null) returns text
language plpgsql
as $$
declare
    kept upstream;
begin
    perform require_operator('upstream', 'change');
    select * into kept from upstream where name = upstream_name;
    if kept.name is null then
        raise exception 'no upstream named "%"', upstream_name
            using errcode = 'P0002',
                  hint = did_you_mean(upstream_name, (select array_agg(name) from upstream)) || 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    if not kept.enabled then
        raise exception 'upstream "%" is disabled, not blocked', kept.name
            using hint = 'To enable it: ' || how_to(format('UPDATE upstream SET enabled = true WHERE name = %L;', kept.name),
                                                    format('upstream set %s --enabled', kept.name));
    end if;
    if not exists (select from upstream_state where upstream = kept.name and blocked_until > clock_timestamp()) then
        return format('Upstream %s is not blocked.', kept.name);
    end if;
    update upstream set unblocked_at = clock_timestamp(), note = coalesce(why, note) where name = kept.name
    returning * into kept;
    return format('%s is unblocked; one call tries first.', kept.name);
end
$$;
comment on function unblock(text, text) is
    'Lift the block of an upstream before its time; one call tries first: SELECT unblock(''head_fi'', ''they said we may'');';
