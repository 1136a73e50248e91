"""Celery's crontab as a cron text (pure): its meaning is kept, and the text says so.

Celery's day of month AND day of week are written with the word ``and``: ``0 0 1-7 * and mon``.  Lists,
sets, long names and ranges that wrap become what Debian's cron writes.
"""

from collections.abc import Iterable
from typing import Any

from celery.schedules import crontab

#: Of each field: the first value and the last.
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def cron_of(entry: crontab) -> str:
    given: Any = entry
    sets = (given.minute, given.hour, given.day_of_month, given.month_of_year, given.day_of_week)
    originals = (
        given._orig_minute,  # noqa: SLF001 - the only place that keeps the text of the fields
        given._orig_hour,  # noqa: SLF001
        given._orig_day_of_month,  # noqa: SLF001
        given._orig_month_of_year,  # noqa: SLF001
        given._orig_day_of_week,  # noqa: SLF001
    )
    fields = [
        _field(values, str(original), low, high)
        for values, original, (low, high) in zip(sets, originals, _RANGES, strict=True)
    ]
    if not fields[2].startswith("*") and not fields[4].startswith("*"):
        fields.insert(4, "and")
    return " ".join(fields)


def _field(values: Iterable[int], original: str, low: int, high: int) -> str:
    """One field: as it was written when that is a plain step of all, else from its values."""
    chosen = sorted(values)
    if chosen == list(range(low, high + 1)):
        return "*"
    star, _, step = original.strip().partition("/")
    if star == "*" and step.isdigit() and chosen == list(range(low, high + 1, int(step))):
        return f"*/{int(step)}"
    spans: list[list[int]] = []
    for value in chosen:
        if spans and value == spans[-1][1] + 1:
            spans[-1][1] = value
        else:
            spans.append([value, value])
    return ",".join(
        str(first) if first == last else f"{first},{last}" if last == first + 1 else f"{first}-{last}"
        for first, last in spans
    )
