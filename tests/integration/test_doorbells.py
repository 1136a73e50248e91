"""A doorbell says that a queue has batches that are ready; the ledger says which."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from workers.app import app
from workers.ledger import taken
from workers.processes.doorbells import Doorbells

SECOND = timedelta(seconds=1)


def test_many_due_times_ring_once_a_queue(drive: Any) -> None:
    for number in range(30):
        drive.schedule(f"s-{number}", queue="upkeep" if number % 2 else "prices")
    drive.work(rounds=3)

    assert sorted(drive.doorbells()) == ["prices", "upkeep"]
    states = drive.all("select distinct state, sends from batch")
    assert [(row["state"], row["sends"]) for row in states] == [("sent", 0)]


def test_an_announced_batch_is_written_once(drive: Any) -> None:
    drive.schedule("due")
    drive.work()
    before = drive.one("select xmin::text, send_at from batch")
    drive.work(11 * SECOND, rounds=3)

    assert drive.one("select xmin::text, send_at from batch") == before


def test_a_doorbell_that_redis_lost_is_rung_again(drive: Any) -> None:
    drive.schedule("due")
    drive.work()
    drive.redis.flushall()
    drive.work()

    assert drive.doorbells() == ["upkeep"]


def test_a_doorbell_that_went_missing_by_itself_is_rung_again(drive: Any) -> None:
    drive.schedule("due")
    drive.work()
    drive.redis.delete(*drive.redis.keys("upkeep*"))
    drive.work(9 * SECOND)
    assert drive.doorbells() == []

    drive.work(11 * SECOND)
    assert drive.doorbells() == ["upkeep"]


def test_where_nobody_sees_a_queue_its_doorbells_do_not_pile_up(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.processes.doorbells.client", lambda _: None)
    # A second passes whenever the clock is read.
    seconds = itertools.count(time.monotonic())
    monkeypatch.setattr(
        "beat.scheduler.time", SimpleNamespace(monotonic=seconds.__next__, time=time.time)
    )
    drive.scheduler.setup_schedule()
    drive.schedule("unserved")
    drive.work()
    for _ in range(30):
        drive.scheduler.work(drive.now() + 11 * SECOND)

    assert 2 <= len(drive.doorbells()) <= 9


def test_a_beat_that_dies_between_its_commit_and_the_doorbell_loses_nothing(
    drive: Any, new_beat: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.work()
    drive.schedule("due")
    with monkeypatch.context() as patch:
        patch.setattr("beat.tick.outbox.send", lambda *_: None)
        drive.work()
    assert drive.doorbells() == []

    new_beat().work(drive.now() + 11 * SECOND)

    assert drive.doorbells() == ["upkeep"]


def test_while_redis_is_away_batches_wait_to_be_announced(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise redis.ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr("beat.tick.outbox.Outbox.ring", away)
        drive.schedule("due")
        drive.work()
    assert drive.one("select state from batch")["state"] == "waiting"

    drive.scheduler._broker.answered()
    drive.work()
    assert drive.one("select state from batch")["state"] == "sent"
    assert drive.doorbells() == ["upkeep"]


def test_a_more_urgent_doorbell_is_rung_beside_one_that_waits(drive: Any) -> None:
    bells = Doorbells(app, drive.redis)

    assert bells.ring({"upkeep": 5}) == 1
    assert bells.ring({"upkeep": 5}) == 0
    assert bells.ring({"upkeep": 3}) == 0
    assert bells.ring({"upkeep": 9}) == 1
    assert drive.doorbells() == ["upkeep", "upkeep"]


def test_the_urgent_and_the_oldest_are_taken_first(drive: Any) -> None:
    for priority in (0, 5, 9, 3, 1, 8, 2, 7, 4, 6):
        drive.schedule(f"p{priority}", priority=priority)
    drive.work()
    found = taken.candidates(drive.sql, ["upkeep"], ["tests.noop"], 20, 2.0)

    assert [one.priority for one in found] == list(range(9, -1, -1))


def test_a_batch_is_not_sent_as_a_message_while_only_new_workers_serve_its_queue(drive: Any) -> None:
    drive.sql.execute(
        "insert into heartbeat (name, role, seen_at, detail)"
        " values ('new@host', 'worker', '2199-01-01', '{\"queues\": [\"upkeep\"], \"slots\": 16}')"
    )
    drive.schedule("due")
    drive.work()
    assert len(drive.doorbells()) == len(drive.queued()) == 1

    drive.old_worker("upkeep")
    drive.work(11 * SECOND)
    own = [one for one in drive.queued() if one["headers"]["task"] == "tests.noop"]
    assert len(own) == 1
