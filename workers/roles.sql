-- name: tables
select c.oid::regclass::text as name, c.relkind in ('r', 'p') as is_table,
       (select t.tgargs from pg_trigger t
         where t.tgrelid = c.oid and t.tgname = 'guard' and t.tgqual is not null) as guard
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
   and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
 order by 1

-- name: foreign
-- Statements that give objects to the owner.
select format('alter schema %I owner to owner', nspname)
  from pg_namespace where nspname in ('console', 'history') and nspowner <> 'owner'::regrole
union all
select format('alter %s %s owner to owner', case c.relkind when 'v' then 'view' when 'S' then 'sequence'
                                            else 'table' end, c.oid::regclass)
  from pg_class c where c.relkind in ('r', 'p', 'v', 'S')
   and c.relnamespace::regnamespace::text in ('public', 'console', 'history')
   and c.relowner <> 'owner'::regrole
   and not exists (select from pg_depend d where d.objid = c.oid
                     and (d.deptype = 'e' or c.relkind = 'S' and d.deptype in ('a', 'i')))
union all
select format('alter function %s owner to owner', p.oid::regprocedure)
  from pg_proc p where p.proowner <> 'owner'::regrole
   and p.pronamespace::regnamespace::text in ('public', 'console')
   and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')

-- name: compiling
-- No query here is worth JIT compilation.  Set on the database, because a pooler passes no start-up
-- options on, and settings of a group role do not apply to its members.
select format('alter database %I set jit = off', datname) from pg_database
 where datname = current_database() and pg_has_role(datdba, 'usage')
   and not exists (select from pg_db_role_setting
                    where setdatabase = pg_database.oid and setrole = 0
                      and setconfig::text like '%jit=off%')

-- name: audited
-- The last of the triggers of an audited table.
select case when relnamespace = 'public'::regnamespace then quote_ident(relname)
            else c.oid::regclass::text end
  from pg_trigger t join pg_class c on c.oid = t.tgrelid where tgname = 'audit_updated'

-- name: grants
-- Earlier grants are revoked first, so that no upgrade leaves more than this.
grant usage on schema public to viewer, operator, service, owner;
grant create on schema public to owner;
revoke all on all tables in schema public from public, viewer, operator, service;
revoke all on all sequences in schema public from public, viewer, operator, service;
grant select on all tables in schema public to viewer, operator, service;
grant insert, update, delete on all tables in schema public to service;
grant usage, select on all sequences in schema public to operator, service;
-- People, sessions and tokens: for the console's login itself, not for the roles it acts in.
revoke all on schema console from public, viewer, operator, service, console;
revoke all on all tables in schema console from public, viewer, operator, service, console;
grant usage on schema console to console;
grant select on console.person, alembic_version to console;
grant update (password) on console.person to console;
grant insert, update, delete, select on console.session, console.api_token to console;
grant insert, update, delete, select on console.login_attempt to console;
grant select, delete on console.login_link to console;
grant insert, update, delete, select on console.idempotency_key to console;
revoke execute on function make_partition(text, timestamptz) from public;
revoke execute on function drop_partition(text, timestamptz, integer) from public;
grant execute on function make_partition(text, timestamptz) to service;
grant execute on function drop_partition(text, timestamptz, integer) to service;
