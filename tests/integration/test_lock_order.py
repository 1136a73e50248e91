"""Whoever changes several batches locks them in one order, so that no two wait for each other."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.support.waiting import wait_for
from workers.db import driver_connect, driver_transaction
from workers.ledger import calls, claimed, ended, handed_back, renewed

LENGTH = timedelta(minutes=1)


@pytest.fixture
def two(new_run: Any, connection: Any) -> list[claimed.BatchLease]:
    """Two batches in one worker's hands: the one whose id comes first was written last."""
    runs = sorted((new_run("tests.noop_kind") for _ in range(2)), reverse=True)
    connection.execute("create temp table kept as select * from batch")
    connection.execute("delete from batch")
    connection.execute("insert into batch select * from kept order by run_id desc")
    found = []
    for run_id in runs:
        with driver_transaction() as below:
            lease = claimed.claim(below, run_id, 0, "one", LENGTH)
        assert lease is not None
        found.append(lease)
    return found


def end_whole(below: Any, leases: Any) -> None:
    ended.end_whole(below, [ended.Done(one, [], stored=False, summary=None) for one in leases])


def end_calls(below: Any, leases: Any) -> None:
    found = [calls.Call(one.run_id, None, one.fence, one.attempt, 1) for one in leases]
    calls.end(below, [(one, calls.Outcome("succeeded")) for one in found])


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "renew": lambda below, leases: renewed.renew(below, leases, LENGTH),
    "leave": lambda below, _: renewed.leave(below, "one"),
    "hand back": lambda below, leases: handed_back.hand_back_all(below, leases, "it ends"),
    "end runs": end_whole,
    "end calls": end_calls,
}


def waits(connection: Any) -> bool:
    """Whether another session of this database waits for a lock."""
    connection.execute("select pg_stat_clear_snapshot()")
    found = connection.execute(
        "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    )
    return found.fetchone() is not None


def assert_in_order(connection: Any, first: Any, second: Any, change: Callable[[Any], Any]) -> None:
    """``change`` waits for the batch that comes first, and does not hold the one after it meanwhile."""

    def done() -> None:
        with driver_connect() as below:
            change(below)

    lock = "select from batch where run_id = %s and seq = %s for no key update"
    with ThreadPoolExecutor() as other:
        with connection.transaction():
            connection.execute(lock, first)
            doing = other.submit(done)
            wait_for(lambda: waits(connection))
            connection.execute(f"{lock} nowait", second)
        doing.result(timeout=10)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_batches_of_several_runs_are_locked_in_order(
    change: Callable[[Any, Any], Any], two: list[claimed.BatchLease], connection: Any
) -> None:
    connection.execute("update batch set plain = %s", (change is end_calls,))
    second, first = ((one.run_id, one.seq) for one in two)

    assert_in_order(connection, first, second, lambda below: change(below, two))


def test_batches_of_one_run_are_locked_in_order(new_run: Any, connection: Any) -> None:
    run_id: uuid.UUID = new_run("tests.noop_kind")
    connection.execute("delete from batch")
    connection.execute(
        "insert into batch (run_id, seq, task, queue, state, lease_until)"
        " select %s, seq, 'tests.noop_kind', 'upkeep', 'running', clock_timestamp() + interval '1 minute'"
        "   from generate_series(1, 0, -1) seq",
        (run_id,),
    )

    def close(below: Any) -> None:
        ended.close_open(below, run_id, "failed", "its time is over", running=True)

    assert_in_order(connection, (run_id, 0), (run_id, 1), close)
