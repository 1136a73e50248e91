"""When is a schedule due next?  Pure: no database, no clock; ``now`` is passed in.

``every`` is a grid of elapsed seconds from its anchor, so it never drifts and clock changes do not move
it.  ``cron`` follows the wall clock of its zone.  ``calendar`` keeps only due times on an exchange's
trading days (or within its sessions).  Jitter moves the start, never the due time.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from beat import cron

MICROSECOND = timedelta(microseconds=1)
#: A calendar leaves out so many due times in a row at most before we say "never" (a long holiday).
MOST_SKIPPED = 20_000


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day of an exchange."""

    day: date
    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True)
class Sessions:
    """Trading days of one exchange, ascending, and the zone whose dates they are."""

    timezone: str
    sessions: tuple[Session, ...]

    def holds(self, due: datetime, *, within_hours: bool) -> bool:
        """Whether ``due`` is on a trading day, or within its session."""
        if within_hours:
            number = bisect_right(self.sessions, due, key=lambda one: one.opens) - 1
            return number >= 0 and due < self.sessions[number].closes
        day = due.astimezone(ZoneInfo(self.timezone)).date()
        number = bisect_right(self.sessions, day, key=lambda one: one.day) - 1
        return number >= 0 and self.sessions[number].day == day

    @property
    def until(self) -> date:
        """The last trading day known; later due times cannot be judged."""
        return self.sessions[-1].day if self.sessions else date.min


@dataclass(frozen=True, slots=True)
class Timing:
    """The columns of a schedule that say when it runs; exactly one of every, cron, at (or after)."""

    name: str
    every: timedelta | None = None
    cron: str | None = None
    at: datetime | None = None
    timezone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    jitter: timedelta | None = None
    sessions: Sessions | None = None
    within_hours: bool = False


def grid_after(anchor: datetime, every: timedelta, after: datetime) -> datetime:
    """The first ``anchor + k * every`` (k ≥ 0) strictly after ``after``."""
    if after < anchor:
        return anchor
    return anchor + ((after - anchor) // every + 1) * every


def _next_plain(timing: Timing, anchor: datetime | None, after: datetime) -> datetime | None:
    """Like ``next_due`` without regard to calendar and end."""
    if timing.starts_at is not None and after < timing.starts_at - MICROSECOND:
        after = timing.starts_at - MICROSECOND
    if timing.every is not None:
        return grid_after(anchor or timing.starts_at or after, timing.every, after)
    if timing.cron is not None:
        return cron.next_due(timing.cron, after, timing.timezone)
    if timing.at is not None:
        return timing.at if timing.at > after else None
    return None


def next_due(timing: Timing, anchor: datetime | None, after: datetime) -> datetime | None:
    """The first due time strictly after ``after``; None: never (again).

    ``anchor`` is where the grid of ``every`` begins; other timings do not use it.
    """
    due = _next_plain(timing, anchor, after)
    for _ in range(MOST_SKIPPED):
        if due is None or (timing.ends_at is not None and due >= timing.ends_at):
            return None
        sessions = timing.sessions
        if sessions is None or sessions.holds(due, within_hours=timing.within_hours):
            return due
        if due.date() > sessions.until + timedelta(days=2):
            return None
        due = _next_plain(timing, anchor, due)
    return None


def dues(
    timing: Timing, anchor: datetime | None, first: datetime, until: datetime
) -> Iterator[datetime]:
    """Due times from ``first`` (itself one) to ``until``, both inclusive."""
    due: datetime | None = first
    while due is not None and due <= until:
        yield due
        due = next_due(timing, anchor, due)


@dataclass(frozen=True, slots=True)
class Span:
    """Due times from ``first`` to ``last``, ``count`` of them, and the one after."""

    first: datetime
    last: datetime
    count: int
    following: datetime | None


def span(timing: Timing, anchor: datetime | None, first: datetime, until: datetime) -> Span:
    """All due times from ``first`` (itself one) to ``until``; arithmetic for a plain grid."""
    if timing.every is not None and timing.sessions is None and timing.ends_at is None:
        further = (until - first) // timing.every
        last = first + further * timing.every
        return Span(first, last, further + 1, last + timing.every)
    last, count = first, 0
    for due in dues(timing, anchor, first, until):
        last, count = due, count + 1
    return Span(first, last, count, next_due(timing, anchor, last))


def jittered(timing: Timing, due: datetime, following: datetime | None) -> datetime:
    """When to start what is due at ``due``: later by a share of the jitter, before the next due time.

    The share is a hash of schedule and due time: the same on every beat, and after a restart.
    """
    if not timing.jitter:
        return due
    room = timing.jitter
    if following is not None:
        room = min(room, following - due)
    seed = f"{timing.name} {due.astimezone(UTC).isoformat()}".encode()
    share = int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest()) / 2**64
    return due + room * share
