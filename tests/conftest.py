"""Fixtures that every folder of tests needs; each folder's conftest.py has those of its own."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Modules and tests stay until the end: to look for garbage among them takes a quarter of the collection.
gc.disable()

# Arithmetic is tested here, not the speed of a machine that does other work as well.
settings.register_profile("watchkeeper", deadline=None)
settings.load_profile("watchkeeper")

# Helpers assert too: their failures show values.
pytest.register_assert_rewrite("tests.support")
# The processes that tests start would each compile a thousand modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A background job of a script ignores Ctrl-C, and what it starts inherits that, also programs whose
# Ctrl-C is tested; beside a handler of ours they start with the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = (
    "tests.support.machine_share",
    "tests.support.waiting",
    "tests.support.postgres",
    "tests.support.valkey",
    "tests.support.processes",
    "tests.support.runs",
)

#: What a test may take that says nothing else (pyproject.toml), in seconds.
TIMEOUT = 180.0


@contextlib.contextmanager
def compiled_once() -> Iterator[None]:
    """In a new checkout one process of a run compiles the tests and what they import; the others wait, and read it."""
    folder = Path(__file__).parent / "__pycache__"
    done = folder / f"compiled-{sys.implementation.cache_tag}"
    # The process that deals the tests collects none.
    if "PYTEST_XDIST_WORKER" not in os.environ or sys.dont_write_bytecode or done.exists():
        yield
        return
    folder.mkdir(exist_ok=True)
    with done.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            yield
            done.touch()
            return
    yield


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    try:
        with compiled_once():
            return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    if forked := sys.modules.get("tests.support.forked"):
        forked.forget()


def time_limit(item: Any) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else TIMEOUT


def groups(items: list[Any]) -> list[list[Any]]:
    """Tests of a module that share a fixture stay together: each worker would make its own.

    What may take long comes first.
    """
    made: dict[Any, list[Any]] = {}
    for item in items:
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        shared = any(one.scope == "module" for defined in fixtures for one in defined)
        made.setdefault(item.path if shared else item.nodeid, []).append(item)
    return sorted(made.values(), key=lambda one: (time_limit(one[0]), len(one)), reverse=True)


def mixed(*kinds: list[list[Any]]) -> list[list[Any]]:
    """Groups of each kind spread over the whole, in the order that they have."""
    placed = [((nth + 0.5) / len(kind), group) for kind in kinds for nth, group in enumerate(kind)]
    return [group for _, group in sorted(placed, key=lambda one: one[0])]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Give each worker an equal part; xdist deals them in this order.

    Those that wait come first, spread over all workers but one, which computes meanwhile; small ones fill
    what is left at the end.  Whole systems compute much as they start: they are spread over that time.
    """
    from tests.support.machine_share import is_waiting

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    parts: list[list[Any]] = [[] for _ in range(workers)]
    waiting = parts[:-1] or parts
    waits = groups([item for item in items if is_waiting(item)])
    systems = [group for group in waits if group[0].nodeid.startswith("tests/e2e/")]
    others = [group for group in waits if not group[0].nodeid.startswith("tests/e2e/")]
    for nth, part in enumerate(waiting):
        for group in mixed(systems[nth :: len(waiting)], others[nth :: len(waiting)]):
            part.extend(group)
    for group in groups([item for item in items if not is_waiting(item)]):
        min(parts, key=len).extend(group)
    items[:] = [item for part in parts for item in part]
