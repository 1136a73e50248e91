"""Migrations go up, down and up; the models, the database and alembic/schema.sql say the same."""

from __future__ import annotations

import difflib
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from sandbox import folders, schema
from sandbox.environment import Environment
from sandbox.postgres import major
from tests.support.postgres import forget_caches
from workers import migrate
from workers.connections import postgres

ROOT = Path(__file__).parents[2]

LEFT = """
select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'S')
union all
select proname from pg_proc p where pronamespace = 'public'::regnamespace
   and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
"""

SILENT = """
select 'table ' || c.oid::regclass as what from pg_class c
 where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')
   and obj_description(c.oid, 'pg_class') is null and relname <> 'alembic_version'
union all
select 'column ' || c.oid::regclass || '.' || attname from pg_class c join pg_attribute a on attrelid = c.oid
 where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and attnum > 0 and not attisdropped
   and col_description(c.oid, attnum) is null and relname <> 'alembic_version'
union all
select 'function ' || p.oid::regprocedure from pg_proc p
 where pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') is null
   and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
"""


@pytest.fixture
def empty(postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database without anything, for the settings of this process."""
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


def test_the_models_are_what_the_migrations_make(
    database: Any, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the owner may take the lock that migrations take.
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", postgres_server.login("owner", database.name))
    assert "No new upgrade operations detected" in run("alembic", "check")


def test_schema_sql_is_what_the_migrations_make(database: Any, postgres_server: Any) -> None:
    if major(postgres_server.bin) != "18":
        pytest.skip("alembic/schema.sql is written as the pg_dump of Postgres 18 writes it")
    now = schema.dump(postgres_server.bin, database.admin_url)
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
    shown = drive.one("select state from schedule_detail where name = 'bad'")["state"]
    assert shown.startswith("set aside: CronError: cron")
    with pytest.raises(psycopg.errors.CheckViolation, match="has 1 field, needs 5"):
        drive.sql.execute("update schedule set cron = '17:00' where name = 'bad'")
    drive.sql.execute("update schedule set cron = '@hourly' where name = 'bad'")
    drive.work()
    assert drive.state("bad")["error"] is None


def objects(dumped: str) -> list[str]:
    """The lines of a dump, its objects in the order of their names: a new one stands elsewhere in a dump."""
    return "\n\n".join(sorted(dumped.split("\n\n-- "))).splitlines()


def test_what_alembic_sql_holds_is_in_force(empty: str, postgres_server: Any) -> None:
    run("workers.migrate")
    before = objects(schema.dump(postgres_server.bin, empty))
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("set check_function_bodies = off")
        for file in sorted((ROOT / "alembic" / "sql").glob("*.sql")):
            connection.execute(file.read_text())

    after = objects(schema.dump(postgres_server.bin, empty))
    changed = list(difflib.unified_diff(before, after, "migrations", "alembic/sql", n=0))
    assert not changed, "\n".join(changed[:40])


def test_a_database_of_a_development_version_is_refused_with_what_to_do(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("create table alembic_version (version_num text primary key)")
        connection.execute("insert into alembic_version values ('0077')")

    done = subprocess.run(
        [sys.executable, "-m", "workers.migrate"], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == migrate.REFUSED
    assert "revision 0077, which this code does not know" in done.stderr + done.stdout
    assert "schedule export" in done.stderr + done.stdout


def test_a_new_database_enables_no_schedule_whose_task_no_application_has(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "examples" / "shop"))
    monkeypatch.setenv("WATCHKEEPER_APP", "shop.celery")
    run("workers.migrate")
    with psycopg.connect(empty, autocommit=True) as connection:
        found = connection.execute("select name, note from schedule where enabled").fetchall()
        (note,) = connection.execute("select note from schedule where name = 'discovery'").fetchone()
        connection.execute("update schedule set enabled = true where name = 'listing-scrape'")
    run("workers.migrate")

    assert found == []
    assert note == "no application of WATCHKEEPER_APP has its task"
    # Of a database that is in use it changes no row.
    with psycopg.connect(empty) as connection:
        left = connection.execute("select name from schedule where enabled").fetchall()
    assert left == [("listing-scrape",)]


def test_the_plan_names_what_would_run_and_changes_nothing(empty: str) -> None:
    planned = run("workers.migrate", "--plan")
    with psycopg.connect(empty) as connection:
        tables = connection.execute(
            "select count(*) from pg_tables where schemaname = 'public'"
        ).fetchone()
    run("workers.migrate")

    assert "initial  The schema and the seeds of the first release." in planned
    assert tables == (0,)
    assert "nothing to do" in run("workers.migrate", "--plan")


def test_a_step_that_locks_of_others_stop_is_done_again(
    database: Any, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = postgres.SESSION_OPTIONS.replace("lock_timeout=5s", "lock_timeout=100ms")
    monkeypatch.setattr(postgres, "SESSION_OPTIONS", quick)
    monkeypatch.setattr(migrate, "WAIT_SECONDS", 0.1)
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", postgres_server.url(database.name))
    forget_caches()
    owner = psycopg.connect(postgres_server.url(database.name))
    owner.execute("lock table task_kind in access exclusive mode")
    letting_go = threading.Timer(1, owner.close)
    letting_go.start()

    assert migrate.main() == 0

    letting_go.join()


def test_an_administrator_of_another_database_changes_nothing(
    database: Any, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "select datdba::regrole::text, datacl::text from pg_database where datname = 'postgres'"
    with psycopg.connect(postgres_server.url("postgres")) as connection:
        before = connection.execute(said).fetchone()
        monkeypatch.setenv("WATCHKEEPER_ADMIN_DATABASE_URL", postgres_server.url("postgres"))
        forget_caches()

        assert migrate.main() == 1

        assert connection.execute(said).fetchone() == before


def test_a_database_that_does_not_hold_every_text_is_refused(
    postgres_server: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = f"ascii_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} encoding sql_ascii locale 'C' template template0")
        monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", postgres_server.url(name))
        forget_caches()

        assert migrate.main(["--plan"]) == 1

        connection.execute(f"drop database {name} with (force)")
    assert "has encoding SQL_ASCII, which does not hold every text" in capfd.readouterr().err


def test_the_sandbox_starts_afresh_over_the_data_of_a_development_version(tmp_path: Path) -> None:
    said: list[str] = []
    with folders.temporary("watchkeeper-afresh-") as folder:
        environment = Environment.temporary(folder, say=said.append)
        environment.postgres.start()
        try:
            with psycopg.connect(environment.postgres.url(), autocommit=True) as connection:
                connection.execute("create table alembic_version (version_num text primary key)")
                connection.execute("insert into alembic_version values ('0077')")
            environment.migrate()
            with psycopg.connect(environment.postgres.url()) as connection:
                kept = connection.execute("select count(*) from schedule").fetchone()
        finally:
            environment.postgres.stop()

    assert kept != (0,)
    assert any("starting afresh" in line for line in said)
