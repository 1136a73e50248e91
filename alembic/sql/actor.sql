create or replace function actor() returns text
language sql stable
as $$ select coalesce(nullif(current_setting('app.actor', true), ''), session_user::text) $$;

comment on function actor() is
    'Who is acting: the person a program names in app.actor, else the database role';
