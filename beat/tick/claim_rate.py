"""How many due times beat claims a second; many are gathered, so that one tick claims several."""

from __future__ import annotations

from collections import deque

from workers.settings import settings

#: More due times a second than this are gathered.
MIN_RATE = 50
#: The rate is that of the last so many seconds.
SPAN = 1.0


class ClaimRate:
    """Counts claims by the monotonic clock and says how long the next claim waits."""

    def __init__(self, gather_seconds: float | None = None) -> None:
        self._gather = settings().gather_seconds if gather_seconds is None else gather_seconds
        self._claims: deque[tuple[float, int]] = deque()
        self._total = 0

    def add(self, claimed: int, now: float) -> None:
        self._claims.append((now, claimed))
        self._total += claimed
        self._forget(now)

    def wait(self, now: float) -> float:
        """Seconds until the next claim is worth its transaction; 0 while few come due."""
        self._forget(now)
        if self._total <= MIN_RATE * SPAN or not self._claims:
            return 0.0
        return max(0.0, self._claims[-1][0] + self._gather - now)

    def _forget(self, now: float) -> None:
        while self._claims and self._claims[0][0] < now - SPAN:
            self._total -= self._claims.popleft()[1]
