"""Real Postgres: one server a session, one migrated template, a clone of it a test.

With WATCHKEEPER_TEST_POOLER=pgbouncer beat and workers reach it through PgBouncer in transaction mode.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
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
from tests.support.templates import MIGRATED_AT, NAME, SHIPPED, server_with_template
from workers.connections import places

ROOT = Path(__file__).parents[2]


#: Fixture of what a test has registered → fixture of the template that has it.
TEMPLATES = {"plain": "template_with_plain", "kinds": "template_with_kinds", "": "migrated_template"}
#: Connections that make and drop databases.
ADMINISTRATORS: dict[PostgresServer, psycopg.Connection[Any]] = {}


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
def postgres_server(
    scratch: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresServer]:
    """With a migrated database, of which each test has a clone."""
    run = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else None
    server = server_with_template(scratch / "postgres", run)
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
    return NAME


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
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    pooler: PgBouncer | None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Database]:
    wanted = (name for name in ("plain", "kinds") if name in request.fixturenames)
    template = request.getfixturevalue(TEMPLATES[next(wanted, "")])
    with new_database(postgres_server, template, monkeypatch, pooler) as made:
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
        if kept is not None:
            kept.close()
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
