"""`celery schedule watch` on a terminal: a bar for each run, with what failed and what it waits for."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.terminals import Terminal


@pytest.fixture
def terminal(database: Any, broker_url: str) -> Iterator[Callable[..., Terminal]]:
    """``terminal("schedule", "watch")`` starts that command of ours on a terminal."""
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal([sys.executable, "-m", "celery", "-A", "workers.app", *arguments]))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_a_bar_shows_items_failures_time_left_and_counts_the_seconds_of_a_wait(
    terminal: Any, half_done: Any, connection: Any, eventually: Any
) -> None:
    run_id = half_done(done=4, failed=1, total=10, wait="40 s")
    screen = terminal("schedule", "watch", str(run_id))

    eventually(lambda: re.search(r"far +━+.* 5/10 ", screen.text()), within=30)
    eventually(
        lambda: len(set(re.findall(r"1 failed, waiting (\d+) s for slow", screen.text()))) >= 2,
        within=20,
    )

    # Three items more: the bar knows a pace now, and says how long the rest takes.
    connection.execute(
        "update batch set done = 7, waiting_for = null where run_id = %s returning seq", (run_id,)
    )
    eventually(lambda: re.search(r" 8/10 .*\d:\d\d:\d\d .*\d:\d\d:\d\d", screen.text()), within=20)

    connection.execute(
        "update run set state = 'partial', finished_at = clock_timestamp(), error = 'i4: no such thing'"
        " where id = %s",
        (run_id,),
    )
    assert screen.process.wait(20) == 0
    assert "partial: i4: no such thing" in screen.text()


def test_without_an_id_all_that_runs_has_its_bar(
    terminal: Any, half_done: Any, eventually: Any
) -> None:
    for total in (10, 20):
        half_done(done=4, failed=0, total=total)
    screen = terminal("schedule", "watch")

    eventually(lambda: " 4/10 " in screen.text() and " 4/20 " in screen.text(), within=30)
