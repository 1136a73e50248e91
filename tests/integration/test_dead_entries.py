"""Beside a snapshot that somebody holds open nothing is vacuumed: what is ready costs no more for that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from beat.tick import readiness, reading, schedule_states, steps
from beat.tick.readiness import Marks
from workers.ledger import finished, look_through, rescued, sent, stopped, taken
from workers.ledger.look_through import LATE, LOOK_THROUGH, MAX_PAUSE
from workers.ledger.taken import LowMark

KIND = "tests.noop"
#: Runs that end while the snapshot is open.
RUNS = 50_000
#: Pages that a ready scan may read, whatever lies dead before what it looks for; before Postgres 18, which
#: skips in an index, those of the index alone.
FLAT, IN_INDEX = 60, RUNS // 50


@pytest.fixture
def snapshot(database: Any) -> Iterator[None]:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("set transaction isolation level repeatable read")
        connection.execute("select count(*) from run")
        yield


def work_off(connection: Any, number: int) -> None:
    """So many due times, each claimed, announced, taken, ended and counted, as beat and workers do it."""
    made = (
        "with made as (insert into run (id, task, trigger, due_at, state, queue, batch_count, open_batches,"
        " timeout, expires_at) select gen_random_uuid(), %s, 'manual', clock_timestamp(), 'due', 'upkeep', 1, 1,"
        " '10 ms', clock_timestamp() + interval '10 ms'"
        " from generate_series(1, %s) returning id)"
        " insert into batch (run_id, seq, task, queue, state, send_at)"
        " select id, 0, %s, 'upkeep', 'sent', clock_timestamp() from made"
    )
    for _ in range(number // 5_000):
        connection.execute(made, (KIND, 5_000, KIND))
        connection.execute(
            "update batch set state = 'running', fence = 1, send_at = null,"
            " lease_until = clock_timestamp() + interval '10 ms' where state = 'sent'"
        )
        connection.execute(
            "update run set state = 'running', started_at = clock_timestamp(),"
            " deadline_at = clock_timestamp() + timeout where state = 'due'"
        )
        connection.execute("update batch set state = 'waiting', send_at = clock_timestamp(),"
                           " lease_until = null where state = 'running'")  # fmt: skip
        connection.execute("update batch set state = 'done', send_at = null,"
                           " finished_at = clock_timestamp() where state = 'waiting'")  # fmt: skip
        connection.execute("update run set state = 'succeeded', open_batches = 0,"
                           " finished_at = clock_timestamp() where state = 'running'")  # fmt: skip
        connection.execute(
            "update run set counted = true where not counted and finished_at is not null"
        )
        connection.execute("update schedule_state set claim_at = clock_timestamp()")


def pages(connection: Any, statement: str, what: dict[str, Any]) -> int:
    cursor = psycopg.ClientCursor(connection)
    cursor.execute(f"explain (analyze, buffers, format json) {statement}", what)
    (found,) = cursor.fetchone()["QUERY PLAN"]
    return int(found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"])


def costs(connection: Any, marks: Marks, low: Any, now: datetime) -> dict[str, int]:
    """Pages that each ready scan reads at ``now``."""
    many: dict[str, Any] = {"now": now, "limit": 1000, **sent.after()}
    lows = {**marks.low(), "resend": timedelta(seconds=10)}
    served = {"queues": ["upkeep"], "tasks": [KIND], "limit": 40, "patience": timedelta(seconds=2)}
    return {
        "a tick": pages(connection, readiness.STATEMENT, {"now": now, **lows}),
        "due": pages(connection, schedule_states.LOCK_DUE, {**many, "low": marks.claim}),
        "announce": pages(connection, sent.ANNOUNCE, {**many, "low": marks.send}),
        "ended": pages(connection, finished.UNCOUNTED, {**many, "low": marks.ended}),
        "overdue": pages(connection, stopped.OVERDUE, {**many, "low": marks.deadline}),
        "late": pages(connection, finished.LATE, {**many, "low": marks.expiry}),
        "lost": pages(connection, rescued.LOST, {**many, "low": marks.lease}),
        "take": pages(connection, taken.CANDIDATES, {**served, "low": low}),
    }


def incidents(connection: Any, low: datetime | None) -> int:
    """Pages that beat reads to see what is broken, once it has planned how."""
    return min(pages(connection, steps.FOLLOW_INCIDENTS, {"low": low}) for _ in range(2))


@pytest.mark.timeout(300)
def test_after_50_000_runs_beside_an_open_snapshot_a_tick_and_a_take_read_few_pages(
    drive: Any, snapshot: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_through, "LATE", timedelta(0))
    sql = drive.sql
    sql.execute("alter table run disable trigger user")
    drive.schedule("later", starts_at=drive.now() + timedelta(days=1))
    sql.execute(
        "insert into schedule (name, task, every, starts_at) select 'later-' || n, task, every, starts_at"
        " from schedule, generate_series(1, 200) n where name = 'later'"
    )
    drive.work()
    # Of a queue that nobody serves all that is ready is counted.
    sql.execute(
        "insert into heartbeat (name, role, seen_at, detail)"
        " select 'w@h', 'worker', clock_timestamp() + interval '1 hour', jsonb_build_object('queues', array("
        "select queue from task_kind union select queue from schedule where queue is not null))"
    )
    work_off(sql, RUNS)
    # Due times of the past, in no order.
    for _ in range(10):
        sql.execute(
            "update schedule_state set claim_at = clock_timestamp() - random() * interval '1 hour'"
        )
    sql.execute("update schedule_state set claim_at = clock_timestamp() + interval '1 day'")
    sql.execute("analyze run, batch, schedule_state")
    sql.execute(reading.FAVOUR_INDEXES)
    # What a beat and a process have seen last: one batch, which is the next to be taken.
    marks, low = Marks(), LowMark()
    sql.execute(
        "insert into run (id, task, trigger, due_at, state, queue, batch_count, open_batches)"
        " values (gen_random_uuid(), %s, 'manual', clock_timestamp(), 'due', 'upkeep', 1, 1)", (KIND,)
    )  # fmt: skip
    sql.execute(
        "insert into batch (run_id, seq, task, queue, state, send_at)"
        " select id, 0, task, queue, 'sent', clock_timestamp() + interval '1 second' from run where state = 'due'"
    )
    before = costs(sql, marks, None, drive.now())
    # The next tick is at the same instant: of what was announced before, it looks at what has come to be
    # ten seconds old meanwhile, each batch once, and a slow machine would decide how many those are.
    now = readiness.ask(sql, marks=marks).now
    low.note(taken.candidates(sql, ["upkeep"], [KIND], 40, 2.0, low=low.begin()), 40)
    found = costs(sql, marks, low.low, now)

    skips = sql.info.server_version >= 180000
    # Each of the due times of the past lies on a page of its own.
    assert incidents(sql, marks.claim) < incidents(sql, None) - 1000
    assert max(found.values()) <= (FLAT if skips else IN_INDEX), (before, found)
    # Without marks it is the dead entries that are read.
    assert before["a tick"] > 50 * FLAT
    assert before["take"] > 5 * FLAT


def test_what_is_committed_late_or_planned_for_the_past_is_found_after_a_while(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.schedule("first")
    drive.work()
    context = drive.scheduler._context
    drive.end("first")
    drive.scheduler.work()
    drive.sql.execute("update run set counted = false, finished_at = finished_at - interval '1 hour'")
    drive.sql.execute("update schedule_state set claim_at = next_run_at - interval '2 hours'")
    drive.scheduler.work()
    assert not context.ready.ended

    monkeypatch.setattr(time, "monotonic", lambda base=time.monotonic: base() + LOOK_THROUGH)
    drive.scheduler.work()
    assert context.ready.ended
    assert context.ready.by_now(context.ready.claim_at)


def test_a_process_looks_through_all_that_is_ready_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    mark = LowMark()
    assert mark.begin() is None
    now = datetime(2026, 1, 1, tzinfo=UTC)
    mark.note([taken.Candidate(None, 0, KIND, 5, None, False, False, False, now)], 40)  # type: ignore[arg-type]
    assert mark.begin() == now - LATE
    clock[0] += LOOK_THROUGH + 0.1
    assert mark.begin() is None
    # One that took long is not made again for fifty times as long.
    clock[0] += 1.0
    mark.note([], 40)
    clock[0] += 49.0
    mark.low = now
    assert mark.begin() == now
    clock[0] += 1.1
    assert mark.begin() is None
    # But however long: a standstill of Postgres is no cost.
    clock[0] += 20.0
    mark.note([], 40)
    mark.low = now
    clock[0] += MAX_PAUSE + 0.1
    assert mark.begin() is None
