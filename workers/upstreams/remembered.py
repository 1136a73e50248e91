"""What a statement reads of a small table, believed for a moment: one thread reads for all that ask."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    def __init__(self, read: Callable[[], T], max_age: float) -> None:
        self._read, self._max_age = read, max_age
        self.forget()

    def forget(self) -> None:
        """After a fork; between tests."""
        #: When it was read, and what.  Replaced as a whole: threads read it without a lock.
        self._known: tuple[float, T] | None = None
        self._reading = threading.Lock()

    def get(self) -> T:
        asked, known = time.monotonic(), self._known
        if known is not None and asked - known[0] <= self._max_age:
            return known[1]
        with self._reading:
            known = self._known
            if known is None or asked - known[0] > self._max_age:
                known = self._known = (time.monotonic(), self._read())
            return known[1]
