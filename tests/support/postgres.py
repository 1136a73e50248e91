"""Real Postgres: one server a session, one migrated template, a clone of it a test.

With WATCHKEEPER_TEST_POOLER=pgbouncer beat and workers reach it through PgBouncer in transaction mode.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from sandbox import folders
from sandbox.postgres import PostgresServer
from tests.support.pgbouncer import PgBouncer
from tests.support.servers import start_server
from workers.connections import places

ROOT = Path(__file__).parents[2]


#: Schedules of a new installation.
SHIPPED: list[dict[str, Any]] = []
#: Upstreams of a new installation; tests shorten their pauses.
SHIPPED_UPSTREAMS: list[dict[str, Any]] = []
#: Connections that make and drop databases.
ADMINISTRATORS: dict[PostgresServer, psycopg.Connection[Any]] = {}
#: When the template was migrated: its partitions are for the days from then on, whatever midnight passed since.
MIGRATED_AT: list[datetime] = []


@dataclass(frozen=True)
class Database:
    """A database of its own, migrated: code under test logs in as beat and workers do."""

    url: str
    name: str
    #: For what the tests themselves look up and prepare.
    admin_url: str

    def connect(self, **how: Any) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(self.admin_url, autocommit=True, row_factory=dict_row, **how)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for servers, reachable by an unprivileged user; gone at the end."""
    with folders.temporary("watchkeeper-tests-") as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(scratch: Path) -> Iterator[PostgresServer]:
    server = start_server(lambda port: PostgresServer(scratch / "postgres", port, fast=True))
    yield server
    if server in ADMINISTRATORS:
        ADMINISTRATORS.pop(server).close()
    server.stop()


@pytest.fixture(scope="session")
def pooler(scratch: Path, postgres_server: PostgresServer) -> Iterator[PgBouncer | None]:
    """Between beat or workers and Postgres, where the environment wants it."""
    if not os.environ.get("WATCHKEEPER_TEST_POOLER"):
        yield None
        return
    server = start_server(lambda port: PgBouncer(scratch / "pgbouncer", port, postgres_server))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    name = "template_watchkeeper"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    subprocess.run(
        [sys.executable, "-m", "workers.migrate"],
        check=True,
        cwd=ROOT,
        env={
            **os.environ,
            **postgres_server.migrate_env(name),
            "WATCHKEEPER_RELAX_INTERVALS": "true",
        },
    )
    with psycopg.connect(
        postgres_server.url(name), autocommit=True, row_factory=dict_row
    ) as connection:
        # Servers of tests are on loopback.
        connection.execute("insert into allowed_network values ('127.0.0.0/8', 'tests')")
        MIGRATED_AT[:] = [datetime.now(UTC)]
        SHIPPED[:] = connection.execute("select * from schedule").fetchall()
        SHIPPED_UPSTREAMS[:] = connection.execute("select * from upstream").fetchall()
        # Schedules of a new installation would run by themselves in tests of others.
        connection.execute("delete from schedule where after is not null")
        connection.execute("delete from schedule")
        connection.execute("truncate schedule_edit, change")
    return name


@pytest.fixture
def migrated_at(migrated_template: str) -> datetime:
    return MIGRATED_AT[0]


@pytest.fixture
def shipped_schedules(migrated_template: str) -> list[dict[str, Any]]:
    return SHIPPED


def forget_caches() -> None:
    """Settings, engine and client of this process belong to the last test's database."""
    from workers import db, settings
    from workers.plain import kept_connection
    from workers.upstreams import client

    db.reset()
    kept_connection.reset()
    settings.settings.cache_clear()
    client.reset()
    # This process was perhaps a worker's, for a test.
    places._own, places._pool_size, places._threads = places._Process(), 0, 0


@pytest.fixture
def database(
    postgres_server: PostgresServer,
    migrated_template: str,
    pooler: PgBouncer | None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Database]:
    with new_database(postgres_server, migrated_template, monkeypatch, pooler) as made:
        yield made


def administer(server: PostgresServer, statement: str) -> None:
    """Over a connection that stays: each test makes and drops a database."""
    kept = ADMINISTRATORS.get(server)
    try:
        if kept is None or kept.closed:
            raise psycopg.OperationalError("not connected")
        kept.execute(statement)
    except psycopg.OperationalError:
        if not server.answers():
            # A test that failed while Postgres was away must not fail those after it.
            server.start()
        ADMINISTRATORS[server] = psycopg.connect(server.url("postgres"), autocommit=True)
        ADMINISTRATORS[server].execute(statement)


@contextmanager
def new_database(
    postgres_server: PostgresServer,
    migrated_template: str,
    monkeypatch: pytest.MonkeyPatch,
    pooler: PgBouncer | None = None,
) -> Iterator[Database]:
    """A clone of the template, which the settings name until it is dropped."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    # Copied as files: through the log it takes twice the time.
    administer(
        postgres_server,
        f"create database {name} template {migrated_template} owner owner strategy file_copy",
    )
    url = postgres_server.login("service", name)
    if pooler is not None:
        url = pooler.through(url)
        monkeypatch.setenv("WATCHKEEPER_LISTEN", "false")
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", url)
    forget_caches()
    yield Database(url, name, postgres_server.url(name))
    places.file().unlink(missing_ok=True)
    forget_caches()
    administer(postgres_server, f"drop database {name} with (force)")


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with database.connect() as connection:
        yield connection


@pytest.fixture
def login(database: Any, connection: Any) -> Iterator[Callable[[str], str]]:
    """``login("operator")`` makes a person's login in that role; returns its address."""
    made: list[str] = []

    def make(role: str) -> str:
        name = f"alice_{uuid.uuid4().hex[:8]}"
        connection.execute(f"create role {name} login password 'kiwi' in role {role}")
        made.append(name)
        parts = conninfo_to_dict(database.url)
        return f"postgresql://{name}:kiwi@{parts['host']}:{parts['port']}/{parts['dbname']}"

    yield make
    for name in made:
        connection.execute(f"drop owned by {name}")
        connection.execute(f"drop role {name}")
