"""A worker sleeps for longer than its lease, as by SIGSTOP."""

from __future__ import annotations

import os
import signal
from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS


def test_a_worker_that_slept_longer_than_its_lease_writes_nothing_over_its_successor(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any, effects: Any
) -> None:
    celery_process("beat", **QUICK)
    sleeper = celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    run_id = new_run("tests.counting", items=4, seconds=1)
    eventually(lambda: len(effects()) == 1, within=60)

    os.killpg(sleeper.pid, signal.SIGSTOP)
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    eventually(lambda: len(effects()) >= 2, within=60)
    os.killpg(sleeper.pid, signal.SIGCONT)

    eventually(lambda: row(run_id)["finished_at"], within=45)
    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 4)
    # Whether its thread or the batch itself hears of it first, the batch says so.
    eventually(lambda: "batch.lost" in sleeper.log.read_text(), within=20)
    assert effects() == ["i0", "i1", "i2", "i3"]
    assert connection.execute("select fence from batch").fetchone()["fence"] == 2
