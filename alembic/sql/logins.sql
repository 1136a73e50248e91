create or replace view login_without_limits as
select r.rolname::text as name,
       case when pg_has_role(r.oid, to_regrole('operator'), 'member') then 'operator' else 'viewer' end as role
  from pg_roles r
 where r.rolcanlogin and not r.rolsuper
   and to_regrole('viewer') is not null and to_regrole('operator') is not null
   and to_regrole('service') is not null and to_regrole('owner') is not null
   and (pg_has_role(r.oid, to_regrole('viewer'), 'member') or pg_has_role(r.oid, to_regrole('operator'), 'member'))
   and not pg_has_role(r.oid, to_regrole('service'), 'member')
   and not pg_has_role(r.oid, to_regrole('owner'), 'member')
   and (r.rolconnlimit = -1 or not exists (
        select from pg_db_role_setting s where s.setrole = r.oid
           and s.setconfig::text like '%idle_in_transaction_session_timeout=%'));
comment on view login_without_limits is
    'Logins of people without a connection limit or time-outs; to set them: SELECT limit_login(name);';
comment on column login_without_limits.name is 'The login';
comment on column login_without_limits.role is 'operator | viewer';

create or replace function limit_login(login text) returns void
language plpgsql
as $$
declare
    reads_only boolean := not pg_has_role(login, 'operator', 'member');
    limited text[];
begin
    foreach limited slice 1 in array array[
        array['lock_timeout', case when reads_only then '2s' else '10s' end],
        array['statement_timeout', case when reads_only then '60s' else '10min' end],
        array['idle_in_transaction_session_timeout', case when reads_only then '60s' else '10min' end],
        array['transaction_timeout', case when reads_only then '5min' else '0' end]] loop
        -- transaction_timeout is of Postgres 17.
        if exists (select from pg_settings where name = limited[1]) then
            execute format('alter role %I set %I = %L', login, limited[1], limited[2]);
        end if;
    end loop;
    execute format('alter role %I connection limit %s', login, case when reads_only then 5 else 10 end);
end
$$;
comment on function limit_login(text) is
    'Give a person''s login its connection limit and time-outs; an administrator''s: SELECT limit_login(''alice'');';

create or replace function make_login(login text, role text default 'viewer') returns text
language plpgsql
as $$
begin
    if role is null or role not in ('viewer', 'operator') then
        raise exception 'role must be viewer or operator, not "%"', role
            using errcode = '22023', hint = 'SELECT make_login(''alice'', ''viewer'');';
    end if;
    execute format('create role %I login in role %I', login, role);
    perform limit_login(login);
    return format('%s may log in once it has a password: \password %s', login, quote_ident(login));
end
$$;
comment on function make_login(text, text) is
    'Make a person''s login with its limits; an administrator''s: SELECT make_login(''alice'', ''operator'');';
