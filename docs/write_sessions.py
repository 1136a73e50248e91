"""Writes workers/calendars/sessions.json from the library exchange-calendars, before a release.

python docs/write_sessions.py
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

import exchange_calendars

from workers.calendars import library
from workers.calendars.session_table import DAY, FILE, Session

FIRST_YEAR = 1990
#: The table ends with the third year after the one in which it was written.
YEARS_AHEAD = 3
#: Other times than before for fewer sessions in a row are exceptions of these days.
REGULAR = 15


def local_sessions(mic: str, first: date, last: date) -> tuple[str, list[tuple[date, str, str]]]:
    """Zone of the exchange, and its sessions with local times; none when one opens the day before."""
    zone = exchange_calendars.get_calendar(mic).tz
    found = []
    for row in library.sessions_of(mic, first, last):
        day, opens, closes = row["session_date"], row["open_at"], row["close_at"]
        if opens.astimezone(zone).date() != day:
            return str(zone), []
        found.append((day, _clock(day, opens.astimezone(zone)), _clock(day, closes.astimezone(zone))))
    return str(zone), found


def _clock(day: date, local: Any) -> str:
    return f"{local.hour + 24 * (local.date() - day).days:02}:{local.minute:02}"


def known_until(mic: str) -> date | None:
    """The last day whose holidays the library knows; None when they follow from rules."""
    latest = type(exchange_calendars.get_calendar(mic)).bound_max()
    return None if latest is None else latest.date()


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
    last = date(datetime.now(UTC).year + YEARS_AHEAD, 12, 31)
    lines: dict[str, str] = {}
    for mic in sorted(exchange_calendars.get_calendar_names(include_aliases=False)):
        if len(mic) != 4 or not mic.startswith("X"):
            continue
        try:
            zone, sessions = local_sessions(mic, date(FIRST_YEAR, 1, 1), last)
        except (NotImplementedError, ValueError) as error:
            # Orthodox Easter with pandas 3; weeks that begin on Sunday (Tel Aviv).
            print(f"{mic} is left out: {type(error).__name__}: {str(error)[:80]}")
            continue
        if sessions:
            entry = encode(zone, sessions[0][0], min(last, known_until(mic) or last), sessions)
            lines[mic] = json.dumps(entry, separators=(",", ":"))
    for mic in exchange_calendars.get_calendar_names(include_aliases=True):
        other = exchange_calendars.resolve_alias(mic)
        if len(mic) == 4 and mic.startswith("X") and mic != other and other in lines:
            lines[mic] = json.dumps({"same_as": other})
    rows = ",\n".join(f"{json.dumps(mic)}: {line}" for mic, line in sorted(lines.items()))
    FILE.write_text("{\n" + rows + "\n}\n")


if __name__ == "__main__":
    main()
