"""Behind PgBouncer each transaction may have another session, which others use before and after."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from tests.support.pgbouncer import PgBouncer, program
from tests.support.postgres import forget_caches
from tests.support.servers import start_server
from tests.support.tools import need


@pytest.fixture
def pooled(
    scratch: Path, postgres_server: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The database's address through PgBouncer, also in this process's settings."""
    need(program(), "PgBouncer")
    server = start_server(lambda port: PgBouncer(scratch / f"pgbouncer-{port}", port, postgres_server))
    url = server.through(database.url)
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", url)
    monkeypatch.setenv("WATCHKEEPER_LISTEN", "false")
    forget_caches()
    yield url
    forget_caches()
    server.stop()


def test_a_command_is_audited_under_its_own_name_and_leaves_no_trace(
    pooled: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from beat.cli.commands import schedule

    connection.execute(
        "insert into schedule (name, task, every) values ('hourly', 'tasks.discovery.discover', '1 hour')"
    )
    monkeypatch.setenv("SUDO_USER", "")
    monkeypatch.setenv("USER", "alice")
    monkeypatch.setenv("LOGNAME", "alice")
    done = CliRunner().invoke(schedule, ["pause", "hourly", "--note", "maintenance"])
    assert done.exit_code == 0, done.output

    row = connection.execute("select * from recent_changes limit 1").fetchone()
    assert "alice" in str(row)
    with psycopg.connect(pooled, prepare_threshold=None) as other:
        (left,) = other.execute("select current_setting('app.actor', true)").fetchone()  # type: ignore[misc]
    assert not left


def test_a_session_has_the_settings_of_its_login_and_keeps_none_of_ours(pooled: str) -> None:
    from beat.tick import reading

    connection = reading.connect()
    found = {
        name: connection.execute(f"show {name}").fetchone()[0]
        for name in ("jit", "lock_timeout", "statement_timeout", "timezone", "enable_seqscan")
    }
    connection.close()
    assert found == {
        "jit": "off",
        "lock_timeout": "5s",
        "statement_timeout": "1min",
        "timezone": "UTC",
        "enable_seqscan": "on",
    }


def test_statements_that_are_prepared_elsewhere_run_on_any_session(pooled: str, database: Any) -> None:
    from workers.db import driver_transaction, execute

    def ask(_: int) -> int:
        with driver_transaction() as connection:
            return int(execute(connection, "select 1 + %s as n", [1]).fetchone().n)  # type: ignore[union-attr]

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(ask, range(200))) == {2}
