"""A process of the pool that has ended is replaced at once, also when it cannot be reaped yet."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from workers.pool.reaping import LOOKS, reap_at_once


class Hub:
    """Celery's event loop: what it is asked to do later."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def call_later(self, _: float, what: Callable[..., None], *values: Any) -> None:
        self.later.append(lambda: what(*values))

    def run(self) -> int:
        """Do all of it; returns how many calls it took."""
        calls = 0
        while self.later:
            self.later.pop(0)()
            calls += 1
        return calls


class Processes:
    """Celery's pool: a process is gone when its parent looks, but not before ``reapable`` looks."""

    def __init__(self, reapable: int) -> None:
        self._pool, self.looks, self._reapable = ["a process"], 0, reapable

    def _event_process_exit(self, _: Any, process: str) -> None:
        self.maintain_pool()

    def maintain_pool(self) -> None:
        self.looks += 1
        if self.looks >= self._reapable:
            self._pool[:] = ["its successor"]


def ended(reapable: int) -> tuple[Processes, Hub]:
    processes, hub = Processes(reapable), Hub()
    reap_at_once(SimpleNamespace(_pool=processes))
    reap_at_once(SimpleNamespace(_pool=processes))
    processes._event_process_exit(hub, "a process")
    hub.run()
    return processes, hub


def test_a_process_that_cannot_be_reaped_yet_is_looked_at_until_it_can() -> None:
    processes, _ = ended(reapable=4)
    assert processes._pool == ["its successor"]
    assert processes.looks == 4


def test_a_process_that_is_reaped_at_once_is_not_looked_at_again() -> None:
    processes, _ = ended(reapable=1)
    assert processes.looks == 1


def test_a_process_that_closes_its_pipe_and_stays_is_given_up() -> None:
    processes, _ = ended(reapable=10_000)
    assert processes.looks == LOOKS + 1


def test_other_pools_are_left_alone() -> None:
    reap_at_once(SimpleNamespace())
    reap_at_once(SimpleNamespace(_pool=SimpleNamespace()))
