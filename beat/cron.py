"""Cron as Debian means it: judged field by field here, stepped by ``cronsim`` (pure).

Five fields, names of months and weekdays, ``@daily`` and friends, several expressions with ``;``.
Day of month OR weekday when both are restricted.  A job with fixed minute and hour in the skipped hour
runs once at its end, in the repeated hour once; one with a wildcard runs in both (Debian's cron(8)).
``alembic/sql/cron_problem.sql`` judges by the same rules; a property test feeds both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Name, least and greatest value of each field.
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
LONGEST_TEXT = 500

_ITEM = re.compile(r"(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?")


class CronError(ValueError):
    """A cron text that cannot be obeyed; ``hint`` shows the right form."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _value(text: str, field: int) -> int | None:
    names = {3: MONTHS, 4: DAYS}.get(field, ())
    if text in names:
        return names.index(text) + (1 if field == 3 else 0)
    if not text.isdigit():
        return None
    _, low, high = FIELDS[field]
    return int(text) if low <= int(text) <= high else None


def _item(text: str, field: int) -> bool:
    found = _ITEM.fullmatch(text)
    if found is None:
        return False
    first, last, step = found.groups()
    if step is not None and int(step) == 0:
        return False
    if first == "*":
        return last is None
    low = _value(first, field)
    if low is None:
        return False
    if last is None:
        return True
    high = _value(last, field)
    return high is not None and low <= high


def _days(field: str) -> list[int] | None:
    """Days of month that ``field`` names, or None when it names a range or all of them."""
    parts = field.split(",")
    return [int(part) for part in parts] if all(part.isdigit() for part in parts) else None


def _impossible(fields: list[str]) -> bool:
    """Whether no month has the days named (31 February), so that it would never run."""
    days = _days(fields[2])
    if days is None or not fields[4].startswith("*"):
        return False
    months = [_value(part, 3) for part in fields[3].split(",")]
    if any(month is None for month in months):
        return False
    return all(min(days) > LONGEST_MONTH[(month or 1) - 1] for month in months)


def _check(text: str) -> str:
    """One expression in five fields, or CronError."""
    fields = text.split()
    if len(fields) == 1 and fields[0] in MACROS:
        return MACROS[fields[0]]
    if len(fields) == 1 and fields[0].startswith("@"):
        raise CronError(
            f'cron "{text}": there is no "{fields[0]}"', "Short forms: " + ", ".join(MACROS)
        )
    if len(fields) != 5:
        raise CronError(
            f'cron "{text}" has {len(fields)} fields, needs 5',
            "minute hour day month weekday, e.g. '30 17 * * 1-5' = 17:30 on weekdays.",
        )
    for number, (name, low, high) in enumerate(FIELDS):
        if not all(_item(item, number) for item in fields[number].split(",")):
            raise CronError(
                f'cron "{text}": bad {name} field "{fields[number]}"',
                f"{name} must be *, a number {low}-{high}, a range a-b, a list a,b or a step */n.",
            )
    if _impossible(fields):
        raise CronError(
            f'cron "{text}" would never run: no such date',
            "April, June, September and November have 30 days, February at most 29.",
        )
    return " ".join(fields)


@lru_cache(maxsize=10_000)
def parse(text: str) -> tuple[str, ...]:
    """The expressions of ``text`` in five fields each, or CronError."""
    if len(text) > LONGEST_TEXT:
        raise CronError("cron is too long", f"At most {LONGEST_TEXT} characters.")
    return tuple(_check(part.strip().lower()) for part in text.split(";"))


def _steps(expression: str, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Due times of one expression strictly after ``after``, ascending."""
    last = after
    # cronsim reads a repeated hour by its first pass, so begin earlier and leave out what is past.
    for found in CronSim(expression, (after - timedelta(hours=3)).astimezone(zone)):
        due = found.astimezone(UTC)
        if due > last:
            last = due
            yield due


def next_due(text: str, after: datetime, timezone: str) -> datetime | None:
    """The first due time strictly after ``after`` (UTC), or None when there is none in 50 years."""
    zone = ZoneInfo(timezone)
    found = [next(_steps(expression, after, zone), None) for expression in parse(text)]
    return min((due for due in found if due is not None), default=None)
