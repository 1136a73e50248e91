"""What the autoscaler reads: what could run now, shared with the living workers of the same queues."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workers.db import driver_connect
from workers.pool import demand
from workers.pool.demand import Demand


def read(me: str = "prices@one", *, queues: tuple[str, ...] = ("upkeep",), high: int = 8) -> Demand:
    with driver_connect() as connection:
        return demand.read(connection, me, queues, high)


@pytest.fixture
def batches(connection: Any, new_run: Any) -> Any:
    """``batches(4, state="sent")`` writes so many, with these columns."""
    connection.execute("insert into upstream (name, base_url) values ('slow', 'http://127.0.0.1:1')")

    def make(number: int, **columns: Any) -> None:
        run_id = new_run("tests.counting")
        connection.execute("delete from batch where run_id = %s", (run_id,))
        values = {"run_id": run_id, "task": "tests.counting", "queue": "upkeep", **columns}
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        connection.execute(
            f"insert into batch ({names}, seq) select {marks}, n from generate_series(1, {number}) n",
            values,
        )

    return make


def heartbeat(connection: Any, name: str, ago: str = "0 s", **detail: Any) -> None:
    connection.execute(
        "insert into heartbeat (name, role, seen_at, detail)"
        " values (%s, 'worker', clock_timestamp() - %s::interval, %s)",
        (name, ago, json.dumps({"queues": ["upkeep"], "processes": 1, "max": 8, **detail})),
    )


def test_what_is_ready_is_wanted(batches: Any) -> None:
    batches(5, state="sent")

    assert read() == Demand(ready=5, busy=0, wanted=5, bounds=None)


def test_what_waits_for_a_quota_is_not_counted(batches: Any) -> None:
    batches(200, state="waiting", waiting_for="slow", send_at=None)

    assert read().wanted == 0


def test_what_waits_for_its_time_is_not_counted(batches: Any) -> None:
    batches(9, state="waiting", send_at="2199-01-01", not_before="2199-01-01")

    assert read().wanted == 0


def test_other_queues_are_not_counted(batches: Any) -> None:
    batches(9, state="sent", queue="listings")

    assert read().wanted == 0
    assert read(queues=("listings", "upkeep")).wanted == 8


def test_what_this_worker_runs_keeps_its_processes(batches: Any) -> None:
    batches(3, state="running", worker="prices@one", send_at=None)

    assert read() == Demand(ready=0, busy=3, wanted=3, bounds=None)


def test_three_living_workers_share_and_a_silent_one_gets_nothing(
    batches: Any, connection: Any
) -> None:
    batches(9, state="sent")
    for name in ("prices@one", "prices@two", "prices@three"):
        heartbeat(connection, name)
    heartbeat(connection, "prices@dead", ago="20 s")

    assert [read(f"prices@{name}").wanted for name in ("one", "two", "three")] == [3, 3, 3]


def test_bounds_are_those_of_the_workers_group(connection: Any, database: Any) -> None:
    connection.execute("insert into worker_group values ('prices', 2, 6), ('listings', 1, 1)")

    assert read().bounds == (6, 2)
    assert read("upkeep@one").bounds is None


def test_a_million_waiting_batches_make_the_read_no_dearer(batches: Any, connection: Any) -> None:
    batches(20_000, state="waiting", waiting_for="slow", send_at=None)
    batches(20_000, state="waiting", send_at="2199-01-01")
    connection.execute("analyze batch")
    values = {
        "max_counted": 500, "slots": 16, "queues": ["upkeep"], "me": "a", "max_silence": 10.0, "group": "a",
    }  # fmt: skip

    (row,) = connection.execute(
        "explain (analyze, buffers, format json) " + demand.DEMAND, values
    ).fetchall()

    plan = row["QUERY PLAN"][0]["Plan"]
    assert "Seq Scan on batch" not in json.dumps(plan)
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 100


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0, 4, "min_processes must be 1 or more"), (4, 2, "cannot be less than"), (1, 501, "at most 500")],
)
def test_wrong_bounds_are_refused_in_words(connection: Any, low: int, high: int, words: str) -> None:
    import psycopg

    with pytest.raises(psycopg.errors.CheckViolation, match=words):
        connection.execute("insert into worker_group values ('prices', %s, %s)", (low, high))
