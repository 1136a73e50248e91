"""Sessions of exchanges: from the table that is shipped, or newer ones from the extra ``calendars``."""

from datetime import date, timedelta
from importlib.util import find_spec
from typing import Any

from workers.calendars import library, session_table


def has_library() -> bool:
    return find_spec("exchange_calendars") is not None


def sessions_of(mic: str, first: date, last: date, *, newest: bool = False) -> list[dict[str, Any]]:
    """Sessions of ``mic`` from ``first`` to ``last``; fewer when only a part of the span is known.

    ``newest``: as the library knows them, where it is installed: holidays announced since the release.
    """
    shipped = session_table.exchange(mic)
    if has_library() and (newest or shipped is None or first < shipped.first or last > shipped.last):
        return library.sessions_of(mic, first, last)
    if shipped is None:
        return []
    return [
        {"mic": mic, "session_date": day, "open_at": opens, "close_at": closes}
        for day, opens, closes in shipped.sessions(first, last)
    ]


def ends_soon(mic: str, today: date) -> str | None:
    """What to do when the known sessions of ``mic`` end within three months; None when they do not."""
    shipped = session_table.exchange(mic)
    if has_library() or (shipped is not None and shipped.last > today + timedelta(days=90)):
        return None
    until = f"end on {shipped.last}" if shipped else "are not in the table of this release"
    return f"sessions of {mic} {until}; install a newer release or the extra watchkeeper[calendars]"


def shipped_until() -> str:
    """When the shipped table ends, exchange by exchange where they differ."""
    ends: dict[date, list[str]] = {}
    for mic in session_table.exchanges():
        if shipped := session_table.exchange(mic):
            ends.setdefault(shipped.last, []).append(mic)
    last = max(ends)
    early = [f"of {', '.join(ends[day])} on {day}" for day in sorted(ends) if day != last]
    return "; ".join([f"the shipped sessions end on {last}", *early])
