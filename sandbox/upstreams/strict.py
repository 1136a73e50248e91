"""Counts calls as a strict upstream does: every sliding window, refused calls too (pure).

A window of W seconds is half-open: it holds the arrivals in (t - W, t].  So N calls at 0 s and one
more at exactly W are allowed.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Window:
    """At most ``calls`` arrivals in any half-open window of ``seconds``.

    ``group`` names the part of the upstream it holds for (None: all of it).  With ``lenient`` only
    calls that were let through count; strict vendors count refused ones too.
    """

    calls: int
    seconds: float
    group: str | None = None
    lenient: bool = False
    _arrivals: deque[float] = field(default_factory=deque)

    def holds_for(self, group: str | None) -> bool:
        """Whether a call to that part of the upstream counts here."""
        return self.group is None or self.group == group

    def wait(self, now: float) -> float | None:
        """None when one more is allowed at ``now``, else seconds until one would be."""
        while self._arrivals and self._arrivals[0] <= now - self.seconds:
            self._arrivals.popleft()
        if len(self._arrivals) < self.calls:
            return None
        if self.calls == 0:
            return self.seconds
        return self._arrivals[-self.calls] + self.seconds - now

    def count(self, now: float) -> None:
        self._arrivals.append(now)


def judge(windows: Sequence[Window], now: float) -> tuple[Window, float] | None:
    """Count an arrival in every window: None when it may in, else what it broke and how long to wait.

    A lenient window counts it only when all let it in.  The wait holds for all windows, with this
    arrival counted; the window named is, of those broken, the one that keeps it out longest.
    """
    broken = [window for window in windows if window.wait(now) is not None]
    for window in windows:
        if not (window.lenient and broken):
            window.count(now)
    if not broken:
        return None
    longest = max(broken, key=lambda window: window.wait(now) or 0.0)
    return longest, max(window.wait(now) or 0.0 for window in windows)


@dataclass(frozen=True, slots=True)
class Worst:
    """The fullest window found in a log of arrivals."""

    calls: int
    seconds: float
    most: int
    violations: int


def worst(arrivals: Sequence[float], calls: int, seconds: float) -> Worst:
    """The most arrivals in any half-open window, and how many windows held too many.

    Only windows that end at an arrival are looked at: no other holds more than the fullest of them.
    """
    ordered = sorted(arrivals)
    most = violations = begin = 0
    for number, end in enumerate(ordered):
        while ordered[begin] <= end - seconds:
            begin += 1
        held = number - begin + 1
        most = max(most, held)
        violations += held > calls
    return Worst(calls, seconds, most, violations)
