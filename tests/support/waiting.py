"""Waiting for a condition, bounded, without sleeping blindly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest


def wait_for(condition: Callable[[], object], within: float = 10.0, every: float = 0.02) -> object:
    """Return the first true value of ``condition()``; fail when none came in time."""
    pause = threading.Event()
    until = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not true within {within} s: {condition}")
        pause.wait(every)


@pytest.fixture
def eventually() -> Callable[..., object]:
    """``eventually(lambda: …, within=5)``."""
    return wait_for
