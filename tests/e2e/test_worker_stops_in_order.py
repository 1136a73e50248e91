"""SIGTERM: the batch ends after its current call and hands back the rest."""

from __future__ import annotations

import signal
from typing import Any


def test_a_stopped_worker_hands_back_what_it_has_not_begun(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    celery_process("beat")
    first = celery_process("worker", "-Q", "upkeep", "-c", "1", app="tests.support.kinds")
    run_id = new_run("tests.counting", items=5, seconds=1)
    eventually(
        lambda: connection.execute("select count(*) as n from effect").fetchone()["n"] >= 1, within=60
    )

    first.send(signal.SIGTERM)
    assert first.wait(10) == 0
    health = connection.execute("select state from health where role = 'worker'").fetchone()
    assert health["state"] == "ended"

    batch = connection.execute("select state, deaths, error from batch").fetchone()
    assert batch["state"] in {"waiting", "sent"}
    assert (batch["deaths"], batch["error"]) == (0, "the worker is shutting down")
    assert connection.execute("select count(*) as n from effect").fetchone()["n"] < 5

    celery_process("worker", "-Q", "upkeep", "-c", "1", app="tests.support.kinds")
    eventually(lambda: row(run_id)["state"] == "succeeded", within=60)
    assert connection.execute("select count(*) as n from effect").fetchone()["n"] == 5


def test_a_price_run_starts_while_every_scrape_slot_is_busy(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    celery_process("beat")
    celery_process("worker", "-Q", "listings", "-c", "1", app="tests.support.kinds")
    celery_process("worker", "-Q", "prices,upkeep", "-c", "1", app="tests.support.kinds")
    scrapes = [new_run("tests.counting", items=1, seconds=20) for _ in range(3)]
    connection.execute("update batch set queue = 'listings'")
    eventually(lambda: any(row(run_id)["started_at"] for run_id in scrapes), within=60)

    price = new_run("tests.counting", items=1)
    connection.execute("update batch set queue = 'prices' where run_id = %s", (price,))

    eventually(lambda: row(price)["started_at"], within=5)
