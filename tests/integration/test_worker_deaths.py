"""A lease that ended is a death only when nothing but the worker can have ended it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workers.db import driver_transaction
from workers.ledger import claimed, renewed, rescued

pytestmark = pytest.mark.outside(14)
LEASE = timedelta(seconds=30)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def lose(new_run: Any, kinds: Any, connection: Any) -> Any:
    """``lose(run_id)``: a worker takes the batch, and its lease ends; returns what beat takes back."""

    def do(
        run_id: Any, *, leaving: bool = False, up_since: datetime = LONG_AGO
    ) -> tuple[str, int, str]:
        with driver_transaction() as ledger:
            assert claimed.claim(ledger, run_id, 0, "tester", LEASE) is not None
        if leaving:
            with driver_transaction() as ledger:
                renewed.leave(ledger, "tester")
        connection.execute("update batch set lease_until = clock_timestamp() - interval '1 s'")
        now = connection.execute("select clock_timestamp() as now").fetchone()["now"]
        with driver_transaction() as ledger:
            rescued.rescue(ledger, now, 10, up_since)
        found = connection.execute(
            "select state, deaths, error from batch where run_id = %s", (run_id,)
        ).fetchone()
        return found["state"], found["deaths"], found["error"]

    return do


def test_two_deaths_set_a_batch_aside_however_many_outages_lie_between(
    lose: Any, new_run: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting")
    just_now = connection.execute("select clock_timestamp() - interval '10 s' as t").fetchone()["t"]

    assert lose(run_id) == ("waiting", 1, "its worker went silent: tester")
    assert lose(run_id, leaving=True) == ("waiting", 1, "its worker ended before the batch did: tester")
    assert lose(run_id, up_since=just_now) == (
        "waiting", 1, "its lease ended while Postgres or beat was away: tester",
    )  # fmt: skip
    assert lose(run_id) == ("failed", 2, "set aside: its worker died 2 times, last tester")


def test_what_one_worker_said_is_not_held_for_the_next(lose: Any, new_run: Any) -> None:
    run_id = new_run("tests.counting")

    assert lose(run_id, leaving=True)[1] == 0
    assert lose(run_id)[1] == 1


def test_only_the_worker_that_ends_marks_its_batches(new_run: Any, kinds: Any, connection: Any) -> None:
    one, other = new_run("tests.counting"), new_run("tests.counting")
    with driver_transaction() as ledger:
        claimed.claim(ledger, one, 0, "one", LEASE)
        claimed.claim(ledger, other, 0, "other", LEASE)

    with driver_transaction() as ledger:
        renewed.leave(ledger, "one")

    marked = connection.execute("select run_id from batch where leaving").fetchall()
    assert [row["run_id"] for row in marked] == [one]


def test_beat_counts_no_death_over_a_time_when_it_was_away(drive: Any, eventually: Any) -> None:
    eventually(
        lambda: drive.one("select clock_timestamp() - pg_postmaster_start_time() > '30 s' as up")["up"],
        within=40,
    )
    drive.schedule("killed")
    drive.work()
    drive.start("killed")
    drive.redis.flushall()
    # Beat came between the lease's beginning, now, and its end, in half a minute.
    drive.scheduler._context.connected_at -= 60
    drive.work(timedelta(seconds=70))
    batch = drive.one("select state, deaths from batch")
    assert (batch["state"], batch["deaths"]) == ("sent", 0)
