"""`celery schedule watch` on a terminal: a bar for each run, with what failed and what it waits for."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
#: What moves the cursor and colours text.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A program on a terminal of its own, and all that it drew there so far."""

    def __init__(self, command: list[str]) -> None:
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "40"},
        )  # fmt: skip
        os.close(theirs)
        self._drawn = b""
        self._ours = ours
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # Linux says so when nobody has the other end any more.
        try:
            while piece := os.read(self._ours, 65536):
                self._drawn += piece
        except OSError:
            return

    def text(self) -> str:
        return CONTROL.sub("", self._drawn.decode("utf-8", "replace"))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        os.close(self._ours)


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
