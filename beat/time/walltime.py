"""Stretches of time between clock changes of a zone (pure).

``zoneinfo`` converts instants but does not say when a clock changes; due times need that to skip the
skipped hour and to see the repeated hour twice.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

#: Local and universal time differ by less than this (zones keep from -12 to +15:13 hours).
_MAX_OFFSET = timedelta(hours=16)
#: A date this far from a clock change is an ordinary one (no clock ever changed by more than a day).
_NEAR = timedelta(hours=26)
_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Instants [start, end) during which a zone keeps one offset."""

    start: datetime
    end: datetime
    offset: timedelta


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The instant in (low, high] at which the offset of ``low`` ends."""
    before = _offset(low, zone)
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=4096)
def stretches(day: date, zone: ZoneInfo) -> tuple[Stretch, ...]:
    """Stretches, in order of time, that hold every instant whose local date is ``day``."""
    midnight = datetime.combine(day, time(), UTC)
    start, last = midnight - _MAX_OFFSET, midnight + timedelta(days=1) + _MAX_OFFSET
    found: list[Stretch] = []
    hour = start
    while hour < last:
        offset = _offset(start, zone)
        if _offset(hour + _HOUR, zone) != offset:
            end = _change(hour, hour + _HOUR, zone)
            found.append(Stretch(start, end, offset))
            start = end
        hour += _HOUR
    return (*found, Stretch(start, last, _offset(start, zone)))


def is_ordinary(instant: datetime, zone: ZoneInfo) -> bool:
    """Whether no clock changes from a day before ``instant`` (UTC) to two days after it."""
    if zone.key == "UTC":
        return True
    before = (instant - _NEAR).astimezone(zone).utcoffset()
    return before == (instant + 2 * _NEAR).astimezone(zone).utcoffset()


def begins(day: date, zone: ZoneInfo) -> datetime:
    """The first instant (UTC) of a local date, also when its midnight is skipped or repeated."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
