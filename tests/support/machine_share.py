"""Tests of parallel processes share the machine: few that compute run at once, more that wait.

A test takes units before it begins: a quick one 2, since it computes all the time; one that starts
processes and waits for them 1; what measures short times says more with ``@pytest.mark.units(3)``.
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

#: Tests that start processes and wait for them.
WAITING = ("tests/faults/", "tests/e2e/")
#: All units of the machine.
UNITS = 3 * (os.cpu_count() or 2)
#: Between two looks whether units are free (seconds).
PAUSE = 0.01


def units_of(item: Any) -> int:
    marker = item.get_closest_marker("units")
    if marker:
        return min(int(marker.args[0]), UNITS)
    return 1 if item.nodeid.startswith(WAITING) else 2


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
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    with _units(item.config._tmp_path_factory.getbasetemp().parent / "units").held(units_of(item)):
        yield
