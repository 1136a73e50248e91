"""Who goes first behind one upstream: by priority, and in turn between runs of the same."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest


@pytest.fixture
def share(drive: Any) -> Any:
    """``share("big", batches=20, priority=5)`` writes a run whose batches wait for upstream "slow"."""
    drive.sql.execute("insert into upstream (name, base_url) values ('slow', 'http://127.0.0.1:1')")

    def make(name: str, *, batches: int, priority: int = 5, **columns: Any) -> None:
        run_id = uuid.uuid4()
        drive._insert("run", {"id": run_id, "schedule": name, "task": "tests.noop", "trigger": "manual",
                              "due_at": "now", "state": "running", "queue": "upkeep", "priority": priority,
                              "open_batches": batches, **columns})  # fmt: skip
        drive.sql.execute(
            "insert into batch (run_id, seq, task, queue, priority, items, total, waiting_for, send_at)"
            " select %s, n, 'tests.noop', 'upkeep', %s, %s, 1, 'slow', null from generate_series(1, %s) n",
            (run_id, priority, json.dumps([{"key": "i"}]), batches),
        )

    return make


@pytest.fixture
def served(drive: Any) -> Any:
    """``served(2)``: let go what may go, serve it, again and again; whose batches went, round by round."""

    def serve(concurrency: int) -> list[list[str]]:
        drive.sql.execute("update upstream set concurrency = %s where name = 'slow'", (concurrency,))
        rounds = []
        while True:
            drive.work(rounds=2)
            went = drive.all(
                "update batch b set state = 'done', send_at = null, waiting_for = null from run r"
                " where r.id = b.run_id and b.state in ('waiting', 'sent') and b.send_at is not null"
                " returning r.schedule, b.seq, b.run_id"
            )
            for row in went:
                drive.sql.execute(
                    "insert into permit (upstream, granted_at, stamp, settled, run_id)"
                    " values ('slow', clock_timestamp(), clock_timestamp(), true, %s)",
                    (row["run_id"],),
                )
            if not went:
                return rounds
            rounds.append(sorted(row["schedule"] for row in went))

    return serve


def test_ten_priorities_go_in_their_order(share: Any, served: Any) -> None:
    for priority in (3, 9, 0, 5, 1, 8, 2, 7, 4, 6):
        share(f"p{priority}", batches=2, priority=priority)

    assert served(2) == [[f"p{priority}"] * 2 for priority in range(9, -1, -1)]


def test_a_small_run_is_not_kept_waiting_by_a_large_one(share: Any, served: Any) -> None:
    share("large", batches=30)
    share("small", batches=5)

    rounds = served(2)

    assert rounds[:5] == [["large", "small"]] * 5
    assert sum(len(one) for one in rounds) == 35


def test_runs_take_turns_also_when_one_batch_goes_at_a_time(share: Any, served: Any) -> None:
    share("large", batches=30)
    share("small", batches=5)
    share("tiny", batches=2)

    order = [name for one in served(1) for name in one]

    assert order[:6] == ["large", "small", "tiny"] * 2
    assert order[6:12] == ["large", "small"] * 3
    assert len(order) == 37


def test_three_runs_share_evenly(share: Any, served: Any) -> None:
    for name in ("a", "b", "c"):
        share(name, batches=6)

    assert served(3) == [["a", "b", "c"]] * 6


def test_a_run_takes_no_more_places_than_it_may_have_in_flight(share: Any, served: Any) -> None:
    share("modest", batches=6, max_in_flight=1)
    share("large", batches=6)

    rounds = served(4)

    assert rounds[0] == ["large", "large", "large", "modest"]
    assert max(one.count("modest") for one in rounds) == 1
