"""The one engine of a process."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from datetime import timedelta
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from console.access import Database as ConsoleDatabase
from console.refusals import refusal_of
from tests.support.postgres import forget_caches
from workers import cli, db
from workers.cli.database import readable_errors
from workers.connections.postgres import PLAIN_SESSION
from workers.doctor import findings
from workers.plain.kept_connection import kept_driver


def test_threads_that_begin_at_once_share_one_engine(database: object) -> None:
    db.reset()
    together = threading.Barrier(8)

    def first(_: int) -> int:
        together.wait(10)
        return id(db.engine())

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(first, range(8)))

    assert len(seen) == 1


@pytest.mark.parametrize("connection", [db.driver_connect, db.driver_transaction])
def test_a_connection_in_use_while_the_engine_is_reset_is_closed_when_it_is_given_back(
    database: object, connection: Callable[[], AbstractContextManager[db.Driver]]
) -> None:
    with connection() as used:
        db.reset()
        assert not used.closed

    assert used.closed


#: What somebody's server may prefer; the driver reads no other DateStyle than ISO.
PREFERRED = {
    "datestyle": "SQL, DMY", "intervalstyle": "iso_8601", "bytea_output": "escape", "timezone": "Asia/Kolkata",
    "standard_conforming_strings": "off", "quote_all_identifiers": "on", "transform_null_equals": "on",
    "default_transaction_isolation": "serializable", "statement_timeout": "1ms", "idle_session_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s", "array_nulls": "off", "lock_timeout": "1ms",
}  # fmt: skip


def test_what_a_database_prefers_changes_no_session_of_ours(
    database: Any, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    monkeypatch.setenv("PGTZ", "Asia/Kolkata")
    for name, value in PREFERRED.items():
        connection.execute(f"alter database {database.name} set {name} = '{value}'")

    db.reset()
    with db.driver_connect() as ours:
        row = ours.execute(
            "select clock_timestamp(), interval '1 day 2 hours', '\\x41'::bytea, array[null]::text[],"
            " to_regclass('schedule')::text, current_setting('transaction_isolation')"
        ).fetchone()
        kept = dict(ours.execute("select lower(name), setting from pg_settings").fetchall())

    assert row is not None
    assert row[1:] == (timedelta(days=1, hours=2), b"A", [None], "schedule", "read committed")
    assert {name: kept[name] for name in PLAIN_SESSION if name != "datestyle"} == {
        name: value for name, value in PLAIN_SESSION.items() if name != "datestyle"
    }
    assert kept["statement_timeout"] == "60000"


@pytest.mark.parametrize("how", [db.driver_connect, db.driver_transaction, db.transaction, kept_driver])
def test_a_connection_that_reached_a_standby_is_given_up(
    database: Any, connection: Any, how: Callable[[], AbstractContextManager[Any]]
) -> None:
    def write() -> None:
        with how() as used:
            used.execute(
                text("create temp table t ()")
                if isinstance(used, Connection)
                else "create temp table t ()"
            )

    # A session keeps what its database said when it began, as one of a standby stays one.
    connection.execute(f"alter database {database.name} set default_transaction_read_only = on")
    with pytest.raises(DBAPIError) as failed:
        write()
    connection.execute(f"alter database {database.name} reset default_transaction_read_only")

    assert db.is_lost(failed.value)
    write()


@pytest.mark.parametrize("how", [db.driver_connect, db.driver_transaction, db.transaction, kept_driver])
def test_a_statement_that_returns_other_columns_since_a_revision_fails_once(
    database: Any, connection: Any, how: Callable[[], AbstractContextManager[Any]]
) -> None:
    def read() -> tuple[object, ...]:
        with how() as used:
            below = db.driver(used) if isinstance(used, Connection) else used
            row: tuple[object, ...] = below.execute("select * from revised", prepare=True).fetchone()
            return tuple(row)

    connection.execute("create table revised as select 1 as first; grant select on revised to service")
    read()
    connection.execute("alter table revised add column second int default 2")
    with pytest.raises(DBAPIError) as failed:
        read()

    assert db.is_lost(failed.value)
    assert read() == (1, 2)


@pytest.mark.parametrize("how", [db.driver_connect, db.driver_transaction, kept_driver, cli.connect])
def test_an_address_may_name_a_standby_too(
    database: Any, monkeypatch: pytest.MonkeyPatch, how: Callable[[], AbstractContextManager[Any]]
) -> None:
    parts = conninfo_to_dict(database.url)
    here = f"{parts['host']}:{parts['port']}/"
    both = database.url.replace(here, f"127.0.0.1:1,{here}") + "?target_session_attrs=read-write"
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", both)
    forget_caches()

    with how() as used:
        assert used.info.port == int(str(parts["port"]))
    with closing(ConsoleDatabase(both)) as console, console.transaction() as connection:
        assert connection.scalar(text("select 1")) == 1


def test_commands_doctor_and_console_say_that_postgres_only_reads(
    database: Any, connection: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "Postgres only reads: it is a standby, or default_transaction_read_only is on"
    connection.execute(f"alter database {database.name} set default_transaction_read_only = on")
    with cli.connect() as typed:
        assert dict(findings(typed))["database"].startswith(said)
        with pytest.raises(SystemExit) as ended, readable_errors():
            typed.execute("delete from schedule")
    with pytest.raises(DBAPIError) as failed, db.driver_connect() as used:
        used.execute("delete from schedule")
    refusal = refusal_of(failed.value)

    assert ended.value.code == cli.UNREACHABLE
    assert capsys.readouterr().err.startswith(f"error: {said}\nhint:  let WATCHKEEPER_DATABASE_URL")
    assert (refusal.status, refusal.message, refusal.sqlstate) == (503, said, "25006")


def test_a_login_of_ours_keeps_its_settings_behind_a_pooler(connection: Any) -> None:
    row = connection.execute(
        "select rolconfig from pg_roles where rolname = 'watchkeeper_service'"
    ).fetchone()

    assert {f"{name}={value}".lower() for name, value in PLAIN_SESSION.items()} <= {
        one.lower() for one in row["rolconfig"]
    }


def test_a_command_that_finds_no_space_left_for_its_output_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), readable_errors():
        raise OSError(errno.ENOSPC, "No space left on device")

    assert "no space left where the output goes" in capsys.readouterr().err
