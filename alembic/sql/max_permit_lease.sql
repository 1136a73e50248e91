create or replace function max_permit_lease() returns interval
language sql immutable parallel safe
as $$ select interval '1 hour' $$;

comment on function max_permit_lease() is
    'Longest lease of a permit: stamp is at most so long after granted_at';
