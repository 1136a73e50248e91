"""SIGTERM: the batch ends after its current call and hands back the rest."""

from __future__ import annotations

import signal
import time
from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


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


def test_a_call_that_outlasts_the_grace_is_handed_back_five_seconds_before_its_end(
    celery_process: Any, new_run: Any, connection: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    worker = celery_process(
        "worker", "-Q", "upkeep", "-c", "1", app=KINDS, WATCHKEEPER_STOP_SECONDS="12", **QUICK
    )
    for _ in range(2):
        new_run("tests.counting", items=2, seconds=50)
    running = "select count(*) as n from batch where state = 'running'"
    # Prolonged once, so that each is in the middle of its call.
    begun = f"{running} and lease_until > started_at + interval '3.5 s'"
    eventually(lambda: connection.execute(begun).fetchone()["n"] == 2, within=60)

    began = time.monotonic()
    worker.send(signal.SIGTERM)
    eventually(lambda: connection.execute(running).fetchone()["n"] < 2, within=20)
    # Seven seconds for the calls, then both go back in one statement; the rest is for the way there.
    assert 6 <= time.monotonic() - began < 12
    assert connection.execute(running).fetchone()["n"] == 0
    assert worker.wait(20) == 0
    given = connection.execute("select deaths, error from batch").fetchall()
    assert [(one["deaths"], one["error"]) for one in given] == [(0, "the worker is shutting down")] * 2
