"""Trading sessions of the exchanges of the world as a table that is shipped, in a few bytes a session.

`sessions.json` holds, for each MIC: the weekdays that usually are sessions, the dates that differ, and
the local opening and closing times; or the MIC whose sessions are the same.  It is written anew by
``python -m workers.calendars.session_table`` from the library exchange-calendars (the extra
``calendars``), whose pandas and numpy weigh 150 MB.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

FILE = Path(__file__).with_name("sessions.json")
FIRST_YEAR = 1990
#: The table ends with the third year after the one in which it was written.
YEARS_AHEAD = 3
#: Other times than before for fewer sessions in a row are exceptions of these days.
REGULAR = 15
DAY = timedelta(days=1)

#: Day, opening and closing time in the exchange's zone.
Session = tuple[date, str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """An entry of the table, see ``encode``."""

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
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text())
    return found


@cache
def exchange(mic: str) -> Exchange | None:
    row = exchanges().get(mic)
    if row is None:
        return None
    if "same_as" in row:
        return exchange(row["same_as"])
    return Exchange(
        ZoneInfo(row["zone"]),
        date.fromisoformat(row["first"]),
        date.fromisoformat(row["last"]),
        frozenset(row["weekdays"]),
        frozenset(map(date.fromisoformat, row["closed"])),
        frozenset(map(date.fromisoformat, row["extra"])),
        [(date.fromisoformat(start), opens, closes) for start, opens, closes in row["regular"]],
        {date.fromisoformat(day): (opens, closes) for day, opens, closes in row["special"]},
    )


def encode(zone: str, first: date, last: date, sessions: Sequence[Session]) -> dict[str, Any]:
    days = {day for day, _, _ in sessions}
    counts = Counter(day.weekday() for day in days)
    weekdays = {weekday for weekday, number in counts.items() if number > len(days) / 10}
    all_days = [first + number * DAY for number in range((last - first).days + 1)]
    regular: list[Session] = []
    special: list[tuple[str, str, str]] = []
    for (opens, closes), group in groupby(sessions, key=lambda one: one[1:]):
        run = [day for day, _, _ in group]
        if not regular or (len(run) >= REGULAR and regular[-1][1:] != (opens, closes)):
            regular.append((run[0] if regular else first, opens, closes))
        elif regular[-1][1:] != (opens, closes):
            special += [(day.isoformat(), opens, closes) for day in run]
    return {
        "zone": zone,
        "first": first.isoformat(),
        "last": last.isoformat(),
        "weekdays": sorted(weekdays),
        "regular": [(start.isoformat(), opens, closes) for start, opens, closes in regular],
        "special": special,
        "closed": [
            day.isoformat() for day in all_days if day.weekday() in weekdays and day not in days
        ],
        "extra": [day.isoformat() for day in sorted(days) if day.weekday() not in weekdays],
    }


def main() -> None:
    """Write the table from the library: one line an exchange."""
    import exchange_calendars

    from workers.calendars import library

    last = date(datetime.now(UTC).year + YEARS_AHEAD, 12, 31)
    lines: dict[str, str] = {}
    for mic in sorted(exchange_calendars.get_calendar_names(include_aliases=False)):
        if len(mic) != 4 or not mic.startswith("X"):
            continue
        try:
            zone, sessions = library.local_sessions(mic, date(FIRST_YEAR, 1, 1), last)
        except (NotImplementedError, ValueError) as error:
            # Orthodox Easter with pandas 3; weeks that begin on Sunday (Tel Aviv).
            print(f"{mic} is left out: {type(error).__name__}: {str(error)[:80]}")
            continue
        if sessions:
            entry = encode(zone, sessions[0][0], min(last, library.known_until(mic) or last), sessions)
            lines[mic] = json.dumps(entry, separators=(",", ":"))
    for mic in exchange_calendars.get_calendar_names(include_aliases=True):
        other = exchange_calendars.resolve_alias(mic)
        if len(mic) == 4 and mic.startswith("X") and mic != other and other in lines:
            lines[mic] = json.dumps({"same_as": other})
    rows = ",\n".join(f"{json.dumps(mic)}: {line}" for mic, line in sorted(lines.items()))
    FILE.write_text("{\n" + rows + "\n}\n")


if __name__ == "__main__":
    main()
