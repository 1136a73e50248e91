"""Messages of their own, for queues that a worker of an older release serves: each reaches a worker."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from beat.tick import outbox

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def old_worker(drive: Any) -> None:
    drive.old_worker("upkeep")


def test_what_was_committed_but_not_marked_is_sent_by_any_beat(
    drive: Any, new_beat: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.schedule("lost")
    with monkeypatch.context() as patch:
        # The first beat dies between its commit and its push.
        patch.setattr("beat.tick.outbox.Outbox.publish", _die)
        drive.work()
    assert drive.queued() == []
    assert drive.one("select state from batch")["state"] == "waiting"
    drive.sql.execute("update batch set send_at = clock_timestamp() + interval '5 seconds'")
    new_beat().work()
    assert drive.queued() == []
    new_beat().work(drive.now() + 6 * SECOND)
    assert drive.queued_ids() == [drive.runs("lost")[0]["id"]]


def _die(*_: Any) -> None:
    raise ConnectionError("gone")


def test_a_sent_message_that_still_lies_in_its_queue_is_not_sent_again(drive: Any) -> None:
    drive.schedule("queued")
    drive.work()
    for _ in range(3):
        drive.sql.execute("update batch set send_at = clock_timestamp()")
        drive.work()
    assert len(drive.queued()) == 1
    batch = drive.one("select sends, send_at - clock_timestamp() as rest from batch")
    assert batch["sends"] == 4
    # Looked for later and later: 10 s, 20 s, 40 s, 80 s.
    assert 70 * SECOND < batch["rest"] < 81 * SECOND


def test_messages_that_redis_has_lost_are_sent_again(drive: Any) -> None:
    for number in range(200):
        drive.schedule(f"s-{number}")
    drive.work()
    before = set(drive.queued_ids())
    # However often they were looked for in vain, as after hours in a queue.
    drive.sql.execute("update batch set sends = 9, send_at = clock_timestamp() + interval '600 s'")
    drive.redis.flushall()
    drive.work()
    assert set(drive.queued_ids()) == before
    assert len(drive.queued_ids()) == 200
    drive.work()
    assert len(drive.queued_ids()) == 200


def test_a_new_beat_finds_that_redis_is_empty(drive: Any, new_beat: Callable[[], Any]) -> None:
    drive.schedule("early")
    drive.work()
    before = "update batch set sends = 9, send_at = clock_timestamp() + interval '600 s'"
    drive.sql.execute(before)
    new_beat().work()
    assert drive.one("select sends from batch")["sends"] == 9
    drive.redis.flushall()
    new_beat().work()
    assert len(drive.queued()) == 1


def test_a_message_that_goes_missing_by_itself_again_and_again_is_looked_for_every_minute(
    drive: Any,
) -> None:
    drive.schedule("unlucky")
    drive.work()
    drive.sql.execute("update batch set sends = 9, send_at = clock_timestamp()")
    drive.redis.delete(*drive.redis.keys("upkeep*"))

    drive.work()

    assert len(drive.queued()) == 1
    rest = drive.one("select send_at - clock_timestamp() as rest from batch")["rest"]
    assert 50 * SECOND < rest < 61 * SECOND


def test_of_a_very_long_queue_only_what_is_surely_gone_is_sent_again(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beat.tick.outbox.MAX_SCANNED", 10)
    for number in range(30):
        drive.schedule(f"s-{number}")
    drive.work()
    drive.work(11 * SECOND)
    assert len(drive.queued()) == 30


def test_a_batch_handed_back_is_sent_under_an_id_of_its_own(drive: Any) -> None:
    drive.schedule("again")
    drive.work()
    (run,) = drive.runs("again")
    drive.start("again")
    drive.redis.flushall()
    drive.sql.execute(
        "update batch set state = 'waiting', lease_until = null, send_at = clock_timestamp()"
    )
    drive.work()
    (message,) = drive.queued()
    assert message["headers"]["id"] == str(uuid.uuid5(run["id"], "0:1"))
    assert message["headers"]["root_id"] == str(run["id"])


def test_marking_what_was_sent_waits_for_nobody_who_holds_a_batch(
    drive: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit holds the runs of many and comes for their batches in any order: waiting could be for ever."""
    publish = outbox.Outbox.publish
    for name in ("free", "held"):
        drive.schedule(name)
    states = "select schedule, batch.sends from batch join run on run.id = run_id order by 1"
    with database.connect() as other, other.transaction():

        def push(self: Any, messages: Any) -> None:
            publish(self, messages)
            other.execute(
                "select from batch where run_id in (select id from run where schedule = 'held') for update"
            )

        with monkeypatch.context() as patch:
            patch.setattr(outbox.Outbox, "publish", push)
            drive.work()
        found = [(row["schedule"], row["sends"]) for row in drive.all(states)]
    assert found == [("free", 1), ("held", 0)]
    drive.work(11 * SECOND)
    assert all(row["sends"] for row in drive.all(states))


def test_nine_goes_first(drive: Any) -> None:
    for priority in (0, 5, 9, 3, 1, 8, 2, 7, 4, 6):
        drive.schedule(f"p{priority}", priority=priority)
    drive.work()
    names = [message["headers"]["periodic_task_name"] for message in drive.queued()]
    assert names == [f"p{priority}" for priority in range(9, -1, -1)]


def test_the_prefix_of_all_keys_is_honoured(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.app import app

    options = {**app.conf.broker_transport_options, "global_keyprefix": "wk:"}
    monkeypatch.setitem(app.conf, "broker_transport_options", options)
    drive.scheduler.setup_schedule()
    drive.schedule("prefixed")
    drive.work()
    keys = drive.redis.keys("*")
    proofs = [key for key in keys if key.startswith(b"wk:watchkeeper.written")]
    assert set(keys) - set(proofs) == {b"wk:upkeep\x06\x164"}
    assert len(proofs) == 2


def test_the_separator_of_priorities_is_that_of_celerys_guide(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.app import app

    options = {**app.conf.broker_transport_options, "sep": ":"}
    monkeypatch.setitem(app.conf, "broker_transport_options", options)
    drive.scheduler.setup_schedule()
    drive.schedule("separated")
    drive.work()

    assert b"upkeep:4" in drive.redis.keys("*")


def test_while_the_broker_is_away_all_else_goes_on(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("beat.tick.outbox.Outbox.publish", _die)
        patch.setattr("beat.tick.outbox.Outbox.ping", _die)
        drive.schedule("due", every="5 seconds", catch_up="all", overlap="allow_all")
        for seconds in range(0, 60, 5):
            drive.work(seconds * SECOND)
        drive.edit("due", note="planned all the same")
        drive.work(56 * SECOND)
    state = drive.state("due")
    assert state["planned_revision"] == drive.one("select revision from schedule")["revision"]
    assert drive.queued() == []
    runs = len(drive.runs("due"))
    assert runs == 12
    drive.scheduler._broker.answered()
    drive.work(56 * SECOND)
    assert len(drive.queued_ids()) == len(set(drive.queued_ids())) == runs


def test_batches_wait_for_their_upstream_and_are_let_go_as_it_can_serve(drive: Any) -> None:
    drive.sql.execute(
        "insert into upstream (name, base_url, concurrency) values ('slow', 'http://localhost:1', 3)"
    )
    drive.sql.execute("insert into upstream_state (upstream) values ('slow') on conflict do nothing")
    for number in range(10):
        drive.schedule(f"s-{number}")
    drive.work()
    drive.redis.flushall()
    drive.sql.execute(
        "update batch set state = 'waiting', send_at = null, waiting_for = 'slow', fence = 1"
    )
    drive.work(rounds=5)
    assert len(drive.queued()) == 3
    # A worker takes one of them, ends it, and one more is let go.
    drive.sql.execute(
        "update batch set state = 'done', waiting_for = null, send_at = null"
        " where (run_id, seq) in (select run_id, seq from batch where state = 'sent' limit 1)"
    )
    drive.work(rounds=5)
    assert len(drive.queued()) == 4


def test_runs_that_share_an_upstream_take_turns(drive: Any) -> None:
    drive.sql.execute(
        "insert into upstream (name, base_url, concurrency) values ('slow', 'http://localhost:1', 4)"
    )
    drive.sql.execute("insert into upstream_state (upstream) values ('slow') on conflict do nothing")
    drive.schedule("big")
    drive.schedule("small")
    drive.work()
    drive.sql.execute(
        "insert into batch (run_id, seq, task, queue)"
        " select run.id, n, task, queue from run, generate_series(1, 20) n where schedule = 'big'"
    )
    drive.sql.execute(
        "insert into batch (run_id, seq, task, queue)"
        " select run.id, n, task, queue from run, generate_series(1, 2) n where schedule = 'small'"
    )
    drive.redis.flushall()
    drive.sql.execute("update batch set state = 'done', send_at = null where seq = 0")
    drive.sql.execute(
        "update batch set state = 'waiting', send_at = null, waiting_for = 'slow' where seq > 0"
    )
    drive.work(rounds=2)
    names = sorted(message["headers"]["periodic_task_name"] for message in drive.queued())
    assert names == ["big", "big", "small", "small"]
