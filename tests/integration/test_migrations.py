"""Migrations go up, down and up; the models, the database and alembic/schema.sql say the same."""

from __future__ import annotations

import difflib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from sandbox import schema

ROOT = Path(__file__).parents[2]

LEFT = """
select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'S')
union all
select proname from pg_proc p where pronamespace = 'public'::regnamespace
   and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
"""

SILENT = """
select 'table ' || c.oid::regclass as what from pg_class c
 where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
   and obj_description(c.oid, 'pg_class') is null and relname <> 'alembic_version'
union all
select 'column ' || c.oid::regclass || '.' || attname from pg_class c join pg_attribute a on attrelid = c.oid
 where relnamespace = 'public'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
   and col_description(c.oid, attnum) is null and relname <> 'alembic_version'
union all
select 'function ' || p.oid::regprocedure from pg_proc p
 where pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') is null
   and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
"""


@pytest.fixture
def empty(postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database without anything, for the settings of this process."""
    from fix_postgres import forget_caches

    name = f"migrations_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
        monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", postgres_server.url(name))
        forget_caches()
        yield postgres_server.url(name)
        forget_caches()
        connection.execute(f"drop database {name} with (force)")


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_up_down_and_up_again_leave_the_same_and_nothing_behind(
    empty: str, postgres_server: Any
) -> None:
    run("workers.migrate")
    first = schema.dump(postgres_server.bin, empty)
    run("alembic", "downgrade", "base")
    with psycopg.connect(empty) as connection:
        left = {name for (name,) in connection.execute(LEFT)}
    run("workers.migrate")

    assert left == {"alembic_version"}
    assert schema.dump(postgres_server.bin, empty) == first


def test_the_models_are_what_the_migrations_make(database: Any) -> None:
    assert "No new upgrade operations detected" in run("alembic", "check")


def test_schema_sql_is_what_the_migrations_make(database: Any, postgres_server: Any) -> None:
    now = schema.dump(postgres_server.bin, database.url)
    written = schema.FILE.read_text()

    difference = "\n".join(
        list(
            difflib.unified_diff(written.splitlines(), now.splitlines(), "schema.sql", "database", n=0)
        )[:40]
    )
    assert written == now, f"run `make schema`:\n{difference}"


def test_every_object_of_the_database_says_what_it_is(connection: Any) -> None:
    assert connection.execute(SILENT).fetchall() == []


def test_a_restored_dump_works_and_its_bad_rows_are_set_aside(
    drive: Any, empty: str, postgres_server: Any, new_beat: Any
) -> None:
    """``empty`` is now the database of the settings: beat's steps below run on the restored one."""
    drive.schedule("good", every=timedelta(hours=1))
    drive.schedule("bad", every=timedelta(hours=1))
    drive.sql.execute("alter table schedule disable trigger all")
    drive.sql.execute(
        "update schedule set every = null, cron = 'x y z', revision = 99 where name = 'bad'"
    )
    drive.sql.execute("alter table schedule enable trigger all")
    name = drive.one("select current_database() as name")["name"]
    url = postgres_server.url(name)
    dumped = subprocess.run(
        [postgres_server.bin / "pg_dump", f"--dbname={url}"], check=True, capture_output=True
    )
    subprocess.run(
        [postgres_server.bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", f"--dbname={empty}"],
        check=True, input=dumped.stdout, capture_output=True,
    )  # fmt: skip
    drive.scheduler = new_beat()
    drive.sql.close()
    drive.sql = psycopg.connect(empty, autocommit=True, row_factory=dict_row)
    drive.work(rounds=3)

    assert drive.states("good") == ["due"]
    shown = drive.one("select state from schedule_status where name = 'bad'")["state"]
    assert shown.startswith("set aside: CronError: cron")
    with pytest.raises(psycopg.errors.CheckViolation, match="has 1 fields, needs 5"):
        drive.sql.execute("update schedule set cron = '17:00' where name = 'bad'")
    drive.sql.execute("update schedule set cron = '@hourly' where name = 'bad'")
    drive.work()
    assert drive.state("bad")["error"] is None
