"""The schema and the seeds of the first release.

``0001_initial.sql`` and ``0001_seeds.sql`` are frozen: a later revision carries its own text and never edits them.
"""

from pathlib import Path

from workers.migrate import run_sql

revision = "initial"
down_revision = None

HERE = Path(__file__).parent

DROP_ALL = """
do $$
declare statement text;
begin
    for statement in
        select format('drop %s if exists %I cascade', case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end, c.relname)
          from pg_class c
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'S') and not c.relispartition
           and c.relname <> 'alembic_version'
           and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('e', 'i'))
    loop
        execute statement;
    end loop;
    for statement in
        select format('drop function if exists %s cascade', p.oid::regprocedure)
          from pg_proc p
         where p.pronamespace = 'public'::regnamespace
           and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    loop
        execute statement;
    end loop;
end
$$
"""


def upgrade() -> None:
    run_sql((HERE / "0001_initial.sql").read_text("utf-8"))
    run_sql((HERE / "0001_seeds.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql(DROP_ALL)
