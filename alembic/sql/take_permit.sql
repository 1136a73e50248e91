create or replace function take_permit(
    for_upstream text, lease interval, for_run uuid, for_seq integer, for_path text,
    answered bigint[], elapsed double precision[], statuses integer[],
    out permit_id bigint, out wait_seconds double precision, out reason text, out window_length interval,
    out trying boolean, out cause text
)
language sql
as $$
    select * from take_permits(for_upstream, array[extract(epoch from lease)::double precision], array[for_run],
                               array[for_seq], array[for_path], answered, elapsed, statuses)
$$;

comment on function take_permit(text, interval, uuid, integer, text, bigint[], double precision[], integer[]) is
    'Settles answered calls, then takes a permit for one call, or says how long to wait and for what';
