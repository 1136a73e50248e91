"""A worker whose event loop runs and reads no message any more restarts itself."""

from __future__ import annotations

from typing import Any


def test_a_worker_that_reads_no_messages_ends_itself_with_status_70(
    celery_process: Any, kinds: Any, connection: Any, broker_url: str, eventually: Any, new_run: Any
) -> None:
    from tests.support.kinds import app

    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "1", app="tests.support.kinds", WATCHKEEPER_X_STANDSTILL="6"
    )
    eventually(lambda: connection.execute("select from heartbeat").fetchone() is not None, within=60)
    with app.connection_for_write(url=broker_url) as link:
        app.control.broadcast("turn_deaf", connection=link, reply=True, timeout=5)
    celery_process("beat")

    new_run("tests.counting", items=1)

    eventually(lambda: not worker.running, within=60)
    assert worker.status == 70
    assert "worker.not_consuming" in worker.log.read_text()


def test_a_worker_with_nothing_to_read_stays(
    celery_process: Any, kinds: Any, connection: Any, eventually: Any, new_run: Any, row: Any
) -> None:
    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "1", app="tests.support.kinds", WATCHKEEPER_X_STANDSTILL="3"
    )
    seen = "select from heartbeat where seen_at > started_at + interval '9 s'"
    eventually(lambda: connection.execute(seen).fetchone() is not None, within=60)
    assert worker.running
    celery_process("beat")

    run_id = new_run("tests.counting", items=1)

    eventually(lambda: row(run_id)["state"] == "succeeded", within=30)
    assert worker.running
