"""A worker looks alive and consumes no more."""

from __future__ import annotations

from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_a_worker_that_no_longer_consumes_ends_itself_to_be_started_again(
    celery_process: Any, eventually: Any, connection: Any, broker_url: str
) -> None:
    from workers.app import app

    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "1", app=KINDS, WATCHKEEPER_X_STANDSTILL="4", **QUICK
    )
    eventually(lambda: connection.execute("select 1 as one from heartbeat").fetchone(), within=60)

    with app.connection_for_write(url=broker_url) as link:
        app.control.broadcast("stand_still", connection=link)

    eventually(lambda: not worker.running, within=40)
    assert worker.status == 70
    assert "worker.standstill" in worker.log.read_text()
