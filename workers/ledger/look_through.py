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
#: What is ready now may be committed so much later.
LATE = timedelta(seconds=1)


class LookThrough:
    def __init__(self) -> None:
        self._at = 0.0
        self._since: float | None = None

    def begins(self) -> bool:
        """Whether the look that begins now is one through all."""
        now = time.monotonic()
        if now <= self._at:
            return False
        self._at, self._since = now + LOOK_THROUGH, now
        return True

    def ends(self) -> None:
        """A look has ended, of whichever sort."""
        if self._since is not None:
            now = time.monotonic()
            pause = max(LOOK_THROUGH, PART * (now - self._since))
            self._at, self._since = now + min(pause, MAX_PAUSE), None
