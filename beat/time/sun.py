"""Due times by the sun, as in Celery's ``solar``: ``@sunset 52.52 13.40`` (pure).

Package `ephem` computes them; parsing needs no package.  A day without the event, in a polar summer or
winter, has no due time.  `ephem` is exact to a tenth of a second and its answer depends on where its
search begins, so each day is searched from one fixed instant, and seconds are rounded: every beat finds
the same due times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from beat.time.cron import MAX_LENGTH, CronError, Tally, lowered


class Event(NamedTuple):
    """What `ephem` is asked for: its method, the sun's height, and whether its centre is meant."""

    method: str
    horizon: str
    use_center: bool
    #: Mean solar hour at which a day's search begins: the event is never near it.
    begins: int


EVENTS = {
    "dawn_astronomical": Event("next_rising", "-18", True, 18),
    "dawn_nautical": Event("next_rising", "-12", True, 18),
    "dawn_civil": Event("next_rising", "-6", True, 18),
    "sunrise": Event("next_rising", "-0:34", False, 18),
    "solar_noon": Event("next_transit", "0", False, 0),
    "sunset": Event("next_setting", "-0:34", False, 6),
    "dusk_civil": Event("next_setting", "-6", True, 6),
    "dusk_nautical": Event("next_setting", "-12", True, 6),
    "dusk_astronomical": Event("next_setting", "-18", True, 6),
}
#: Days that are searched for an event: a polar night is over by then.
MAX_DAYS = 366

_NAME = re.compile(r"@([a-z_]+)")
_SPACE = r"[ \t\n\r\f\v]+"
_FORM = re.compile(
    rf"{_SPACE}(-?[0-9]{{1,2}}(?:\.[0-9]{{1,9}})?){_SPACE}(-?[0-9]{{1,3}}(?:\.[0-9]{{1,9}})?)"
)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


class NeedsEphem(ValueError):
    """Due times by the sun cannot be computed here."""

    def __init__(self) -> None:
        super().__init__("due times by the sun need the package ephem (pip install ephem)")


def ephem() -> ModuleType:
    try:
        import ephem as found
    except ImportError:
        raise NeedsEphem from None
    return found


def text_of(event: str, latitude: float, longitude: float) -> str:
    """The cron text of an event, e.g. ``@sunset 52.52 13.4``."""
    degrees = (f"{float(one):.9f}".rstrip("0").rstrip(".") for one in (latitude, longitude))
    return " ".join((f"@{event}", *degrees))


@lru_cache(maxsize=1000)
def parse(text: str) -> Sun | None:
    """The due times of a cron text that names an event of the sun; CronError when it is wrong."""
    said = lowered(text)
    name = _NAME.match(said)
    if name is None or name[1] not in EVENTS or len(text) > MAX_LENGTH:
        return None
    form = _FORM.fullmatch(said[name.end() :])
    if form is None or abs(float(form[1])) > 90 or abs(float(form[2])) > 180:
        raise CronError(
            f'cron "{said}": {name[0]} needs a latitude and a longitude, and nothing else',
            f"Degrees north and east, from -90 to 90 and -180 to 180, e.g. '{name[0]} 52.52 13.4'.",
        )
    return Sun(name[1], form[1], form[2])


class Sun:
    """An event of the sun at a place; its due times have the methods of `Cron`."""

    def __init__(self, name: str, latitude: str, longitude: str) -> None:
        self._name, self._place = name, (latitude, longitude)
        east = timedelta(hours=float(longitude) / 15)
        self._begin = _EPOCH - east + timedelta(hours=EVENTS[name].begins)

    def _dues(self, after: datetime) -> Iterator[datetime]:
        """Due times after an instant; ends after a year without one."""
        day = (after - self._begin) // _DAY
        empty = 0
        while empty < MAX_DAYS:
            due = _event(self._name, *self._place, self._begin + day * _DAY)
            empty = 0 if due else empty + 1
            if due and due > after:
                yield due
            day += 1

    def next_due(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first due time strictly after ``after``."""
        return next(self._dues(after), None)

    def tally(self, first: datetime, until: datetime, zone: ZoneInfo) -> Tally:
        """Number of due times in [first, until], and the last."""
        count, last = 0, None
        for due in self._dues(first - timedelta(microseconds=1)):
            if due > until:
                break
            count, last = count + 1, due
        return Tally(count, last)


@lru_cache(maxsize=10_000)
def _event(name: str, latitude: str, longitude: str, begin: datetime) -> datetime | None:
    """The event within the day from ``begin``; None when the sun does not come to that height."""
    library, event = ephem(), EVENTS[name]
    place: Any = library.Observer()
    place.lat, place.lon, place.elev, place.pressure = latitude, longitude, 0, 0
    place.horizon, place.date = event.horizon, begin.replace(tzinfo=None)
    how = {} if event.method == "next_transit" else {"use_center": event.use_center}
    try:
        found = getattr(place, event.method)(library.Sun(), **how).datetime().replace(tzinfo=UTC)
    except library.CircumpolarError:
        return None
    due: datetime = (found + timedelta(milliseconds=500)).replace(microsecond=0)
    return due if due < begin + _DAY else None
