"""A session looks in the ledger once for several takes, and never misses what somebody rang for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from workers.db import driver_connect
from workers.execution import looking
from workers.execution.looking import Looking
from workers.ledger import look_through, taken


@pytest.fixture
def looks(kinds: Any, connection: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``looks(free, heard)``: what is ready then; ``looks.asked``: since when the ledger was asked."""
    made: list[Any] = []
    candidates = taken.candidates

    def counted(*how: Any, **named: Any) -> Any:
        made.append(named["low"])
        return candidates(*how, **named)

    monkeypatch.setattr(taken, "candidates", counted)
    monkeypatch.setattr(looking, "FRESH", 60.0)
    monkeypatch.setattr(looking, "_mark", taken.LowMark())
    connection.execute("update batch set state = 'sent', send_at = clock_timestamp()")

    class Looks:
        asked, session = made, Looking(list(kinds.app.tasks))

        def __call__(self, free: int, heard: int = 1) -> list[Any]:
            connection.execute(
                "update batch b set state = 'sent', send_at = clock_timestamp(), priority = r.priority"
                " from run r where r.id = b.run_id and b.state = 'waiting'"
            )
            with driver_connect() as below:
                return self.session.ready(below, ["upkeep"], free, heard)

    return Looks()


def test_what_a_look_left_is_taken_without_another(looks: Any, new_run: Any) -> None:
    for _ in range(12):
        new_run("tests.noop_kind")

    first = looks(4)
    assert looks.session.took({0, 1, 2, 3}, 4)
    second = looks(4)

    assert len(looks.asked) == 1
    assert [one.key for one in second] == [one.key for one in first[4:]]


def test_a_ring_and_a_look_that_left_too_little_ask_again(looks: Any, new_run: Any) -> None:
    for _ in range(12):
        new_run("tests.noop_kind")
    looks(2)
    looks.session.took({0, 1}, 2)
    urgent = new_run("tests.noop_kind", columns={"priority": 9})

    assert urgent in {one.run_id for one in looks(2, heard=2)}
    assert len(looks(16, heard=2)) == 13
    # The last twice: a look that found as many as it may lay before it.
    assert len(looks.asked) == 4


def test_a_look_behind_a_full_one_begins_where_that_began(
    looks: Any, new_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow the machine is.
    monkeypatch.setattr(look_through, "LOOK_THROUGH", 60.0)
    for _ in range(12):
        new_run("tests.noop_kind")
    looks(16)
    looks(1, heard=2)
    looks(16, heard=3)

    through, full, next_, behind = looks.asked
    assert through is None
    assert behind == full
    assert full is not None
    assert next_ is not None


def test_what_a_standstill_committed_late_is_found_at_once(
    looks: Any, new_run: Any, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood, clock, read = [0.0], time.monotonic, taken.candidates

    def standing(*how: Any, **named: Any) -> Any:
        stood[0] += 3.0
        return read(*how, **named)

    monkeypatch.setattr(time, "monotonic", lambda: clock() + stood[0])
    looks(4)
    with monkeypatch.context() as standstill:
        standstill.setattr(taken, "candidates", standing)
        looks(4, heard=2)
    others = {new_run("tests.noop_kind") for _ in range(2)}
    assert others == {one.run_id for one in looks(4, heard=3)}
    late = new_run("tests.noop_kind")
    connection.execute(
        "update batch set state = 'sent', send_at = clock_timestamp() - interval '4 seconds' where run_id = %s",
        (late,),
    )

    assert late in {one.run_id for one in looks(4, heard=4)}


def test_a_kind_is_seen_behind_very_many_of_another(looks: Any, new_run: Any) -> None:
    for _ in range(50):
        new_run("tests.noop_kind")
    other = new_run("tests.counting", items=1)

    assert other in {one.run_id for one in looks(4)}


def test_nothing_is_left_when_all_was_taken(looks: Any, new_run: Any) -> None:
    new_run("tests.noop_kind")
    assert len(looks(4)) == 1
    assert not looks.session.took({0}, 1)
    assert looks.session.took(set(), 0) is False


def test_older_batches_of_a_lower_priority_are_found_behind_a_full_look(
    looks: Any, new_run: Any, connection: Any
) -> None:
    low = new_run("tests.noop_kind", columns={"priority": 1})
    for _ in range(10):
        new_run("tests.noop_kind", columns={"priority": 9})
    connection.execute(
        "update batch set state = 'sent', priority = 1, send_at = clock_timestamp() - interval '1 hour'"
        " where run_id = %s",
        (low,),
    )
    assert low not in {one.run_id for one in looks(1)}
    connection.execute("update batch set state = 'done', send_at = null where priority = 9")

    assert low in {one.run_id for one in looks(1, heard=2)}


def test_runs_that_nobody_began_in_time_are_given_up_together_and_others_are_taken(
    looks: Any, new_run: Any, row: Any, connection: Any
) -> None:
    def expiring(after: str) -> Any:
        one = new_run("tests.noop_kind")
        connection.execute(
            "update run set expires_at = clock_timestamp() + %s::interval where id = %s", (after, one)
        )
        return one

    late, ready = [expiring("-1 second") for _ in range(5)], [expiring("1 hour") for _ in range(2)]
    found = looks(1)

    assert ({one.run_id for one in found}, any(one.limited for one in found)) == (set(ready), False)
    assert {row(one)["state"] for one in late} == {"expired"}
    assert all(row(one)["reason"].startswith("not started within its time: ") for one in late)
    batches = connection.execute("select * from batch where run_id = any(%s)", (late,)).fetchall()
    assert {(one["state"], one["error"]) for one in batches} == {
        ("stopped", row(one)["reason"]) for one in late
    }
    # There may be more behind them.
    assert looks.session.took({0, 1}, 2)


def test_late_runs_in_front_hide_nothing_that_could_be_worked_on(
    looks: Any, new_run: Any, row: Any, connection: Any
) -> None:
    late = [new_run("tests.noop_kind") for _ in range(60)]
    connection.execute("update run set expires_at = clock_timestamp() - interval '1 second'")
    ready = new_run("tests.noop_kind", columns={"priority": 1})

    looks(1)
    # All at once, not those alone that one look had found.
    assert {row(one)["state"] for one in late} == {"expired"}
    assert {one.run_id for one in looks(1)} == {ready}


def test_where_runs_expire_the_newest_are_taken_and_those_that_never_expire(
    looks: Any, new_run: Any, connection: Any
) -> None:
    def made(number: int, expires: str | None, age: str) -> list[Any]:
        runs = [new_run("tests.noop_kind") for _ in range(number)]
        connection.execute(
            "update run set expires_at = clock_timestamp() + %s::interval where id = any(%s)",
            (expires, runs),
        )
        connection.execute(
            "update batch set state = 'sent', send_at = clock_timestamp() - %s::interval where run_id = any(%s)",
            (age, runs),
        )
        return runs

    made(2, "-0.1 seconds", "30 seconds")
    steady = made(3, None, "29.9 seconds")
    made(60, "0.1 seconds", "29.8 seconds")
    newest = made(4, "29 seconds", "1 second")

    assert [one.run_id for one in looks(4)][:7] == [*steady, *reversed(newest)]
