create or replace function actor() returns text
language sql stable
as $$
    -- app.actor is anybody's to set: it counts only where the session is one of our programs.
    select coalesce(
        case when session_user = 'console' or pg_has_role(session_user, to_regrole('service'), 'member')
               or pg_has_role(session_user, (select relowner from pg_class where oid = to_regclass('public.schedule')), 'member')
             then nullif(current_setting('app.actor', true), '') end,
        session_user::text)
$$;
comment on function actor() is
    'Who is acting: the person that a program of ours (logged in as console, service or owner) names in app.actor, else the login';
