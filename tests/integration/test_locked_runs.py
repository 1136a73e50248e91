"""A worker that sleeps in a transaction holds up its own run, and nothing else of what beat does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

MINUTE = timedelta(minutes=1)
#: A tick that waits for nobody is over long before beat's limit for a lock (seconds).
SOON = 3.0


@pytest.fixture
def asleep(database: Any, drive: Any) -> Callable[..., Any]:
    """``with asleep("name")``: a worker sleeps with the row of that schedule's run, or batch, locked."""

    @contextmanager
    def hold(name: str, table: str = "batch") -> Iterator[None]:
        key = "id" if table == "run" else "run_id"
        with database.connect() as worker, worker.transaction():
            found = worker.execute(
                f"select from {table} where {key} in (select id from run where schedule = %s) for update",
                (name,),
            )
            assert found.rowcount == 1
            yield

    return hold


def tick(drive: Any, after: timedelta | None = None) -> None:
    began = time.monotonic()
    drive.work(after)
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("table", ["run", "batch"])
def test_an_overdue_run_that_is_locked_delays_the_end_of_no_other(
    drive: Any, asleep: Any, table: str
) -> None:
    for name in ("locked", "free"):
        drive.schedule(name, timeout=MINUTE)
    drive.work()
    for name in ("locked", "free"):
        drive.start(name)
    drive.sql.execute(
        "update run set deadline_at = deadline_at - interval '1 s' where schedule = 'locked'"
    )

    with asleep("locked", table):
        tick(drive, 2 * MINUTE)
        assert drive.states("free") == ["failed"]
        assert drive.states("locked") == ["running"]
        tick(drive, 2 * MINUTE)
    tick(drive, 2 * MINUTE)
    assert drive.states("locked") == ["failed"]


def test_a_locked_run_that_is_to_stop_delays_the_stop_of_no_other(drive: Any, asleep: Any) -> None:
    for name in ("locked", "free"):
        drive.schedule(name)
    drive.work()
    with asleep("locked", "run"):
        for name in ("locked", "free"):
            drive.sql.execute("select stop_run(id) from run where schedule = %s", (name,))
        tick(drive)
        tick(drive)
        assert drive.states("free") == ["stopped"]
        answers = drive.all("select answer from run_request order by id")
        assert [row["answer"] for row in answers] == [None, "asked to stop"]
    tick(drive)
    tick(drive)
    assert drive.states("locked") == ["stopped"]


def test_a_locked_batch_delays_the_rescue_of_no_other(
    drive: Any, asleep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However short this Postgres and this beat have been there.
    monkeypatch.setattr("beat.tick.steps.settings", lambda: SimpleNamespace(lease_seconds=-1))
    for name in ("locked", "free"):
        drive.schedule(name)
    drive.work()
    for name in ("locked", "free"):
        drive.start(name)
    drive.sql.execute("update batch set lease_until = lease_until - interval '1 s'"
                      " where run_id in (select id from run where schedule = 'locked')")  # fmt: skip
    states = "select r.schedule, b.state from batch b join run r on r.id = b.run_id order by 1"
    with asleep("locked"):
        tick(drive, MINUTE)
        assert [row["state"] for row in drive.all(states)] == ["sent", "running"]
    tick(drive, MINUTE)
    assert [row["state"] for row in drive.all(states)] == ["sent", "sent"]


def test_a_locked_run_that_is_to_be_replaced_delays_the_claim_of_no_other_schedule(
    drive: Any, asleep: Any
) -> None:
    hour = timedelta(hours=1)
    drive.schedule("locked", overlap="cancel_other")
    for number in range(3):
        drive.schedule(f"free-{number}", overlap="allow_all")
    drive.work()
    drive.start("locked")

    with asleep("locked", "run"):
        tick(drive, hour)
        assert [len(drive.runs(f"free-{number}")) for number in range(3)] == [2, 2, 2]
        assert drive.states("locked") == ["running"]
    tick(drive, hour)
    assert drive.states("locked") == ["running", "held"]
    assert drive.runs("locked")[0]["stop_requested_at"] is not None


def test_the_state_of_an_upstream_that_somebody_has_locked_delays_no_other_upstream(
    drive: Any, database: Any
) -> None:
    for name in ("aa", "bb"):
        drive.schedule(name)
        drive.sql.execute(
            "insert into upstream (name, base_url) values (%s, 'http://127.0.0.1:1')", (name,)
        )
        drive.sql.execute(
            "insert into quota (upstream, per, calls) values (%s, '1 minute', 1)", (name,)
        )
    drive.work()
    drive.sql.execute(
        "update batch b set state = 'waiting', send_at = null, waiting_for = r.schedule"
        "  from run r where r.id = b.run_id"
    )
    drive.sql.execute("select take_permits('aa', '{60}', null, null, null, '{}', '{}', '{}')")
    drive.sql.execute(
        "update upstream_state set next_permit_at = clock_timestamp() where upstream in ('aa', 'bb')"
    )
    with database.connect() as person, person.transaction():
        person.execute("select from upstream_state where upstream = 'aa' for update")
        tick(drive)
        released = drive.all("select waiting_for from batch where send_at is not null")
        assert [row["waiting_for"] for row in released] == ["bb"]
