"""Due times of a schedule.  Pure: no database, no clock; ``now`` is passed in.

``every`` is a grid of elapsed seconds from its anchor, so it never drifts and clock changes do not move
it.  ``cron`` follows the wall clock of its zone, or the sun.  ``calendar`` keeps only due times on an
exchange's trading days (or within its sessions).  Jitter moves the start, never the due time.
Results are in UTC; arguments may be in any zone.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from beat.time import cron, sun
from beat.time.walltime import begins
from workers.calendars.zones import zone_of

MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_NOTHING = timedelta()


@dataclass(frozen=True, slots=True)
class Session:
    day: date
    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True)
class Sessions:
    timezone: str
    sessions: tuple[Session, ...]

    def window(self, instant: datetime, *, within_hours: bool) -> tuple[datetime, datetime] | None:
        """The first trading time [from, until) that ends after ``instant``; None: none is known."""
        if within_hours:
            number = bisect_right(self.sessions, instant, key=lambda one: one.closes)
            if number == len(self.sessions):
                return None
            return self.sessions[number].opens, self.sessions[number].closes
        zone = zone_of(self.timezone)
        eve = instant.astimezone(zone).date() - _DAY
        number = bisect_right(self.sessions, eve, key=lambda one: one.day)
        while number < len(self.sessions):
            day = self.sessions[number].day
            ends = begins(day + _DAY, zone)
            if ends > instant:
                return begins(day, zone), ends
            number += 1
        return None

    @property
    def until(self) -> date:
        """The last trading day known; later due times cannot be judged."""
        return self.sessions[-1].day if self.sessions else date.min


@dataclass(frozen=True, slots=True)
class Timing:
    """The timing columns of a schedule; exactly one of every, cron, at (or after) is set."""

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


@dataclass(frozen=True, slots=True)
class Span:
    """Due times from ``first`` to ``last``, ``count`` of them, and the one after."""

    first: datetime
    last: datetime
    count: int
    following: datetime | None


def grid_after(anchor: datetime, every: timedelta, after: datetime) -> datetime:
    """The first ``anchor + k * every`` (k ≥ 0) strictly after ``after``, in exact microseconds."""
    if every <= _NOTHING:
        # Only a row that escaped the checks has this; its grid would be due for ever.
        raise ValueError(f"every must be longer than zero, not {every}")
    if anchor.tzinfo is not UTC:
        # Within one zone Python adds to the wall clock, not to elapsed time.
        anchor = anchor.astimezone(UTC)
    passed = after - anchor
    return anchor if passed < _NOTHING else anchor + (passed // every + 1) * every


def _rule(text: str) -> cron.Cron | sun.Sun:
    return sun.parse(text) or cron.parse(text)


def _next_plain(timing: Timing, anchor: datetime | None, after: datetime) -> datetime | None:
    if timing.starts_at is not None and after < timing.starts_at:
        after = timing.starts_at.astimezone(UTC) - MICROSECOND
    if timing.every is not None:
        return grid_after(anchor or timing.starts_at or after, timing.every, after)
    if timing.cron is not None:
        return _rule(timing.cron).next_due(after.astimezone(UTC), zone_of(timing.timezone))
    if timing.at is not None and timing.at > after:
        return timing.at.astimezone(UTC)
    return None


def next_due(timing: Timing, anchor: datetime | None, after: datetime) -> datetime | None:
    """The first due time strictly after ``after``; None: never (again), or beyond the sessions known.

    ``anchor`` is where the grid of ``every`` begins; other timings do not use it.
    """
    due = _next_plain(timing, anchor, after)
    if timing.sessions is not None:
        while due is not None:
            found = timing.sessions.window(due, within_hours=timing.within_hours)
            if found is None:
                return None
            if found[0] <= due:
                break
            due = _next_plain(timing, anchor, found[0].astimezone(UTC) - MICROSECOND)
    if due is None or (timing.ends_at is not None and due >= timing.ends_at):
        return None
    return due


def dues(
    timing: Timing, anchor: datetime | None, first: datetime, until: datetime
) -> Iterator[datetime]:
    """Due times from ``first`` (itself one) to ``until``, both inclusive."""
    due: datetime | None = first
    while due is not None and due <= until:
        yield due
        due = next_due(timing, anchor, due)


def _count_plain(timing: Timing, first: datetime, until: datetime) -> tuple[int, datetime]:
    if timing.every is not None:
        further = (until - first) // timing.every
        return further + 1, first + further * timing.every
    if timing.cron is not None:
        rest = _rule(timing.cron).tally(first + MICROSECOND, until, zone_of(timing.timezone))
        return 1 + rest.count, rest.last or first
    return 1, first


def span(timing: Timing, anchor: datetime | None, first: datetime, until: datetime) -> Span:
    """All due times from ``first`` (itself one) to ``until`` (≥ ``first``), without stepping.

    Arithmetic for a grid, by the day for cron, by the session with a calendar.
    """
    first, until = first.astimezone(UTC), until.astimezone(UTC)
    if timing.ends_at is not None:
        until = max(first, min(until, timing.ends_at.astimezone(UTC) - MICROSECOND))
    last, count = first, 0
    due: datetime | None = first
    while due is not None and due <= until:
        limit = until
        if timing.sessions is not None:
            found = timing.sessions.window(due, within_hours=timing.within_hours)
            # Without a window the sessions changed after ``due`` was planned: it stands alone.
            inside = found is not None and found[0] <= due
            limit = min(until, found[1].astimezone(UTC) - MICROSECOND) if found and inside else due
        more, last = _count_plain(timing, due, limit)
        count += more
        due = next_due(timing, anchor, last)
    return Span(first, last, count, due)


def jittered(timing: Timing, due: datetime, following: datetime | None) -> datetime:
    """When to start what is due at ``due``: later by a share of the jitter, before the next due time.

    The share is a hash of schedule and due time: the same on every beat, and after a restart.
    """
    if timing.jitter is None or timing.jitter <= _NOTHING:
        return due
    room = timing.jitter
    if following is not None:
        room = min(room, following - due)
    seed = f"{timing.name} {due.astimezone(UTC).isoformat()}".encode()
    share = int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest())
    return due + share * (room // MICROSECOND) // 2**64 * MICROSECOND
