"""Many threads at once, as the slots of a pool process are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(number: int, do: Callable[[int], T]) -> list[T]:
    """What ``do`` returns in each of so many threads, which begin together."""
    together = threading.Barrier(number)

    def begin(nth: int) -> T:
        together.wait(30)
        return do(nth)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(begin, range(number)))
