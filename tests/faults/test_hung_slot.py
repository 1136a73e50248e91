"""A process works several batches, and one of them hangs, or the process dies."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.support.processes import QUICK
from tests.support.runs import KINDS


@pytest.fixture
def one_process(celery_process: Any) -> Any:
    """``one_process(**env)`` starts a beat and a worker of one process with 16 slots."""

    def start(**env: str) -> Any:
        celery_process("beat", **QUICK)
        return celery_process(
            "worker", "-Q", "upkeep", "-c", "1", "--slots", "16", app=KINDS, **{**QUICK, **env}
        )

    return start


@pytest.fixture
def batch(connection: Any) -> Any:
    return lambda run_id: connection.execute(
        "select state, deaths, suspect, fence, error from batch where run_id = %s", (run_id,)
    ).fetchone()


def pids(connection: Any, run_id: Any) -> list[int]:
    rows = connection.execute("select pid from effect where run_id = %s order by at", (run_id,))
    return [row["pid"] for row in rows]


def test_of_many_batches_only_the_one_that_hangs_counts_a_death(
    one_process: Any, new_run: Any, row: Any, batch: Any, connection: Any, eventually: Any
) -> None:
    one_process()
    hung = new_run("tests.hanging")
    others = [new_run("tests.counting", items=5, seconds=3) for _ in range(5)]

    eventually(lambda: batch(hung)["deaths"] == 1, within=60)
    eventually(lambda: all(row(one)["state"] == "succeeded" for one in others), within=60)

    assert [batch(one)["deaths"] for one in others] == [0] * 5
    assert not any(batch(one)["suspect"] for one in others)
    twice = "select count(*) - count(distinct (run_id, item)) as n from effect"
    assert connection.execute(twice).fetchone()["n"] == 0
    eventually(lambda: row(hung)["finished_at"], within=60)
    assert row(hung)["error"].startswith("set aside: its worker died 2 times")


def test_a_batch_that_holds_the_interpreters_lock_is_found_by_running_suspects_alone(
    one_process: Any, new_run: Any, row: Any, batch: Any, eventually: Any
) -> None:
    one_process(WATCHKEEPER_X_CLOCK_STANDSTILL="2")
    others = [new_run("tests.counting", items=4, seconds=1) for _ in range(3)]
    stuck = new_run("tests.backtracking")

    eventually(lambda: row(stuck)["finished_at"], within=120)
    assert row(stuck)["error"].startswith("set aside: its worker died 2 times")
    eventually(lambda: all(row(one)["state"] == "succeeded" for one in others), within=60)
    assert [batch(one)["deaths"] for one in others] == [0] * 3


def test_batches_of_a_process_that_was_killed_are_taken_back_before_their_leases_end(
    one_process: Any, new_run: Any, row: Any, batch: Any, connection: Any, eventually: Any
) -> None:
    worker = one_process(WATCHKEEPER_LEASE_SECONDS="60")
    runs = [new_run("tests.counting", items=4, seconds=1) for _ in range(4)]
    eventually(lambda: all(pids(connection, one) for one in runs), within=60)

    os.kill(pids(connection, runs[0])[0], signal.SIGKILL)

    eventually(lambda: all(batch(one)["suspect"] for one in runs), within=10)
    assert [batch(one)["deaths"] for one in runs] == [0] * 4
    eventually(lambda: all(row(one)["state"] == "succeeded" for one in runs), within=60)
    assert [batch(one)["deaths"] for one in runs] == [0] * 4
    assert worker.running


def test_a_batch_that_was_alone_in_a_process_that_was_killed_counts_a_death(
    one_process: Any, new_run: Any, row: Any, batch: Any, connection: Any, eventually: Any
) -> None:
    one_process(WATCHKEEPER_LEASE_SECONDS="60")
    alone = new_run("tests.counting", items=4, seconds=1)
    eventually(lambda: pids(connection, alone), within=60)

    os.kill(pids(connection, alone)[0], signal.SIGKILL)

    eventually(lambda: batch(alone)["deaths"] == 1, within=10)
    eventually(lambda: row(alone)["state"] == "succeeded", within=60)
