"""Pure arithmetic of trying again: how long to wait, what ``Retry-After`` says."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: First and longest pause between two attempts of one call (seconds).
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 4.0
#: First and longest time a door stays closed when the upstream names none (seconds).
FIRST_CLOSING = 15.0
SHORTEST_CLOSING = 0.5
LONGEST_CLOSING = 3600.0
#: A ``Retry-After`` beyond this is not believed (seconds).
LONGEST_RETRY_AFTER = 7 * 86400.0
#: So many outages in a row close the door (the breaker).
OUTAGES_TO_CLOSE = 5
#: How long it then stays closed the first time (seconds); each time after, twice as long.  After thirty
#: seconds it is still closed: one call tries later than that.
FIRST_BREAK = 30.5


def pause(attempt: int, *, chance: float | None = None) -> float:
    """Seconds before attempt ``attempt + 1`` (from 1): exponential with full jitter.

    ``chance`` in [0, 1) replaces the random draw in tests.
    """
    top = min(FIRST_PAUSE * 2.0 ** (attempt - 1), LONGEST_PAUSE)
    return top * (random.random() if chance is None else chance)


def closing(failures: int, *, named: float | None = None, chance: float | None = None) -> float:
    """Seconds a door stays closed after its ``failures``-th failure in a row.

    The upstream's own word (``named``) holds, but no shorter than a pause that doubles with every
    failure, so that "Retry-After: 0" is no invitation to a storm.  Without it: growing, ±20 % jitter.
    """
    exponent = min(max(failures, 1) - 1, 30)
    if named is not None:
        return max(named, min(SHORTEST_CLOSING * 2.0**exponent, LONGEST_CLOSING))
    top = min(FIRST_CLOSING * 2.0**exponent, LONGEST_CLOSING)
    return top * (0.8 + 0.4 * (random.random() if chance is None else chance))


def breaking(times: int) -> float:
    """Seconds a door stays closed when its upstream is out of order for the ``times``-th time in a row.

    Without jitter: one call tries for all of them anyway.
    """
    return min(FIRST_BREAK * 2.0 ** min(max(times, 1) - 1, 30), LONGEST_CLOSING)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110 §10.2.3), or None.

    ``now`` is the answer's own ``Date`` where it has one: a worker's wrong clock then changes nothing.
    """
    if not value:
        return None
    seconds: float | None
    try:
        seconds = float(value)
    except ValueError:
        when = http_date(value)
        seconds = (when - now).total_seconds() if when else None
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def http_date(value: str | None) -> datetime | None:
    """A time as HTTP writes it, or None when it is none."""
    try:
        when = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def is_retryable(status: int) -> bool:
    """Whether another attempt may succeed: server errors, but not 'not implemented'."""
    return status >= 500 and status not in {501, 505}
