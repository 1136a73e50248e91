"""When a scan that begins at a low-water mark looks through all again.

What was committed late, or became ready in the past, lies below the mark and is found then.
"""

import time
from datetime import timedelta

#: All is looked through from the beginning so often (seconds).
LOOK_THROUGH = 5.0
#: And no more often than that it costs a part in so many of the process's time, but at least so often
#: (seconds): a standstill of Postgres counts as cost.
PART, MAX_PAUSE = 50, 60.0
#: What is ready now may be committed so much later, and longer where looks take long: the transaction
#: that makes it ready has several statements, each as slow as a look.
LATE, STATEMENTS = timedelta(seconds=1), 10
#: For so long after a slow look others are taken to be slow too (seconds).
SLOW_FOR = 10.0


class LookThrough:
    def __init__(self) -> None:
        self._at = self._began = 0.0
        self._is_full = False
        #: How long the last look through all took.
        self._full: float | None = None
        #: The slowest look of late (seconds), and until when it counts.
        self._slowest = self._slow_until = 0.0

    def begins(self) -> bool:
        """Whether the look that begins now is one through all."""
        now = self._began = time.monotonic()
        if now > self._at:
            self._at, self._is_full = now + LOOK_THROUGH, True
            return True
        return False

    def ends(self) -> None:
        """A look has ended, of whichever sort."""
        now = time.monotonic()
        took = now - self._began
        if self._is_full:
            pause = max(LOOK_THROUGH, PART * took)
            self._at, self._is_full = now + min(pause, MAX_PAUSE), False
            # What one through all always takes is no standstill.
            took, self._full = took - (took if self._full is None else self._full), took
        if took >= self._slowest or now > self._slow_until:
            self._slowest, self._slow_until = max(took, 0.0), now + SLOW_FOR

    @property
    def late(self) -> timedelta:
        """How much later than it is ready something may be committed."""
        return LATE + STATEMENTS * timedelta(seconds=self._slowest)
