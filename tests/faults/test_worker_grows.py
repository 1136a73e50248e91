"""Processes of a pool take too much memory."""

from __future__ import annotations

from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_processes_that_take_too_much_memory_are_replaced_and_nothing_is_lost(
    celery_process: Any, new_run: Any, row: Any, eventually: Any, connection: Any
) -> None:
    celery_process("beat", **QUICK)
    celery_process(
        "worker", "-Q", "upkeep", "-c", "1", "--max-memory-per-child", "90000", app=KINDS, **QUICK
    )
    # A process is replaced when its session ends, so the second run begins after that of the first.
    for _ in range(2):
        run_id = new_run("tests.growing", items=10)
        eventually(lambda run_id=run_id: row(run_id)["state"] == "succeeded", within=90)
    counts = connection.execute("select count(distinct pid) as p, count(*) as n from effect").fetchone()
    assert counts["n"] == 20
    assert counts["p"] >= 2
    assert connection.execute("select sum(deaths) as n from batch").fetchone()["n"] == 0
