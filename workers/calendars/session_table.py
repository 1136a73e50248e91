"""Trading sessions of the exchanges of the world as a table that is shipped, in a few bytes a session.

`sessions.json` holds, for each MIC: the weekdays that usually are sessions, the dates that differ, and
the local opening and closing times; or the MIC whose sessions are the same.  `docs/write_sessions.py`
writes it from the library exchange-calendars (the extra ``calendars``), whose pandas and numpy weigh
150 MB.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from workers.calendars.zones import zone_of

FILE = Path(__file__).with_name("sessions.json")
DAY = timedelta(days=1)

#: Day, opening and closing time in the exchange's zone.
Session = tuple[date, str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """An entry of the table."""

    zone: ZoneInfo
    first: date
    last: date
    weekdays: frozenset[int]
    closed: frozenset[date]
    extra: frozenset[date]
    #: From which date on; opening and closing time.
    regular: Sequence[Session]
    special: dict[date, tuple[str, str]]

    def sessions(self, first: date, last: date) -> Iterator[tuple[date, datetime, datetime]]:
        """Day, opening and closing of each session from ``first`` to ``last``, as far as is known."""
        day = max(first, self.first)
        while day <= min(last, self.last):
            usual = day.weekday() in self.weekdays and day not in self.closed
            if usual or day in self.extra:
                opens, closes = self.special.get(day) or self._usual(day)
                yield day, self._at(day, opens), self._at(day, closes)
            day += DAY

    def _usual(self, day: date) -> tuple[str, str]:
        return next((opens, closes) for start, opens, closes in reversed(self.regular) if start <= day)

    def _at(self, day: date, clock: str) -> datetime:
        # Midnight as a closing time is that of the next day.
        local = datetime.combine(day, time(0), self.zone)
        hours, minutes = map(int, clock.split(":"))
        shifted = (local.replace(tzinfo=None) + timedelta(hours=hours, minutes=minutes)).replace(
            tzinfo=self.zone
        )
        return shifted.astimezone(UTC)


@cache
def exchanges() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text("utf-8"))
    return found


@cache
def exchange(mic: str) -> Exchange | None:
    row = exchanges().get(mic)
    if row is None:
        return None
    if "same_as" in row:
        return exchange(row["same_as"])
    return Exchange(
        zone_of(row["zone"]),
        date.fromisoformat(row["first"]),
        date.fromisoformat(row["last"]),
        frozenset(row["weekdays"]),
        frozenset(map(date.fromisoformat, row["closed"])),
        frozenset(map(date.fromisoformat, row["extra"])),
        [(date.fromisoformat(start), opens, closes) for start, opens, closes in row["regular"]],
        {date.fromisoformat(day): (opens, closes) for day, opens, closes in row["special"]},
    )
