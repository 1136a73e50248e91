"""Pure arithmetic of trying again: how long to wait, what ``Retry-After`` says."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: First and longest pause between two attempts of one call (seconds).
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
#: First and longest time a door stays closed when the upstream names none (seconds).
FIRST_CLOSING = 15.0
LONGEST_CLOSING = 3600.0
#: A ``Retry-After`` beyond this is not believed (seconds).
LONGEST_RETRY_AFTER = 7 * 86400.0
#: So many outages in a row close the door (the breaker).
OUTAGES_TO_CLOSE = 5


def pause(attempt: int, *, chance: float | None = None) -> float:
    """Seconds before attempt ``attempt + 1`` (from 1): exponential with full jitter.

    ``chance`` in [0, 1) replaces the random draw in tests.
    """
    top = min(FIRST_PAUSE * 2.0 ** (attempt - 1), LONGEST_PAUSE)
    return top * (random.random() if chance is None else chance)


def closing(failures: int, *, chance: float | None = None) -> float:
    """Seconds a door stays closed after its ``failures``-th closing in a row, ±20 % jitter."""
    exponent = min(max(failures, 1) - 1, 30)
    top = min(FIRST_CLOSING * 2.0**exponent, LONGEST_CLOSING)
    return top * (0.8 + 0.4 * (random.random() if chance is None else chance))


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110 §10.2.3), or None."""
    if not value:
        return None
    text = value.strip()
    try:
        seconds = float(text) if not text.isalpha() else None
    except ValueError:
        try:
            when = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = ((when if when.tzinfo else when.replace(tzinfo=UTC)) - now).total_seconds()
    if seconds is None or seconds != seconds:  # noqa: PLR0124 - NaN
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def is_retryable(status: int) -> bool:
    """Whether another attempt may succeed: server errors, but not 'not implemented'."""
    return status >= 500 and status not in {501, 505}
