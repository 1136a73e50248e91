"""PgBouncer, in transaction mode between everything and Postgres, is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pgbouncer import PgBouncer, program
from tests.support.runs import KINDS, ended
from tests.support.servers import start_server
from tests.support.tools import need


@pytest.fixture
def pgbouncer(tmp_path_factory: Any, scratch: Path, postgres_server: Any) -> Iterator[PgBouncer]:
    need(program(), "PgBouncer")
    server = start_server(lambda port: PgBouncer(scratch / f"pgbouncer-{port}", port, postgres_server))
    yield server
    server.stop()


def test_work_goes_on_when_it_is_back_and_nothing_is_done_twice(
    celery_process: Any,
    pgbouncer: PgBouncer,
    database: Any,
    new_run: Any,
    connection: Any,
    eventually: Any,
) -> None:
    quick = {
        "WATCHKEEPER_DATABASE_URL": pgbouncer.through(database.url),
        "WATCHKEEPER_LISTEN": "false",
        "WATCHKEEPER_LEASE_SECONDS": "3",
        "WATCHKEEPER_RESEND_AFTER_SECONDS": "2",
    }
    beat = celery_process("beat", **quick)
    worker = celery_process("worker", "-Q", "upkeep", "-c", "2", app=KINDS, **quick)
    for _ in range(6):
        new_run("tests.counting", items=4, seconds=0.5)
    eventually(lambda: connection.execute("select from effect").fetchone() is not None, within=40)

    pgbouncer.kill()
    eventually(lambda: "beat.away" in beat.log.read_text(), within=20)
    pgbouncer.start()

    eventually(lambda: ended(connection) == {"succeeded": 6}, within=60)
    count = "select count(*) as n, count(distinct (run_id, item)) as items from effect"
    assert connection.execute(count).fetchone() == {"n": 24, "items": 24}
    assert worker.running
    through = connection.execute(
        "select count(*) as n from pg_stat_activity where usename = 'watchkeeper_service'"
        " and datname = current_database() and client_port <> all(%s)",
        ([0],),
    ).fetchone()
    # PgBouncer's pool, not a connection for each process and thread.
    assert 0 < through["n"] <= 20
