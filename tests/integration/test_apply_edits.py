"""Batch size, delay, batches in flight and priority: obeyed, and changed while a run goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from workers.db import driver_transaction
from workers.ledger import claimed, ended, rescued

LEASE = timedelta(seconds=30)


@pytest.fixture
def batches(connection: Any) -> Any:
    """Batches of a run that are planned, in order."""

    def read(run_id: Any) -> list[dict[str, Any]]:
        return connection.execute(  # type: ignore[no-any-return]
            "select *, jsonb_array_length(items) as n, send_at <= clock_timestamp() as now from batch"
            " where run_id = %s and seq > 0 order by seq", (run_id,)
        ).fetchall()  # fmt: skip

    return read


def claim(run_id: Any, seq: int) -> Any:
    with driver_transaction() as ledger:
        return claimed.claim(ledger, run_id, seq, "tester", LEASE)


def end(hold: Any) -> None:
    with driver_transaction() as ledger:
        ended.end(ledger, hold, "done")


def test_no_more_batches_of_a_run_go_at_once_than_it_allows(
    new_run: Any, work: Any, batches: Any
) -> None:
    run_id = new_run("tests.counting", items=25, columns={"max_in_flight": 2})
    work(run_id)
    assert [b["now"] for b in batches(run_id)] == [True, True, None, None, None]

    first, second, third = claim(run_id, 1), claim(run_id, 2), claim(run_id, 3)

    assert (first is not None, second is not None, third) == (True, True, None)
    end(first)
    assert [b["now"] for b in batches(run_id)][2:] == [True, None, None]
    assert claim(run_id, 3) is not None


def test_a_batch_set_aside_makes_room_for_the_next(
    new_run: Any, work: Any, batches: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting", items=15, columns={"max_in_flight": 1})
    work(run_id)
    for _ in range(2):
        assert claim(run_id, 1) is not None
        connection.execute("update batch set lease_until = clock_timestamp() - interval '1 second'")
        with driver_transaction() as ledger:
            rescued.rescue(
                ledger, connection.execute("select clock_timestamp() as t").fetchone()["t"], 9
            )

    assert [(b["state"], b["now"]) for b in batches(run_id)][:2] == [
        ("failed", None),
        ("waiting", True),
    ]
    assert claim(run_id, 2) is not None


def test_two_batches_of_a_run_start_no_closer_than_its_delay_however_late_they_are(
    new_run: Any, work: Any, batches: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting", items=15, columns={"batch_delay": timedelta(minutes=5)})
    work(run_id)
    # All workers were away: every planned time has passed.
    connection.execute("update batch set not_before = null, send_at = clock_timestamp() where seq > 0")

    first, second = claim(run_id, 1), claim(run_id, 2)

    assert (first is not None, second) == (True, None)
    row = batches(run_id)[1]
    assert row["not_before"] - batches(run_id)[0]["started_at"] == timedelta(minutes=5)
    assert row["send_at"] == row["not_before"]


@pytest.fixture
def going(drive: Any, kinds: Any, new_run: Any, work: Any, connection: Any) -> Any:
    """``going(items=…)`` is the planned run of schedule "edited", whose columns beat makes it obey."""

    def make(**columns: Any) -> Any:
        values = {"name": "edited", "task": "tests.counting", "every": "1 hour", **columns}
        drive._insert("schedule", {**values, "paused_until": "infinity"})
        drive.work()
        run_id = new_run(
            "tests.counting", schedule="edited", items=20, columns={"batch_size": 5, **columns}
        )
        work(run_id)
        return run_id

    return make


def test_a_new_batch_size_cuts_what_has_not_begun_anew(
    going: Any, drive: Any, batches: Any, work: Any, row: Any
) -> None:
    run_id = going(batch_size=5)
    work(run_id, 1)

    drive.edit("edited", batch_size=8)
    drive.work()

    assert (batches(run_id)[0]["n"], batches(run_id)[0]["state"]) == (5, "done")
    assert [b["n"] for b in batches(run_id)][1:] == [8, 7]
    keys = [item["key"] for b in batches(run_id) for item in b["items"]]
    assert keys == [f"i{n}" for n in range(20)]
    for batch in batches(run_id)[1:]:
        work(run_id, batch["seq"])
    ended = row(run_id)
    assert (ended["state"], ended["done"], ended["open_batches"]) == ("succeeded", 20, 0)


def test_a_new_limit_of_batches_in_flight_holds_at_once(going: Any, drive: Any, batches: Any) -> None:
    run_id = going(max_in_flight=1)
    assert claim(run_id, 1) is not None
    assert claim(run_id, 2) is None

    drive.edit("edited", max_in_flight=3)
    drive.work()

    assert claim(run_id, 2) is not None
    assert claim(run_id, 3) is not None
    assert claim(run_id, 4) is None


def test_a_new_delay_holds_for_the_rest(going: Any, drive: Any, batches: Any) -> None:
    run_id = going(batch_delay=timedelta(hours=1))
    assert claim(run_id, 1) is not None
    assert claim(run_id, 2) is None

    drive.edit("edited", batch_delay=timedelta(minutes=1))
    drive.work()

    one, two, three, _ = batches(run_id)
    assert two["not_before"] - one["started_at"] == timedelta(minutes=1)
    assert three["not_before"] - one["started_at"] == timedelta(minutes=2)


def test_a_new_priority_moves_what_waits(going: Any, drive: Any, batches: Any) -> None:
    run_id = going(priority=1)

    drive.edit("edited", priority=9)
    drive.work()

    assert {b["priority"] for b in batches(run_id)} == {9}
    assert drive.one("select priority from run where id = %s", run_id)["priority"] == 9


def test_a_run_that_somebody_holds_stalls_no_edit(
    going: Any, drive: Any, database: Any, batches: Any
) -> None:
    run_id = going(priority=1)
    with database.connect() as holder, holder.transaction():
        holder.execute("select from run where id = %s for update", (run_id,))
        drive.edit("edited", priority=9)
        drive.work()
        assert drive.one("select count(*) as n from schedule_edit")["n"] == 0
