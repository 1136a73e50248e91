"""What cron tests draw from: expressions that may run, zones, changes of their clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from beat.time.cron import FIELDS, CronError, parse
from beat.time.walltime import stretches

ZONES = (
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Africa/Cairo",
    "America/Havana",
    "America/St_Johns",
    "Pacific/Apia",
    "Asia/Kolkata",
    "UTC",
)


def _item(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    pair = st.tuples(number, number).map(sorted)
    step = st.integers(1, max(1, high // 2))
    return st.one_of(
        number.map(str),
        pair.map(lambda two: f"{two[0]}-{two[1]}"),
        st.tuples(pair, step).map(lambda one: f"{one[0][0]}-{one[0][1]}/{one[1]}"),
        step.map(lambda one: f"*/{one}"),
    )


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    listed = st.lists(_item(low, high), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), st.just("*"), listed)


def _may_run(text: str) -> bool:
    try:
        parse(text)
    except CronError:
        return False
    return True


#: One expression, or two with a semicolon, that run on some date.
EXPRESSIONS = (
    st.lists(
        st.tuples(
            *(_field(low, high) for _, low, high in FIELDS[:4]),
            st.sampled_from(["", "", "and "]),
            _field(*FIELDS[4][1:]),
        ).map(lambda f: f"{' '.join(f[:4])} {f[4]}{f[5]}"),
        min_size=1,
        max_size=2,
    )
    .map("; ".join)
    .filter(_may_run)
)


@cache
def _found() -> list[tuple[ZoneInfo, datetime]]:
    found = []
    for key in ZONES:
        zone = ZoneInfo(key)
        for year in (2010, 2011, 2026):
            day = date(year, 1, 1)
            while day.year == year:
                found += [(zone, one.start) for one in stretches(day, zone)[1:]]
                day += timedelta(days=1)
    return sorted(set(found), key=lambda one: (one[0].key, one[1]))


def changes() -> st.SearchStrategy[tuple[ZoneInfo, datetime]]:
    """A zone, and an instant at which its clocks are changed."""
    return st.deferred(lambda: st.sampled_from(_found()))


def utc(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0) -> datetime:
    """A time for people who write tests."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def next_due(text: str, after: datetime, timezone: str) -> datetime | None:
    return parse(text).next_due(after.astimezone(UTC), ZoneInfo(timezone))
