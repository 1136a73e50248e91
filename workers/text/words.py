"""Durations, counts and times in words, as the SQL functions of these names (pure)."""

from datetime import datetime, timedelta

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def duration_words(span: timedelta) -> str:
    """A length of time: "5 minutes", "1 hour 30 minutes", "0.5 seconds"."""
    rest = abs(round(span / timedelta(milliseconds=1)))
    words = []
    for seconds, unit in _UNITS:
        number, rest = divmod(rest, seconds * 1000)
        if number:
            # Without a comma in a thousand days: Postgres reads these words.
            words.append(f"{number} {unit}" + ("s" if number > 1 else ""))
    if rest or not words:
        words.append(f"{rest / 1000:g} second" + ("s" if rest != 1000 else ""))
    return ("minus " if span < timedelta() and words != ["0 seconds"] else "") + " ".join(words)


def count_words(number: int, one: str, several: str | None = None) -> str:
    """A number of things: "1 rule", "2 rules", "1 batch", "3 batches"."""
    return f"{number} {one}" if number == 1 else f"{number:,} {several or f'{one}s'}"


def time_words(at: datetime) -> str:
    """A time to the second: "2026-12-24 17:00:00 UTC"."""
    return at.strftime("%Y-%m-%d %H:%M:%S ") + (at.tzname() or "")
