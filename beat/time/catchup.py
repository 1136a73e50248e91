"""Catch-up: which due times that have passed run, and which are missed (pure).

Every due time is accounted for once: by its own run, by a run that covers a span, or by one
"missed" row that covers a span.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from beat.time.timetable import MICROSECOND, Span, Timing, dues, jittered, next_due, span
from workers.text.words import duration_words

#: With catch_up = none a due time up to this late still runs: a slow tick misses none.
GRACE = timedelta(seconds=60)
#: With catch_up = all, one tick turns this many due times into runs; the next ticks do the rest.
MAX_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """One future row of `run`: a run, or a span that was missed (with the reason)."""

    due_at: datetime
    covers_from: datetime | None = None
    count: int = 1
    missed: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    outcomes: tuple[Outcome, ...]
    following: datetime | None


def _covering(found: Span) -> Outcome:
    if found.count == 1:
        return Outcome(found.last)
    return Outcome(found.last, found.first, found.count)


def missed(found: Span, reason: str) -> Outcome:
    first = found.first if found.count > 1 else None
    return Outcome(found.last, first, found.count, missed=reason)


def _until(timing: Timing, anchor: datetime | None, due: datetime, now: datetime) -> datetime:
    """The time up to which due times are settled: those that jitter still delays are left."""
    if timing.jitter:
        found = span(timing, anchor, due, now)
        if found.last > due and jittered(timing, found.last, found.following) > now:
            return found.last - MICROSECOND
    return now


def settle(
    timing: Timing,
    anchor: datetime | None,
    due: datetime,
    now: datetime,
    catch_up: str = "latest",
    window: timedelta = timedelta(days=1),
) -> Plan:
    """Settle all due times from ``due`` (the first open one, ≤ ``now``) to ``now``.

    Lateness counts from the jittered start.
    """
    due, now = due.astimezone(UTC), now.astimezone(UTC)
    following = next_due(timing, anchor, due)
    if following is None or following > now:
        late = now - jittered(timing, due, following)
        if late > GRACE and (catch_up == "none" or late > window):
            return Plan((missed(Span(due, due, 1, following), _reason(catch_up, window)),), following)
        return Plan((Outcome(due),), following)
    return _settle_many(timing, anchor, due, now, catch_up, window)


def _reason(catch_up: str, window: timedelta) -> str:
    return (
        "catch_up is none"
        if catch_up == "none"
        else f"older than catch_up_window {duration_words(window)}"
    )


def _settle_many(
    timing: Timing,
    anchor: datetime | None,
    due: datetime,
    now: datetime,
    catch_up: str,
    window: timedelta,
) -> Plan:
    until = _until(timing, anchor, due, now)
    limit = now - (GRACE if catch_up == "none" else max(window, GRACE)) - (timing.jitter or timedelta())
    outcomes: list[Outcome] = []
    if due < limit:
        # ``limit`` itself is within the window.
        old = span(timing, anchor, due, min(limit - MICROSECOND, until))
        outcomes.append(missed(old, _reason(catch_up, window)))
        if old.following is None or old.following > until:
            return Plan(tuple(outcomes), old.following)
        due = old.following
    if catch_up == "all":
        own = list(islice(dues(timing, anchor, due, until), MAX_AT_ONCE))
        outcomes.extend(Outcome(one) for one in own)
        return Plan(tuple(outcomes), next_due(timing, anchor, own[-1]))
    rest = span(timing, anchor, due, until)
    outcomes.append(_covering(rest))
    return Plan(tuple(outcomes), rest.following)
