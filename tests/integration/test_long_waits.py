"""Waiting for an upstream that will not serve for long: nobody looks in vain, and runs are told."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from beat.tick import steps
from tests.support.permits import take_one
from workers.db import driver_transaction
from workers.upstreams import permits


@pytest.fixture
def upstream(connection: Any) -> Any:
    """Upstream "generic"; ``upstream(per="1 day", calls=3)`` gives it a quota that is used up now."""
    connection.execute("insert into upstream (name, base_url) values ('generic', 'http://127.0.0.1:9')")

    def use_up(**quota: Any) -> None:
        columns = {"upstream": "generic", **quota}
        names, marks = ", ".join(columns), ", ".join(f"%({name})s" for name in columns)
        connection.execute(f"insert into quota ({names}) values ({marks})", columns)
        connection.execute(
            "insert into permit (upstream, granted_at, stamp, settled) select 'generic', now(), now(), true"
            " from generate_series(1, %s)", (quota["calls"],),
        )  # fmt: skip

    return use_up


@pytest.fixture
def parked(new_run: Any, work: Any, connection: Any) -> Any:
    """``parked(items=10)``: a run whose batches of five all wait for "generic"."""

    def park(**options: Any) -> Any:
        run_id = new_run("tests.calling", **options)
        work(run_id, task="tests.calling")
        connection.execute(
            "update batch set waiting_for = 'generic', send_at = null where run_id = %s and seq > 0",
            (run_id,),
        )
        return run_id

    return park


def let_go(connection: Any, run_id: Any) -> list[int]:
    found = connection.execute(
        "select seq from batch where run_id = %s and waiting_for = 'generic' and send_at is not null"
        " order by seq", (run_id,),
    ).fetchall()  # fmt: skip
    return [row["seq"] for row in found]


def ask() -> permits.Grant:
    with driver_transaction() as connection:
        return take_one(connection, "generic", timedelta(seconds=31))


def test_runs_that_wait_are_told_that_the_day_is_spent(
    drive: Any, upstream: Any, parked: Any, work: Any, row: Any, connection: Any
) -> None:
    upstream(per="1 day", calls=3)
    one, other = parked(items=10), parked(items=15)
    assert ask().id is None

    drive.work()

    assert (let_go(connection, one), let_go(connection, other)) == ([1], [1])
    for run_id, deferred in ((one, 10), (other, 15)):
        work(run_id, 1, task="tests.calling")
        assert (row(run_id)["state"], row(run_id)["deferred"]) == ("partial", deferred)
        assert "3 calls a day" in row(run_id)["reason"]


def test_runs_that_wait_for_a_disabled_upstream_are_told(
    drive: Any, upstream: Any, parked: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = parked(items=10)
    connection.execute("update upstream set enabled = false, note = 'moved' where name = 'generic'")

    drive.work()
    work(run_id, 1, task="tests.calling")

    assert (row(run_id)["state"], row(run_id)["deferred"]) == ("partial", 10)
    assert "disabled: moved" in row(run_id)["reason"]


def test_who_waits_for_a_paced_quota_goes_on_waiting(
    drive: Any, upstream: Any, parked: Any, row: Any, connection: Any
) -> None:
    upstream(per="1 day", calls=4, paced=True)
    connection.execute("delete from permit where id > (select min(id) from permit)")
    run_id = parked(items=10)
    refused = ask()
    assert refused.wait > permits.LONG_WAIT

    drive.work(rounds=2)

    assert isinstance(permits.refusal("generic", refused), permits.QuotaWait)
    assert let_go(connection, run_id) == []
    assert row(run_id)["state"] == "running"


def test_a_full_window_is_not_looked_at_again_before_it_has_room(
    drive: Any, upstream: Any, parked: Any, connection: Any
) -> None:
    upstream(per="1 minute", calls=5)
    parked(items=10)
    connection.execute("update upstream_state set next_permit_at = now() - interval '1 s'")

    drive.work()

    state = drive.one(
        "select next_permit_at - now() as ahead from upstream_state where upstream = 'generic'"
    )
    assert state["ahead"] > timedelta(seconds=50)


def test_beat_rests_while_calls_in_flight_fill_the_upstream(
    drive: Any, upstream: Any, parked: Any, connection: Any
) -> None:
    connection.execute("update upstream set concurrency = 1 where name = 'generic'")
    parked(items=10)
    assert ask().id is not None

    began = time.monotonic()
    drive.work(rounds=2)

    # 0.2 s from a round on, less what has passed since on a busy machine; without it, 0.05 s.
    assert steps.pause(drive.scheduler._context) + time.monotonic() - began > 0.15


def test_what_waits_for_an_upstream_when_its_run_is_overdue_is_deferred_not_failed(
    drive: Any, upstream: Any, parked: Any, row: Any, connection: Any
) -> None:
    run_id = parked(items=10)
    connection.execute("update run set deadline_at = now() - interval '1 s' where id = %s", (run_id,))

    drive.work()

    ended = row(run_id)
    assert (ended["state"], ended["deferred"], ended["failed"]) == ("partial", 10, 0)
    assert "not finished within its timeout" in ended["error"]


def test_behind_a_run_with_thousands_of_batches_a_small_one_has_its_turn(
    drive: Any, upstream: Any, connection: Any
) -> None:
    for name, batches in (("large", 1500), ("small", 2)):
        run_id = uuid.uuid4()
        connection.execute(
            "insert into run (id, schedule, task, trigger, due_at, state, queue, open_batches)"
            " values (%s, %s, 'tests.noop', 'manual', now(), 'running', 'upkeep', %s)",
            (run_id, name, batches),
        )
        connection.execute(
            "insert into batch (run_id, seq, task, queue, items, total, waiting_for, send_at)"
            " select %s, n, 'tests.noop', 'upkeep', %s, 1, 'generic', null from generate_series(1, %s) n",
            (run_id, json.dumps([{"key": "i"}]), batches),
        )
    connection.execute("update upstream set concurrency = 2 where name = 'generic'")

    drive.work()

    went = drive.all(
        "select r.schedule from batch b join run r on r.id = b.run_id where b.send_at is not null"
    )
    assert sorted(one["schedule"] for one in went) == ["large", "small"]


@pytest.mark.parametrize("now", ["2025-11-02 04:30Z", "2025-11-02 05:30Z", "2025-11-02 20:00Z"])
def test_a_day_with_two_midnights_begins_with_the_first(connection: Any, now: str) -> None:
    """Havana's clocks go back from 01:00 to 00:00 on 2025-11-02."""
    found = connection.execute(
        "select window_start('1 day', 'America/Havana', %s) as begins,"
        " window_free(null, '1 day', 'America/Havana', %s) as ends", (now, now),
    ).fetchone()  # fmt: skip

    assert found["begins"] == datetime(2025, 11, 2, 4, tzinfo=UTC)
    assert found["ends"] == datetime(2025, 11, 3, 5, tzinfo=UTC)


def test_the_day_before_two_midnights_ends_with_the_first(connection: Any) -> None:
    found = connection.execute(
        "select window_free(null, '1 day', 'America/Havana', '2025-11-01 12:00Z') as ends"
    ).fetchone()

    assert found["ends"] == datetime(2025, 11, 2, 4, tzinfo=UTC)
