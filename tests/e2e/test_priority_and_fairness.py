"""Priority and fairness behind one upstream, with real permits, beats and workers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.runs import KINDS


@pytest.fixture
def calls(imitation: Any, connection: Any, celery_process: Any, kinds: Any, eventually: Any) -> Any:
    """The upstream "generic", 6 calls a second; returns how to read whose calls went in which order."""
    server = imitation("generic", "--limit", "6/1", "--latency", "lognormal:10,1,200")
    connection.execute("insert into upstream (name, base_url) values ('generic', %s)", (server.url,))
    connection.execute("insert into quota (upstream, per, calls) values ('generic', '1 second', 6)")
    env = {"WATCHKEEPER_QUOTA_WAIT_SECONDS": "0.1"}
    celery_process("beat", **env)
    for _ in range(2):
        celery_process("worker", "-Q", "upkeep", "-c", "2", "-O", "fair", app=KINDS, **env)
    signs = "select count(*) as n from heartbeat where role = 'worker'"
    eventually(lambda: connection.execute(signs).fetchone()["n"] == 2, within=60)

    def read() -> list[str]:
        assert server.get("/_violations")["violations"] == 0
        return [
            row["schedule"]
            for row in connection.execute(
                "select r.schedule from permit p join run r on r.id = p.run_id"
                " where p.upstream = 'generic' order by p.granted_at"
            )
        ]

    return read


def ask(connection: Any, name: str, items: int, priority: int = 5) -> None:
    connection.execute(
        "insert into schedule (name, task, at, options, batch_size, priority)"
        " values (%s, 'tests.calling', clock_timestamp(), jsonb_build_object('items', %s::int), 2, %s)",
        (name, items, priority),
    )


def all_ended(connection: Any, number: int) -> bool:
    row = connection.execute(
        "select count(*) filter (where state = 'succeeded') = %s as ok from run", (number,)
    ).fetchone()
    return bool(row["ok"])


def test_a_late_run_of_high_priority_overtakes_what_waits(
    calls: Any, connection: Any, eventually: Any
) -> None:
    ask(connection, "patient", 60, priority=1)
    eventually(lambda: len(calls()) >= 6, within=30)

    ask(connection, "urgent", 20, priority=9)
    eventually(lambda: all_ended(connection, 2), within=60)

    order = calls()
    first = order.index("urgent")
    last = len(order) - 1 - order[::-1].index("urgent")
    # What was in hand when it came may end: one batch a process, and what one second had let go.
    assert order[first : last + 1].count("patient") <= 8
    assert order[last + 1 :].count("patient") >= 20


def test_two_runs_of_one_priority_have_equal_shares_and_the_small_one_ends_early(
    calls: Any, connection: Any, eventually: Any
) -> None:
    ask(connection, "large", 220)
    eventually(lambda: len(calls()) >= 6, within=30)

    # Not fewer: the end of the last batch, which has no other beside it, is a part of all.
    ask(connection, "small", 80)
    eventually(lambda: all_ended(connection, 1), within=90)

    order = calls()
    first = order.index("small")
    last = len(order) - 1 - order[::-1].index("small")
    between = order[first : last + 1]
    ratio = between.count("large") / between.count("small")
    assert 0.5 <= ratio <= 1.6, between
    assert order[: last + 1].count("large") <= 200
