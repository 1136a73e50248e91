"""Ranges of days, and which sessions of a range are missing (pure)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

DEFAULT_DAYS = 30
#: Limits of sources and calendars.
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)


@dataclass(frozen=True, slots=True)
class Span:
    first: date
    last: date

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"Invalid date range: {self.first} is after {self.last}")
        if self.first < EARLIEST or self.last > LATEST:
            raise ValueError(f"Invalid date range: days lie between {EARLIEST} and {LATEST}")


def span_of(
    today: date,
    *,
    duration_days: int | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
) -> Span:
    """The range of a run on ``today``, which is its end unless ``end_date`` is given.

    ``duration_days`` counts back from the end and takes precedence over ``start_date``.
    """
    last = end_date or today
    if duration_days is None and start_date is not None:
        return Span(start_date, last)
    # Clipped to the first date there is: Span refuses it with a better message.
    back = min(duration_days or DEFAULT_DAYS, last.toordinal() - 1)
    return Span(last - timedelta(days=back), last)


@dataclass(frozen=True, slots=True)
class Gap:
    """``sessions`` missing sessions in a row."""

    first: date
    last: date
    sessions: int


def find_gaps(sessions: Sequence[date], stored: Collection[date]) -> list[Gap]:
    have, gaps = set(stored), list[Gap]()
    missing: list[date] = []
    for day in [*sessions, None]:
        if day is not None and day not in have:
            missing.append(day)
        elif missing:
            gaps.append(Gap(missing[0], missing[-1], len(missing)))
            missing = []
    return gaps


def label(source: str, symbol: str, span: Span) -> str:
    return f"{source}:{symbol}:{span.first}:{span.last}"
