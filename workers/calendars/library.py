"""Sessions of exchanges as the library exchange-calendars knows them, early closes included.

The library is the extra ``calendars``; ImportError without it.
"""

import warnings
from datetime import date, timedelta
from typing import Any


def sessions_of(mic: str, first: date, last: date) -> list[dict[str, Any]]:
    """Sessions of ``mic``; fewer when the library knows the exchange only for a part of the span."""
    calendar = _calendar(mic, first, last)
    if calendar is None:
        return []
    return [
        {
            "mic": mic,
            "session_date": day.date(),
            "open_at": row["open"].to_pydatetime(),
            "close_at": row["close"].to_pydatetime(),
        }
        for day, row in calendar.schedule.iterrows()
        if first <= day.date() <= last
    ]


def _calendar(mic: str, first: date, last: date) -> Any:
    import exchange_calendars

    # The library refuses a calendar of a single day.
    after = last + timedelta(days=1)
    with warnings.catch_warnings():
        # The library uses pandas in a way that pandas warns of.
        warnings.simplefilter("ignore")
        try:
            return exchange_calendars.get_calendar(mic, start=first, end=after)
        except exchange_calendars.errors.NoSessionsError:
            return None
        except ValueError:
            known = type(exchange_calendars.get_calendar(mic))
            earliest, latest = known.bound_min(), known.bound_max()
            start = first if earliest is None else max(first, earliest.date())
            end = after if latest is None else min(after, latest.date())
            if start >= end:
                return None
            return exchange_calendars.get_calendar(mic, start=start, end=end)
