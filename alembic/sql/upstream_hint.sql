create or replace function upstream_hint(wanted text) returns text
language sql stable
as $$
    select did_you_mean(wanted, array_agg(name::text)) || 'Upstreams: ' || coalesce(string_agg(name, ', ' order by name), 'none yet')
      from upstream
$$;

comment on function upstream_hint(text) is 'The upstreams, for whoever named one that is not there';
