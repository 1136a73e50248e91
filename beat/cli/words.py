"""Timings and times in words for people, as the database's own functions say them (pure)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from beat.time.cron import parse

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))
_WEEKDAYS = (
    "Sundays",
    "Mondays",
    "Tuesdays",
    "Wednesdays",
    "Thursdays",
    "Fridays",
    "Saturdays",
    "Sundays",
)
_NAMED = {str(number): name for number, name in enumerate(_WEEKDAYS)} | {
    "*": "daily",
    "1-5": "weekdays",
    "mon-fri": "weekdays",
    "0,6": "weekends",
    "6,0": "weekends",
    "6-7": "weekends",
    "sat,sun": "weekends",
}


def length(span: timedelta) -> str:
    """A length of time: "5 minutes", "1 hour 30 minutes", "0.5 seconds"."""
    rest = abs(round(span / timedelta(milliseconds=1)))
    words = []
    for seconds, unit in _UNITS:
        number, rest = divmod(rest, seconds * 1000)
        if number:
            words.append(f"{number} {unit}" + ("s" if number != 1 else ""))
    if rest or not words:
        words.append(f"{rest / 1000:g} second" + ("s" if rest != 1000 else ""))
    return ("minus " if span < timedelta() and words != ["0 seconds"] else "") + " ".join(words)


def every_words(interval: timedelta) -> str:
    """An interval: "every 5 minutes"."""
    return f"every {length(interval)}"


def place(timezone: str) -> str:
    """The city of a zone, as people call it: "New York"; UTC stays UTC."""
    return timezone.rpartition("/")[2].replace("_", " ")


def cron_words(text: str, timezone: str = "UTC") -> str:
    """A cron text: "weekdays at 00:00 New York", several joined by "; "; CronError when it is none."""
    city = place(timezone)
    return "; ".join(_one(expression.text, city) for expression in parse(text).expressions)


def _one(expression: str, city: str) -> str:
    """One expression in words: own ones for what is common, cron-descriptor's for the rest."""
    minute, hour, day, month, weekday = expression.split(" ")
    if (hour, day, month, weekday) == ("*", "*", "*", "*"):
        if step := re.fullmatch(r"\*(?:/([0-9]+))?", minute):
            return _steps(int(step[1] or 1))
        if minute.isdigit():
            return f"every hour at :{int(minute):02d} {city}" if int(minute) else "every hour"
    if minute.isdigit() and hour.isdigit() and month == "*":
        days = _days(day, weekday)
        if days:
            return f"{days} at {int(hour):02d}:{int(minute):02d} {city}"
    return f"{_described(expression)}, {city}"


def _steps(minutes: int) -> str:
    """A step that does not divide the hour starts anew each hour, so it is no interval."""
    if minutes == 1:
        return "every minute"
    more = "" if 60 % minutes == 0 else " of each hour"
    return f"every {minutes} minutes{more}"


def _days(day: str, weekday: str) -> str | None:
    if day == "*":
        return _NAMED.get(weekday)
    return f"day {int(day)} of the month" if weekday == "*" and day.isdigit() else None


def _described(expression: str) -> str:
    # Imported here: only what is out of the ordinary needs it, and beat itself never does.
    from cron_descriptor import Options, get_description  # type: ignore[import-untyped]

    _, _, day, _, weekday = expression.split(" ")
    if "*" not in (day, weekday) and (day.startswith("*") or weekday.startswith("*")):
        # Both must match here; cron-descriptor would say "or".
        return f"cron {expression}"
    options = Options()
    options.use_24hour_time_format = True
    try:
        said = str(get_description(expression, options))
    except Exception:
        # It fails on some good texts ("0,*/1" as weekday): those stay as they are written.
        return f"cron {expression}"
    return said[:1].lower() + said[1:]


def timing_words(
    *,
    every: timedelta | None = None,
    cron: str | None = None,
    at: datetime | None = None,
    after: str | None = None,
    timezone: str = "UTC",
) -> str:
    """When a schedule runs, from the columns that say so."""
    if every is not None:
        return every_words(every)
    if cron is not None:
        return cron_words(cron, timezone)
    if at is not None:
        return f"once at {at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M} {place(timezone)}"
    return f"after {after}" if after else "not scheduled"
