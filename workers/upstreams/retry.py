"""When to try again (pure): pauses, blocks, and the ``Retry-After`` header."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from workers.backoff import backoff

#: Pause between two attempts of one call: the first and the longest (seconds).
INITIAL_PAUSE = 1.0
MAX_PAUSE = 4.0
#: How long an upstream that refuses calls is blocked when it names no time (seconds).
INITIAL_BLOCK = 15.0
MAX_BLOCK = 3600.0
#: How long it is blocked at least, whatever time it names (seconds; doubles with every failure).
MIN_BLOCK = 0.5
#: A longer ``Retry-After`` is cut to this (seconds).
MAX_RETRY_AFTER = 7 * 86400.0
#: So many outages in a row open the circuit breaker.
MAX_OUTAGES = 5
#: How long the breaker then blocks the upstream the first time (seconds): a little more than thirty.
INITIAL_OUTAGE_BLOCK = 30.5


def pause(attempt: int) -> float:
    """Seconds between attempt ``attempt`` (from 1) and the next, with full jitter."""
    return backoff(attempt, INITIAL_PAUSE, MAX_PAUSE, jitter=(0.0, 1.0))


def block_seconds(failures: int, retry_after: float | None = None) -> float:
    """How long to block an upstream after it has refused ``failures`` calls in a row.

    ``retry_after`` holds, but no less than a pause that doubles with every failure.
    """
    if retry_after is not None:
        return max(retry_after, backoff(failures, MIN_BLOCK, MAX_BLOCK))
    return backoff(failures, INITIAL_BLOCK, MAX_BLOCK, jitter=(0.8, 1.2))


def outage_block_seconds(times: int) -> float:
    """How long the circuit breaker blocks an upstream the ``times``-th time in a row.

    Without jitter: only one call tries afterwards.
    """
    return backoff(times, INITIAL_OUTAGE_BLOCK, MAX_BLOCK)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110 §10.2.3), or None.

    ``now`` is the answer's own ``Date`` where it has one: a worker's wrong clock then changes nothing.
    """
    if not value:
        return None
    seconds: float | None
    try:
        # Headers that stand twice come as "60, 120".
        seconds = max(map(float, value.split(",")))
    except ValueError:
        when = http_date(value)
        seconds = (when - now).total_seconds() if when else None
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def http_date(value: str | None) -> datetime | None:
    """A time as HTTP writes it, or None for any other text."""
    try:
        when = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def is_retryable(status: int) -> bool:
    """Whether another attempt may succeed: server errors, but not 'not implemented'."""
    return status >= 500 and status not in {501, 505}
