"""Ends of plain tasks: written together while they come in quick succession, by the keys of their rows."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from billiard.exceptions import WorkerLostError
from celery import Celery

from tests.support.waiting import wait_for
from workers.db import driver_transaction
from workers.ledger import calls, rescued, stopped
from workers.ledger.calls import Call, Outcome
from workers.plain import background, ends, leases, parent
from workers.plain.kept_connection import kept_driver
from workers.processes import shutdown
from workers.settings import settings

LEASE = timedelta(seconds=30)


@pytest.fixture
def claimed(drive: Any, plain: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[Call]]:
    """``claimed(7)``: so many runs of a plain task, leased to this process."""
    writer = ends._Writer()
    monkeypatch.setattr(ends, "_writer", writer)

    def claim(number: int) -> list[Call]:
        for n in range(number):
            drive.schedule(f"s-{n}", task="plain.add", options={"args": [1]})
        drive.work()
        with kept_driver() as connection:
            found = [calls.claim(connection, one["id"], "here", LEASE, 0) for one in drive.all("select id from run")]  # fmt: skip
        return [call for call in found if call is not None]

    yield claim
    writer.flush()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many ends each statement writes."""
    numbers: list[int] = []
    real = calls.end

    def end(connection: Any, given: Any) -> set[uuid.UUID]:
        numbers.append(len(given))
        return real(connection, given)

    monkeypatch.setattr(calls, "end", end)
    return numbers


def states(drive: Any) -> list[str]:
    return [row["state"] for row in drive.all("select state from run")]


def test_calls_that_end_in_quick_succession_are_written_together_soon(
    claimed: Callable[[int], list[Call]], written: list[int], drive: Any
) -> None:
    made = claimed(40)
    for nth, call in enumerate(made):
        state = "failed" if nth == 7 else "succeeded"
        ends.write(call, Outcome(state, {"value": nth}, error="no" if nth == 7 else None), "here")

    wait_for(lambda: "running" not in states(drive), 5.0)
    assert sum(written) == 40
    assert len(written) <= 10
    failed = drive.all(
        "select result, error, failed, done, open_batches from run where state = 'failed'"
    )
    assert failed == [
        {"result": {"value": 7}, "error": "no", "failed": 1, "done": 0, "open_batches": 0}
    ]
    assert {row["state"] for row in drive.all("select distinct state from batch")} == {"done", "failed"}


def test_a_call_that_ends_alone_is_written_at_once(
    claimed: Callable[[int], list[Call]], written: list[int], drive: Any
) -> None:
    (call,) = claimed(1)
    ends.write(call, Outcome("succeeded"), "here")
    assert (states(drive), written) == (["succeeded"], [1])


def test_a_lease_is_renewed_as_long_as_its_call_is_worked_on(
    claimed: Callable[[int], list[Call]], drive: Any, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (call,) = claimed(1)
    monkeypatch.setattr(leases, "_keeper", leases._Keeper())
    monkeypatch.setattr(
        leases, "settings", lambda: settings().model_copy(update={"lease_seconds": 1.0})
    )
    leased = "select fence, state, lease_until from batch"
    drive.sql.execute("update batch set lease_until = clock_timestamp() - interval '1 hour'")

    with leases.kept(call, plain.app, "here"):
        wait_for(lambda: drive.one(leased)["lease_until"] > drive.now(), 20.0)

    assert (drive.one(leased)["fence"], drive.one(leased)["state"]) == (call.fence, "running")


@pytest.mark.parametrize("answers", ["refuses", "is silent"])
def test_leases_are_renewed_while_a_redis_that_is_away_cannot_be_told_what_is_to_stop(
    claimed: Callable[[int], list[Call]], drive: Any, monkeypatch: pytest.MonkeyPatch, answers: str
) -> None:
    stopping, other = claimed(2)
    monkeypatch.setattr(leases, "_keeper", leases._Keeper())
    monkeypatch.setattr(
        leases, "settings", lambda: settings().model_copy(update={"lease_seconds": 1.0})
    )
    ended = "select count(*) from batch where lease_until < clock_timestamp() + interval '10 minutes'"
    drive.sql.execute("update run set stop_requested_at = now() where id = %s", (stopping.run_id,))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if answers == "refuses":
            server.close()
        app = Celery(broker=f"redis://127.0.0.1:{port}/0")
        with leases.kept(stopping, app, "here"), leases.kept(other, app, "here"):
            for _ in range(3):
                drive.sql.execute(
                    "update batch set lease_until = clock_timestamp() + interval '1 hour'"
                )
                wait_for(lambda: drive.one(ended)["count"] == 2, 20.0)
    # It says what it could not do, which is no output of the next test.
    told = threading.Event()
    background.later(told.set)
    assert told.wait(60.0)


def test_nothing_waits_once_the_worker_is_to_stop(
    claimed: Callable[[int], list[Call]], drive: Any
) -> None:
    shutdown.request()
    try:
        for call in claimed(5):
            ends.write(call, Outcome("succeeded"), "here")
        assert states(drive) == ["succeeded"] * 5
    finally:
        shutdown.reset()


def test_of_ends_that_are_written_together_one_that_cannot_be_stored_fails_alone(
    claimed: Callable[[int], list[Call]], drive: Any
) -> None:
    first, second, third = claimed(3)
    ends.write_all(
        [
            ends.End(first, Outcome("succeeded", {"value": 1}), "here"),
            ends.End(second, Outcome("succeeded", {"value": "\ud800"}), "here"),
            ends.End(third, Outcome("succeeded", {"value": 3}), "here"),
        ]
    )
    results = [row["result"] for row in drive.all("select result from run order by schedule")]
    assert sorted(map(str, results)) == sorted(
        map(str, [{"value": 1}, {"summary": "a result that cannot be stored"}, {"value": 3}])
    )


def test_a_lease_that_was_lost_is_said_and_an_end_whose_answer_was_lost_is_not(
    claimed: Callable[[int], list[Call]], drive: Any
) -> None:
    lost, twice = claimed(2)
    drive.sql.execute("update batch set fence = fence + 1 where run_id = %s", (lost.run_id,))
    for _ in range(2):
        ends.write_all([ends.End(one, Outcome("succeeded"), "here") for one in (lost, twice)])

    found = {row["id"]: row for row in drive.all("select id, state, reason from run")}
    assert "after its lease was lost" in found[lost.run_id]["reason"]
    assert found[lost.run_id]["state"] == "running"
    assert (found[twice.run_id]["state"], found[twice.run_id]["reason"]) == ("succeeded", None)


@pytest.mark.parametrize(("most", "state"), [(1, "failed"), (2, "waiting")])
def test_a_process_that_was_killed_ends_the_call_that_its_own_worker_has_in_hand(
    claimed: Callable[[int], list[Call]], drive: Any, plain: Any, monkeypatch: pytest.MonkeyPatch,
    most: int, state: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(background, "later", lambda write: write())
    monkeypatch.setattr(parent, "_names", ["here"])
    own, other, unclaimed = claimed(3)
    drive.sql.execute("update run set max_attempts = %s", (most,))
    drive.sql.execute("update batch set worker = 'there' where run_id = %s", (other.run_id,))
    drive.sql.execute("update batch set state = 'sent' where run_id = %s", (unclaimed.run_id,))
    for call in (own, other, unclaimed):
        task = plain.app.tasks["plain.add"]
        parent._lost(task, task_id=call.run_id, exception=WorkerLostError("signal 9 (SIGKILL)"))

    states = {row["run_id"]: row["state"] for row in drive.all("select run_id, state from batch")}
    assert [states[one.run_id] for one in (own, other, unclaimed)] == [state, "running", "sent"]
    failed = "failed" if state == "failed" else "running"
    assert drive.one("select state from run where id = %s", own.run_id)["state"] == failed
    assert drive.one("select attempt from batch where run_id = %s", own.run_id)["attempt"] == most - 1


def test_a_call_that_is_begun_again_and_stopped_says_both(
    claimed: Callable[[int], list[Call]], drive: Any
) -> None:
    (call,) = claimed(1)
    drive.sql.execute("update run set max_attempts = 2")
    with driver_transaction() as connection:
        rescued.take_over(connection, call.run_id, 0, call.fence, died=True, counts=True)
        for reason in ("nobody wants it", "nor does anybody else"):
            stopped.request_stop(connection, call.run_id, reason, drive.now())

    again = "begun again: its worker went silent: here"
    assert drive.one("select reason from run")["reason"] == f"{again}; nobody wants it"


MANY = """
with new as (
    insert into run (id, task, trigger, due_at, state, queue, batch_count, open_batches)
    select gen_random_uuid(), 'plain.add', 'manual', clock_timestamp(), 'due', 'upkeep', 1, 1
      from generate_series(1, 3000) returning id)
insert into batch (run_id, seq, task, queue, state, sends, plain)
select id, 0, 'plain.add', 'upkeep', 'sent', 1, true from new
"""


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_claim_and_end_find_rows_by_their_keys_though_tables_looked_empty(
    drive: Any, plain: Any, mode: str
) -> None:
    drive.sql.execute("analyze run, batch")
    drive.sql.execute(MANY)
    ids = [row["id"] for row in drive.all("select id from run limit 60")]
    before = _rows_read(drive)
    with kept_driver() as connection:
        connection.execute(f"set plan_cache_mode = {mode}")
        found = [calls.claim(connection, one, "here", LEASE, 0) for one in ids]
        made = [(call, Outcome("succeeded")) for call in found if call is not None]
        written = calls.end(connection, made[:30])
        for one in made[30:]:
            written |= calls.end(connection, [one])
        connection.execute("select pg_stat_force_next_flush()")
    assert written == set(ids)
    # Each statement reads rows of both tables a few times.
    assert _rows_read(drive) - before < 60 * 20


def _rows_read(drive: Any) -> int:
    """Rows that sequential scans and scans of indexes have read."""
    drive.sql.execute("select pg_stat_force_next_flush()")
    query = "select sum(seq_tup_read + idx_tup_fetch) as read from pg_stat_user_tables where relname in ('run', 'batch')"
    return int(drive.one(query)["read"])
