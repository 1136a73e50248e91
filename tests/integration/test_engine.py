"""A batch from claim to end, on a real ledger."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from workers.db import driver_transaction
from workers.errors import LeaseLost, QuotaSpent
from workers.ledger import claimed, rescued
from workers.ledger import ended as endings

LEASE = timedelta(seconds=30)


def claim(run_id: Any, seq: int = 0) -> claimed.BatchLease | None:
    with driver_transaction() as connection:
        return claimed.claim(connection, run_id, seq, "tester", LEASE)


def effects(connection: Any) -> list[str]:
    return [r["item"] for r in connection.execute("select item from effect order by at")]


def test_a_small_run_is_done_whole_by_its_first_batch(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting", items=3)

    work(run_id)

    ended = row(run_id)
    assert (ended["state"], ended["total"], ended["done"]) == ("succeeded", 3, 3)
    assert ended["result"] == {"counts": {"counted": 3}, "summary": "3 counted"}
    assert effects(connection) == ["i0", "i1", "i2"]


def test_a_large_run_is_planned_into_batches_and_ends_with_the_last(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting", items=12)

    work(run_id)
    batches = connection.execute(
        "select seq, state, total from batch where run_id = %s order by seq", (run_id,)
    ).fetchall()
    assert [(b["seq"], b["state"], b["total"]) for b in batches] == [
        (0, "done", 0), (1, "waiting", 5), (2, "waiting", 5), (3, "waiting", 2),
    ]  # fmt: skip
    for seq in (3, 1, 2):
        assert row(run_id)["state"] == "running"
        work(run_id, seq)

    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 12)


def test_a_second_copy_of_a_message_changes_nothing(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting", items=2)
    work(run_id)
    before = row(run_id)

    assert work(run_id) is None

    assert row(run_id) == before
    assert effects(connection) == ["i0", "i1"]


def test_one_bad_item_does_not_spoil_the_rest(new_run: Any, work: Any, row: Any) -> None:
    run_id = new_run("tests.counting", items=3, broken=["i1"])

    work(run_id)

    ended = row(run_id)
    assert (ended["state"], ended["done"], ended["failed"]) == ("partial", 2, 1)
    assert ended["error"] == "i1: ValueError: this one is broken"


def test_an_unknown_option_ends_the_run_with_a_sentence(new_run: Any, work: Any, row: Any) -> None:
    run_id = new_run("tests.counting", itms=3)

    work(run_id)

    assert row(run_id)["state"] == "failed"
    assert row(run_id)["error"].startswith(
        'tests.counting: there is no option "itms"; it takes: broken, gate, items'
    )


def test_a_failed_batch_is_tried_again_later_then_fails_without_its_secret(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = new_run("tests.crashing")

    work(run_id, task="tests.crashing")
    batch = connection.execute("select * from batch where run_id = %s", (run_id,)).fetchone()
    assert (batch["state"], batch["attempt"]) == ("waiting", 1)
    assert batch["not_before"] is not None
    assert work(run_id, task="tests.crashing") is None

    connection.execute("update batch set not_before = null")
    work(run_id, task="tests.crashing")

    ended = row(run_id)
    assert ended["state"] == "failed"
    assert "nothing works" in ended["error"]
    assert "RuntimeError" in ended["traceback"]
    assert "hunter2secret" not in ended["traceback"] + ended["error"]


def test_a_worker_that_slept_cannot_write_over_its_successor(
    new_run: Any, kinds: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting")
    sleeper = claim(run_id)
    assert sleeper is not None
    connection.execute("update batch set lease_until = clock_timestamp() - interval '1 second'")
    with driver_transaction() as ledger:
        taken = rescued.rescue(
            ledger, connection.execute("select clock_timestamp() as t").fetchone()["t"], 10
        )
    successor = claim(run_id)

    assert taken == [(run_id, 0, "waiting")]
    assert successor is not None
    assert successor.fence == sleeper.fence + 1
    with pytest.raises(LeaseLost), driver_transaction() as ledger:
        claimed.check_fence(ledger, sleeper)
    with pytest.raises(LeaseLost), driver_transaction() as ledger:
        endings.end(ledger, sleeper, "done")
    with driver_transaction() as ledger:
        claimed.check_fence(ledger, successor)


def test_a_batch_whose_worker_died_twice_is_set_aside_and_the_run_ends(
    new_run: Any, kinds: Any, connection: Any, row: Any
) -> None:
    run_id = new_run("tests.counting")
    for _ in range(2):
        assert claim(run_id) is not None
        connection.execute("update batch set lease_until = clock_timestamp() - interval '1 second'")
        with driver_transaction() as ledger:
            rescued.rescue(
                ledger, connection.execute("select clock_timestamp() as t").fetchone()["t"], 10
            )

    assert row(run_id)["state"] == "failed"
    assert row(run_id)["error"] == "set aside: its worker died 2 times, last tester"


def test_a_living_lease_is_not_rescued(new_run: Any, kinds: Any, connection: Any) -> None:
    run_id = new_run("tests.counting")
    assert claim(run_id) is not None

    with driver_transaction() as ledger:
        assert (
            rescued.rescue(
                ledger, connection.execute("select clock_timestamp() as t").fetchone()["t"], 10
            )
            == []
        )


def test_two_batches_that_end_at_the_same_instant_end_the_run(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    for _ in range(10):
        run_id = new_run("tests.counting", items=10)
        work(run_id)
        holds = [claim(run_id, 1), claim(run_id, 2)]
        barrier = threading.Barrier(2)

        def end(hold: Any, barrier: threading.Barrier = barrier) -> None:
            with driver_transaction() as ledger:
                barrier.wait(5)
                endings.end(ledger, hold, "done")

        threads = [threading.Thread(target=end, args=(hold,)) for hold in holds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        assert row(run_id)["finished_at"] is not None
        assert row(run_id)["open_batches"] == 0


def test_what_the_days_quota_leaves_is_deferred_and_comes_first_in_the_next_run(
    new_run: Any, work: Any, row: Any, kinds: Any, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    from workers.upstreams.client import UpstreamClient

    connection.execute("insert into upstream (name, base_url) values ('generic', 'http://127.0.0.1:9')")
    run_id = new_run("tests.calling", schedule="daily", items=8, columns={"batch_size": 4})
    work(run_id, task="tests.calling")

    def spent(self: UpstreamClient, *_: Any, **__: Any) -> Any:
        raise QuotaSpent("generic", datetime.now(UTC), "25 calls per 1 day")

    monkeypatch.setattr(UpstreamClient, "get", spent)
    work(run_id, 1, task="tests.calling")

    ended = row(run_id)
    assert (ended["state"], ended["deferred"], ended["done"]) == ("partial", 8, 0)
    assert ended["reason"] == "8 deferred: generic: 25 calls per 1 day"

    connection.execute(
        "update batch set items = (select jsonb_agg(i || '{\"state\": \"done\"}') from jsonb_array_elements(items) i),"
        " state = 'done' where run_id = %s and seq = 1", (run_id,)
    )  # fmt: skip
    following = new_run("tests.calling", schedule="daily", items=8, columns={"batch_size": 20})
    hold = claim(following)
    assert hold is not None
    from workers.execution import Item, Work, engine
    from workers.execution.lease import LeaseKeeper

    item_list = [Item(f"i{n}") for n in range(8)]
    task = kinds.app.tasks["tests.calling"]
    task_work = Work(
        hold,
        task.read_options({"items": 8}),
        UpstreamClient(),
        LeaseKeeper(hold, LEASE),
        engine.log,
        [],
        UpstreamClient,
    )
    accepted = engine._accept_plan(task, task_work, item_list)
    assert [item.key for item in accepted[:4]] == ["i4", "i5", "i6", "i7"]


def test_a_run_that_nobody_started_in_time_expires(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting")
    connection.execute("update run set expires_at = clock_timestamp() - interval '1 minute'")

    work(run_id)

    assert row(run_id)["state"] == "expired"
    assert "not started within its time" in row(run_id)["reason"]


def test_a_run_asked_to_stop_does_nothing_more(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting")
    connection.execute("update run set stop_requested_at = clock_timestamp()")

    work(run_id)

    assert row(run_id)["state"] == "stopped"
    assert effects(connection) == []


def test_a_running_batch_stops_after_the_item_in_hand(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting", items=5)
    connection.execute(
        "create function ask() returns trigger language plpgsql as $$ begin"
        " update run set stop_requested_at = clock_timestamp() where id = new.run_id; return null; end $$"
    )
    connection.execute(
        "create trigger ask after insert on effect for each row when (new.item = 'i1') execute function ask()"
    )

    work(run_id)

    ended = row(run_id)
    assert (ended["state"], ended["done"]) == ("stopped", 3)
    assert effects(connection) == ["i0", "i1", "i2"]


def test_a_running_batch_that_is_asked_to_stop_gets_no_more_permits(
    new_run: Any, connection: Any, kinds: Any
) -> None:
    from workers.errors import Stopped
    from workers.upstreams.client import UpstreamClient

    connection.execute("insert into upstream (name, base_url) values ('any', 'http://127.0.0.1:9')")
    run_id = new_run("tests.counting")
    connection.execute("update run set stop_requested_at = clock_timestamp()")

    with pytest.raises(Stopped):
        UpstreamClient(run_id=run_id).get("any", "/")

    assert connection.execute("select count(*) as n from permit").fetchone()["n"] == 0


def test_a_run_past_its_deadline_ends_as_failed(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting", items=12, columns={"timeout": timedelta(seconds=30)})
    work(run_id)
    connection.execute("update run set deadline_at = clock_timestamp() - interval '1 second'")

    work(run_id, 1)

    assert row(run_id)["state"] == "failed"
    assert "not finished within its timeout of 30 seconds" in row(run_id)["error"]
    assert effects(connection) == []


def test_a_lock_that_is_not_had_in_time_fails_no_item(
    new_run: Any, work: Any, row: Any, connection: Any, database: Any
) -> None:
    import psycopg

    run_id = new_run("tests.counting", items=2)
    with psycopg.connect(database.admin_url) as other:
        other.execute("lock table effect in access exclusive mode")
        work(run_id)

    batch = connection.execute("select * from batch where run_id = %s", (run_id,)).fetchone()
    assert (batch["state"], batch["attempt"], batch["failed"]) == ("waiting", 1, 0)
    assert "LockNotAvailable" in batch["error"]
    connection.execute("update batch set not_before = null")
    work(run_id)
    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 2)


def test_a_batch_that_had_its_worker_for_long_lets_others_and_goes_on(
    new_run: Any, work: Any, row: Any, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.execution import lease

    monkeypatch.setattr(lease, "TIME_SLICE", 0.05)
    run_id = new_run("tests.counting", items=4, seconds=0.1)

    turns = 0
    while row(run_id)["finished_at"] is None:
        work(run_id)
        turns += 1

    assert (row(run_id)["state"], row(run_id)["done"]) == ("succeeded", 4)
    assert turns == 4
    assert effects(connection) == ["i0", "i1", "i2", "i3"]
    batch = connection.execute("select attempt, deaths from batch").fetchone()
    assert (batch["attempt"], batch["deaths"]) == (0, 0)


def test_every_item_of_a_failed_batch_says_why(
    new_run: Any, work: Any, row: Any, connection: Any
) -> None:
    run_id = new_run("tests.counting", items=12, columns={"timeout": timedelta(seconds=30)})
    work(run_id)
    connection.execute("update run set deadline_at = clock_timestamp() - interval '1 second'")

    work(run_id, 1)

    items = connection.execute(
        "select i->>'state' as state, i->>'error' as error from batch, jsonb_array_elements(items) i"
    ).fetchall()
    assert len(items) == 12
    assert {one["state"] for one in items} == {"failed"}
    assert all("not finished within its timeout of 30 seconds" in one["error"] for one in items)
    assert row(run_id)["failed"] == 12
