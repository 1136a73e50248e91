"""A worker dies by kill -9 in the middle of a run."""

from __future__ import annotations

import os
import signal
from typing import Any


def test_only_the_unfinished_items_are_done_again(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    quick = {"WATCHKEEPER_LEASE_SECONDS": "3", "WATCHKEEPER_RESEND_AFTER_SECONDS": "2"}
    celery_process("beat", **quick)
    first = celery_process("worker", "-Q", "upkeep", "-c", "1", app="tests.support.kinds", **quick)
    run_id = new_run("tests.counting", items=5, seconds=0.7)
    eventually(
        lambda: connection.execute("select count(*) as n from effect").fetchone()["n"] >= 2, within=60
    )

    os.killpg(os.getpgid(first.pid), signal.SIGKILL)
    celery_process("worker", "-Q", "upkeep", "-c", "1", app="tests.support.kinds", **quick)

    eventually(lambda: row(run_id)["finished_at"], within=45)
    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 5)
    # A process may have had several in hand: the batch is a suspect, which runs alone the second time.
    batch = connection.execute("select deaths, suspect, fence from batch").fetchone()
    assert batch == {"deaths": 0, "suspect": True, "fence": 2}
    done = [r["item"] for r in connection.execute("select item from effect order by item")]
    assert done == ["i0", "i1", "i2", "i3", "i4"]


def test_where_a_process_works_one_batch_its_end_is_that_batch_s_death(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    alone = {"WATCHKEEPER_LEASE_SECONDS": "3", "WATCHKEEPER_SLOTS": "1"}
    celery_process("beat", **alone)
    options = ("worker", "-Q", "upkeep", "-c", "1")
    first = celery_process(*options, app="tests.support.kinds", **alone)
    run_id = new_run("tests.counting", items=3, seconds=0.7)
    eventually(lambda: connection.execute("select from effect").fetchone() is not None, within=60)

    os.killpg(os.getpgid(first.pid), signal.SIGKILL)
    celery_process(*options, app="tests.support.kinds", **alone)

    eventually(lambda: row(run_id)["state"] == "succeeded", within=60)
    assert connection.execute("select deaths from batch").fetchone()["deaths"] == 1
