create or replace function ended_items(items jsonb, new_state text, reason text) returns jsonb
language sql immutable
as $$
    select coalesce(jsonb_agg(case when i ->> 'state' in ('done', 'failed', 'deferred') then i
                                   else i || jsonb_strip_nulls(jsonb_build_object('state', new_state, 'error', left(reason, 500)))
                              end order by n), items)
      from jsonb_array_elements(items) with ordinality as each(i, n)
$$;

comment on function ended_items(jsonb, text, text) is
    'Items of a batch that ends: each that has no outcome yet gets this one';
