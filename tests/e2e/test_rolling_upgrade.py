"""Workers and beats of two releases side by side lose nothing."""

from __future__ import annotations

from typing import Any

from tests.support.processes import QUICK
from tests.support.runs import KINDS

OLD = "tests.support.old_worker"


def many(new_run: Any, number: int = 20) -> list[Any]:
    return [new_run("tests.counting", items=7) for _ in range(number)]


def all_succeeded(row: Any, runs: list[Any]) -> bool:
    return all(row(one)["state"] == "succeeded" for one in runs)


def test_an_old_worker_is_sent_messages_by_a_new_beat(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    celery_process("worker", "-Q", "upkeep", "-c", "2", app=OLD, **QUICK)
    workers = "select count(*) as n from heartbeat where role = 'worker'"
    eventually(lambda: connection.execute(workers).fetchone()["n"] == 1, within=60)
    runs = many(new_run)

    eventually(lambda: all_succeeded(row, runs), within=60)


def test_an_old_worker_that_swallows_doorbells_loses_nothing(
    celery_process: Any, new_run: Any, row: Any, eventually: Any
) -> None:
    runs = many(new_run)
    celery_process("beat", **QUICK)
    # Announced by doorbells, for nobody was there.
    eventually(lambda: row(runs[0]), within=10)
    celery_process("worker", "-Q", "upkeep", "-c", "2", app=OLD, **QUICK)

    eventually(lambda: all_succeeded(row, runs), within=90)


def test_old_and_new_workers_beside_each_other_do_each_item_once(
    celery_process: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    celery_process("beat", **QUICK)
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=OLD, **QUICK)
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    runs = many(new_run, 40)

    eventually(lambda: all_succeeded(row, runs), within=90)
    found = connection.execute(
        "select count(*) as n, count(distinct (run_id, item)) as items from effect"
    ).fetchone()
    assert found == {"n": 280, "items": 280}


def test_a_new_worker_takes_the_messages_of_an_old_beat(
    celery_process: Any, kinds: Any, new_run: Any, row: Any, eventually: Any
) -> None:
    celery_process("worker", "-Q", "upkeep", "-c", "1", app=KINDS, **QUICK)
    run_id = new_run("tests.counting", items=3)
    kinds.app.send_task("tests.counting", args=(str(run_id), 0), task_id=str(run_id), queue="upkeep")

    eventually(lambda: row(run_id)["state"] == "succeeded", within=60)
