"""A tick costs what it finds: the statements of beat's connection are counted exactly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import psycopg
import pytest

from beat.tick import steps
from beat.tick.context import ROUND


class Counting(psycopg.Cursor[Any]):
    """A cursor that keeps what it executes."""

    made: ClassVar[list[str]] = []

    def execute(self, query: Any, *given: Any, **named: Any) -> Any:
        self.made.append(str(query))
        return super().execute(query, *given, **named)


def settle(drive: Any) -> None:
    """Nothing is left to plan, to send or to look at."""
    drive.work(rounds=3)
    for step in drive.scheduler._steps:
        # What a claim asked to stop is looked at once a second, and samples are taken once a minute.
        step.not_before = float("inf") if step.name in {"stop", "sample"} else 0.0
    drive.scheduler._context.next_reconcile = float("inf")


@pytest.fixture
def tick(drive: Any) -> Callable[..., list[str]]:
    """``tick(after)`` is one round of beat's steps; returns its statements."""

    def one(after: timedelta = timedelta(0)) -> list[str]:
        drive.scheduler._context.connection.cursor_factory = Counting
        Counting.made.clear()
        drive.scheduler.work(drive.now() + after)
        return [*Counting.made]

    return one


def test_an_idle_tick_is_one_statement(drive: Any, tick: Callable[..., list[str]]) -> None:
    drive.schedule("later", every=timedelta(hours=1))
    settle(drive)
    drive.sql.execute("update batch set state = 'running', send_at = null")

    assert len(tick()) == 1
    assert 0 < steps.pause(drive.scheduler._context) <= ROUND


def test_a_due_time_costs_its_claim_alone(drive: Any, tick: Callable[..., list[str]]) -> None:
    drive.schedule("due", every=timedelta(hours=1), overlap="allow_all")
    settle(drive)
    drive.sql.execute("update batch set state = 'running', send_at = null")

    one = tick(timedelta(minutes=61))
    drive.sql.execute("update batch set state = 'running', send_at = null")
    # The question, the lock, the row, the run with its announced batch, the next due time.
    assert len(one) == 5, one


def test_ten_due_times_cost_the_statements_of_one(drive: Any, tick: Callable[..., list[str]]) -> None:
    for number in range(10):
        drive.schedule(f"due-{number}", every=timedelta(hours=1), overlap="allow_all")
    settle(drive)
    drive.sql.execute("update batch set state = 'running', send_at = null")

    assert len(tick(timedelta(minutes=61))) == 5
