"""Tests of parallel processes share the machine: few that compute run at once, beside many that wait.

A quick test computes all the time and takes a unit before it begins; one that starts processes and waits
for them takes none; what measures short times says how many with ``@pytest.mark.units(2)``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

#: Tests that start processes and wait for them: in these folders, and wherever the fixture is used.
WAITING = ("tests/faults/", "tests/e2e/")
STARTS = "celery_process"
#: All units of the machine: a quick test waits for Postgres now and then.
UNITS = max(3, 3 * (os.cpu_count() or 1) // 2)
#: Between two looks whether units are free (seconds).
PAUSE = 0.01


def is_waiting(item: Any) -> bool:
    return item.nodeid.startswith(WAITING) or STARTS in item.fixturenames


def units_of(item: Any) -> int:
    marker = item.get_closest_marker("units")
    if marker:
        return min(int(marker.args[0]), UNITS)
    return 0 if is_waiting(item) else 1


class Units:
    """Locked bytes of a file that the processes share; the kernel frees those of a process that ends."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextlib.contextmanager
    def held(self, number: int) -> Iterator[None]:
        """Hold so many; whoever asked first gets them first."""
        taken: list[int] = []
        try:
            # The byte after the units is the turn to take some.
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, UNITS)
            while len(taken) < number:
                free = next((one for one in range(UNITS) if one not in taken and self._lock(one)), None)
                if free is None:
                    threading.Event().wait(PAUSE)
                else:
                    taken.append(free)
            self._unlock(UNITS)
            yield
        finally:
            for one in (*taken, UNITS):
                self._unlock(one)

    def _lock(self, one: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, one)
        except OSError:
            return False
        return True

    def _unlock(self, one: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, one)


@cache
def _units(path: Path) -> Units:
    return Units(path)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: Any) -> Iterator[None]:
    """Wait for units before the time of the test begins."""
    units = units_of(item)
    if "PYTEST_XDIST_WORKER" not in os.environ or not units:
        yield
        return
    with _units(item.config._tmp_path_factory.getbasetemp().parent / "units").held(units):
        yield
