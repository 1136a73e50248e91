"""Lengths of time in words, as SQL function ``duration_words`` writes them (pure)."""

from __future__ import annotations

from datetime import timedelta

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def length_words(span: timedelta) -> str:
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
