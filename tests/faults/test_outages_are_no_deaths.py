"""A kill at the end of the grace, and an exit while Postgres is away: neither is the batch's doing."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.support.runs import KINDS

pytestmark = pytest.mark.outside(14)
LEASE = {"WATCHKEEPER_LEASE_SECONDS": "6", "WATCHKEEPER_RESEND_AFTER_SECONDS": "2"}


def test_a_worker_killed_at_the_end_of_its_grace_is_no_death(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    celery_process("beat", **LEASE)
    run_id = new_run("tests.counting", items=1, seconds=60)
    # Prolonged once: the only item is begun, so that nothing can be handed back.
    busy = "select 1 as one from batch where lease_until > updated_at + interval '7 s' and fence = %s"
    said = "select 1 as one from batch where leaving and fence = %s"
    for fence in (1, 2):
        worker = celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **LEASE)
        eventually(lambda n=fence: connection.execute(busy, (n,)).fetchone(), within=60)
        worker.send(signal.SIGTERM)
        eventually(lambda n=fence: connection.execute(said, (n,)).fetchone(), within=15)
        os.killpg(os.getpgid(worker.pid), signal.SIGKILL)

    eventually(
        lambda: connection.execute("select 1 as one from batch where state <> 'running'").fetchone(),
        within=40,
    )
    batch = connection.execute("select deaths, error from batch").fetchone()
    assert batch["deaths"] == 0
    assert batch["error"].startswith("its worker ended before the batch did")
    assert row(run_id)["state"] == "running"


def test_a_worker_that_ends_while_postgres_is_away_is_no_death(
    celery_process: Any, new_run: Any, database: Any, postgres_server: Any, eventually: Any
) -> None:
    celery_process("beat", **LEASE)
    worker = celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **LEASE)
    run_id = new_run("tests.counting", items=20, seconds=2)
    with database.connect() as first:
        eventually(lambda: first.execute("select 1 as one from effect").fetchone(), within=60)

    postgres_server.kill()
    worker.send(signal.SIGTERM)
    assert worker.wait(30) is not None, worker.tail(20)
    postgres_server.start()

    with database.connect() as again:
        query = "select deaths, error from batch where run_id = %s and state <> 'running' and error is not null"
        batch = eventually(lambda: again.execute(query, (run_id,)).fetchone(), within=60)
        assert batch["deaths"] == 0  # type: ignore[index]
        assert "Postgres or beat was away" in batch["error"]  # type: ignore[index]
