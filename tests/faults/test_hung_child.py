"""A process of the pool hangs while its thread goes on beating."""

from __future__ import annotations

from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_a_hung_child_whose_thread_still_beats_is_ended_by_the_deadline(
    celery_process: Any, new_run: Any, row: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    hung = new_run("tests.hanging", columns={"timeout": "3 seconds"})

    eventually(lambda: row(hung)["finished_at"], within=60)
    assert row(hung)["state"] == "failed"
    assert "not finished within its timeout" in row(hung)["error"]
    assert (row(hung)["finished_at"] - row(hung)["started_at"]).total_seconds() < 8

    # Celery's limit frees the process: the worker works on.
    after = new_run("tests.counting", items=1)
    eventually(lambda: row(after)["state"] == "succeeded", within=40)
