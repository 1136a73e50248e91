"""Kill -9 of a process that has nothing in hand, just before something comes for it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_what_comes_for_a_process_that_was_just_killed_is_done_once_by_its_successor(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    worker = celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    for _ in range(5):
        run_id = new_run("tests.counting", items=1)
        eventually(lambda run_id=run_id: row(run_id)["state"] == "succeeded", within=60)
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)

    run_id = new_run("tests.counting", items=1)
    eventually(lambda: row(run_id)["state"] == "succeeded", within=60)
    fences = connection.execute("select distinct fence, deaths from batch").fetchall()
    assert fences == [{"fence": 1, "deaths": 0}]
