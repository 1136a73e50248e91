create or replace function max_permit_lease() returns interval
language sql immutable parallel safe
as $$ select interval '1 hour' $$;

comment on function max_permit_lease() is
    'No permit has a longer lease: a call was let through at most so long before its stamp';
