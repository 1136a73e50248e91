"""Counts calls as a strict upstream does: every sliding window, refused calls too (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Window:
    """At most ``calls`` arrivals in any half-open window of ``seconds``."""

    calls: int
    seconds: float
    _arrivals: deque[float] = field(default_factory=deque)

    def arrive(self, now: float) -> float | None:
        """Count an arrival at ``now``; None when it is allowed, else seconds until one would be."""
        while self._arrivals and self._arrivals[0] <= now - self.seconds:
            self._arrivals.popleft()
        self._arrivals.append(now)
        if len(self._arrivals) <= self.calls:
            return None
        return self._arrivals[-self.calls] + self.seconds - now


@dataclass(frozen=True, slots=True)
class Worst:
    """The fullest window found in a log of arrivals."""

    calls: int
    seconds: float
    most: int
    violations: int


def worst(arrivals: Sequence[float], calls: int, seconds: float) -> Worst:
    """The most arrivals in any half-open window, and how many windows held too many."""
    ordered = sorted(arrivals)
    most = violations = 0
    for number, end in enumerate(ordered):
        begin = bisect_right(ordered, end - seconds)
        held = number - begin + 1
        most = max(most, held)
        violations += held > calls
    return Worst(calls, seconds, most, violations)
