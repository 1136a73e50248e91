"""One process of a worker works many batches at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.support.runs import KINDS


@pytest.fixture
def worker(celery_process: Any) -> Any:
    celery_process("beat")
    return celery_process("worker", "-Q", "upkeep", "-c", "1", "--slots", "16", app=KINDS)


@pytest.fixture
def heard(kinds: Any, broker_url: str) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """``heard(type)``: events of that type, as Flower gets them."""
    events: list[dict[str, Any]] = []
    with kinds.app.connection_for_read() as connection:
        receiver = kinds.app.events.Receiver(connection, handlers={"*": events.append})
        ended = threading.Event()

        def listen() -> None:
            # One subscription: between two, events would be missed.
            with receiver.consumer_context(wakeup=False) as (listening, _, _):
                while not ended.is_set():
                    with suppress(TimeoutError):
                        listening.drain_events(timeout=0.5)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield lambda kind: [event for event in [*events] if event["type"] == kind]
        ended.set()
        thread.join(5)


def test_fifteen_batches_that_wait_share_one_process(
    worker: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    runs = [new_run("tests.counting", items=1, seconds=4) for _ in range(15)]

    eventually(lambda: all(row(one)["state"] == "succeeded" for one in runs), within=60)

    spans = connection.execute(
        "select count(distinct e.pid) as pids, max(r.started_at) < min(r.finished_at) as together"
        "  from run r join effect e on e.run_id = r.id"
    ).fetchone()
    assert spans == {"pids": 1, "together": True}


def test_a_worker_of_the_browsers_queue_has_one_slot(
    celery_process: Any, kinds: Any, connection: Any, eventually: Any
) -> None:
    celery_process("worker", "-Q", "browser", "-c", "1")

    said = "select detail -> 'queues' as queues, detail -> 'slots' as slots from heartbeat"
    eventually(lambda: connection.execute(said).fetchone(), within=60)
    assert connection.execute(said).fetchone() == {"queues": ["browser"], "slots": 1}


def test_the_most_urgent_starts_at_once_while_others_hold_the_slots(
    worker: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    many = [new_run("tests.counting", items=1, seconds=15) for _ in range(20)]
    eventually(lambda: sum(row(one)["state"] == "running" for one in many) == 15, within=60)

    urgent = new_run("tests.counting", items=1, columns={"priority": 9})
    connection.execute("update batch set priority = 9 where run_id = %s", (urgent,))

    eventually(lambda: row(urgent)["state"] == "succeeded", within=10)
    assert sum(row(one)["state"] == "running" for one in many) == 15


def test_flower_sees_each_batch_under_its_own_id_and_no_session(
    worker: Any, heard: Any, new_run: Any, row: Any, eventually: Any
) -> None:
    eventually(lambda: heard("worker-heartbeat"), within=60)
    # The worker looks every two seconds whether somebody listens.
    eventually(lambda: len(heard("worker-heartbeat")) > 4, within=60)
    good, bad = (
        new_run("tests.counting", items=2),
        new_run("tests.crashing", columns={"max_attempts": 1}),
    )

    eventually(lambda: row(good)["finished_at"] and row(bad)["finished_at"], within=60)
    eventually(lambda: heard("task-failed"), within=10)
    eventually(lambda: heard("task-succeeded"), within=10)

    received = {event["uuid"]: event for event in heard("task-received")}
    assert set(received) == {str(good), str(bad)}
    assert received[str(good)]["name"] == "tests.counting"
    assert received[str(good)]["hostname"] == heard("worker-heartbeat")[0]["hostname"]
    assert [event["uuid"] for event in heard("task-succeeded")] == [str(good)]
    assert [event["uuid"] for event in heard("task-failed")] == [str(bad)]
    assert {event["uuid"] for event in heard("task-started")} == set(received)


def test_revoke_with_terminate_stops_the_run_and_leaves_its_neighbours_alone(
    worker: Any, kinds: Any, new_run: Any, row: Any, eventually: Any
) -> None:
    stopped, other = (new_run("tests.counting", items=20, seconds=1) for _ in range(2))
    eventually(lambda: row(stopped)["state"] == row(other)["state"] == "running", within=60)

    kinds.app.control.revoke(str(stopped), terminate=True)

    eventually(lambda: row(stopped)["state"] == "stopped", within=20)
    assert row(stopped)["reason"] == "revoked"
    eventually(lambda: row(other)["state"] == "succeeded", within=60)


def test_a_worker_that_shuts_down_hands_back_all_it_has_in_hand(
    worker: Any, new_run: Any, row: Any, connection: Any, eventually: Any
) -> None:
    runs = [new_run("tests.counting", items=5, seconds=2) for _ in range(10)]
    eventually(lambda: all(row(one)["state"] == "running" for one in runs), within=60)

    worker.stop(grace=30.0)

    states = connection.execute(
        "select state, deaths, count(*) as n from batch group by 1, 2"
    ).fetchall()
    assert [(one["deaths"], one["n"]) for one in states] == [(0, 10)]
    assert states[0]["state"] in {"waiting", "sent"}
