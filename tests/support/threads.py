"""Many threads at once, as the slots of a pool process are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


def at_once(number: int, do: Callable[[int], T], after: Callable[[], object] = int) -> list[T]:
    """What ``do`` returns in each of so many threads, which begin together.

    ``after`` is called here when the first of them has ended.
    """
    together = threading.Barrier(number)

    def begin(nth: int) -> T:
        together.wait(30)
        return do(nth)

    with ThreadPoolExecutor(number) as threads:
        futures = [threads.submit(begin, nth) for nth in range(number)]
        wait(futures, return_when=FIRST_COMPLETED)
        after()
        return [future.result() for future in futures]
