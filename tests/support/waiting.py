"""Waiting for a condition, bounded, without sleeping blindly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

#: However long it takes, it is asked so often (seconds).
SELDOM = 0.25


def wait_for(condition: Callable[[], object], within: float = 10.0, every: float = 0.02) -> object:
    """Return the first true value of ``condition()``; fail when none came in time.

    It is asked after ``every`` seconds, and more seldom the longer it takes: asking costs what is waited for its time.
    """
    pause = threading.Event()
    began = time.monotonic()
    until = began + within
    while True:
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > until:
            raise AssertionError(f"not true within {within} s: {condition}")
        pause.wait(max(every, min((now - began) / 20, SELDOM)))


@pytest.fixture
def eventually() -> Callable[..., object]:
    """``eventually(lambda: …, within=5)``."""
    return wait_for
