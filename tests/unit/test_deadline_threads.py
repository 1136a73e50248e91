"""Threads that the time of a call leaves behind, and a reset between."""

from __future__ import annotations

import threading
import time
from typing import Any

from workers.upstreams import deadline


class ResettingKey:
    """A key that forgets all threads at the moment when one of them looks itself up to leave."""

    def __init__(self) -> None:
        self.asking: threading.Thread | None = None

    def __hash__(self) -> int:
        if threading.current_thread() is self.asking:
            deadline.reset()
        return 1


def test_a_thread_that_was_forgotten_while_it_ended_ends_quietly() -> None:
    key, raised = ResettingKey(), list[Any]()
    before, threading.excepthook = threading.excepthook, raised.append

    def ask() -> None:
        key.asking = threading.current_thread()

    try:
        with deadline.until(time.monotonic() + 5):
            deadline.in_time(key, ask)
        assert key.asking is not None
        key.asking.join(5)
    finally:
        threading.excepthook = before
    assert raised == []
