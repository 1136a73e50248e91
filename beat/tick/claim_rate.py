"""How many due times beat claims a second; many are gathered, so that one tick claims several.

Ends of runs that nothing follows are then gathered too, for longer: their counting is urgent to nobody.
Beats share the due
times, so each of several gathers for as many times longer, and all together tick as often as one.
"""

from collections import deque

from workers.settings import settings

#: More due times a second than this are gathered.
MIN_RATE = 50
#: The rate is that of the last so many seconds.
SPAN = 1.0
#: Ends are gathered for so many times longer than due times.
ENDS = 5


class ClaimRate:
    """Counts claims by the monotonic clock and says how long the next claim waits."""

    def __init__(self, gather_seconds: float | None = None) -> None:
        self._gather = settings().gather_seconds if gather_seconds is None else gather_seconds
        self._claims: deque[tuple[float, int]] = deque()
        self._total = 0
        #: Living beats, which all claim about as much as this one.
        self.beats = 1

    def add(self, claimed: int, now: float) -> None:
        self._claims.append((now, claimed))
        self._total += claimed
        self._forget(now)

    def wait(self, now: float) -> float:
        """Seconds until the next claim is worth its transaction; 0 while few come due."""
        return self._rest(self._claims[-1][0] + self.beats * self._gather, now) if self._claims else 0.0

    def wait_for_ends(self, concluded_at: float, now: float) -> float:
        """Seconds until the next ended runs are worth their transaction; 0 while few come due."""
        return self._rest(concluded_at + self.beats * ENDS * self._gather, now)

    def _rest(self, until: float, now: float) -> float:
        self._forget(now)
        return max(0.0, until - now) if self.beats * self._total > MIN_RATE * SPAN else 0.0

    def _forget(self, now: float) -> None:
        while self._claims and self._claims[0][0] < now - SPAN:
            self._total -= self._claims.popleft()[1]
