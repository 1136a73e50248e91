create or replace function schedule_difference(old_row jsonb, new_row jsonb) returns jsonb
language sql immutable
as $$
    select coalesce(jsonb_object_agg(key, jsonb_build_array(old_row -> key, new_row -> key)), '{}')
      from jsonb_object_keys(coalesce(new_row, old_row)) key
     where (old_row -> key) is distinct from (new_row -> key)
       and key not in ('revision', 'updated_at', 'updated_by')
       and not (coalesce(old_row -> key, 'null') = 'null' and coalesce(new_row -> key, 'null') = 'null')
$$;

comment on function schedule_difference(jsonb, jsonb) is
    'Only what differs between two states of a schedule: {"every": ["04:00:00", "02:00:00"]}';
