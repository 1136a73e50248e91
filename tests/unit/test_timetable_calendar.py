"""A calendar keeps due times on an exchange's trading days, or within its sessions."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from beat.time.timetable import Session, Sessions, Timing, dues, next_due, span
from tests.support.cron import EXPRESSIONS, utc

HOURS = Path(__file__).parents[1] / "fixtures/calendars/nyse_open_close_utc_2023_2027H1.csv"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NEW_YORK = ZoneInfo("America/New_York")


@cache
def nyse() -> Sessions:
    """Sessions of the New York Stock Exchange, as an independent source lists them."""
    found = []
    with HOURS.open() as file:
        for day, opens, closes in list(csv.reader(file))[1:]:
            hours = (datetime.fromisoformat(opens), datetime.fromisoformat(closes))
            found.append(Session(date.fromisoformat(day), *hours))
    return Sessions("America/New_York", tuple(found))


def holds(instant: datetime, *, within_hours: bool) -> bool:
    window = nyse().window(instant, within_hours=within_hours)
    return window is not None and window[0] <= instant < window[1]


def test_the_close_of_friday_is_followed_by_the_open_of_monday() -> None:
    timing = Timing("one", every=timedelta(minutes=5), sessions=nyse(), within_hours=True)
    last = next_due(timing, utc(2026), utc(2026, 11, 20, 20, 54))
    assert last == utc(2026, 11, 20, 20, 55)
    assert next_due(timing, utc(2026), utc(2026, 11, 20, 20, 55)) == utc(2026, 11, 23, 14, 30)


def test_a_short_interval_finds_its_way_over_a_long_weekend() -> None:
    timing = Timing("one", every=timedelta(milliseconds=100), sessions=nyse(), within_hours=True)
    assert next_due(timing, utc(2025), utc(2025, 7, 3, 17)) == utc(2025, 7, 7, 13, 30)


def test_an_early_close_ends_the_session() -> None:
    timing = Timing("one", every=HOUR, sessions=nyse(), within_hours=True)
    assert next_due(timing, utc(2025), utc(2025, 11, 28, 17)) == utc(2025, 12, 1, 15)


def test_a_trading_day_is_the_date_in_the_exchanges_own_zone() -> None:
    # 23:30 of Friday in New York is Saturday in UTC; it is still Friday's.
    timing = Timing("one", cron="30 4 * * *", sessions=nyse())
    assert next_due(timing, None, utc(2026, 11, 20, 12)) == utc(2026, 11, 21, 4, 30)
    assert next_due(timing, None, utc(2026, 11, 21, 12)) == utc(2026, 11, 24, 4, 30)


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        ("2024-06-07", True),
        ("2024-06-09", False),
        ("2024-07-03", True),
        ("2024-07-05", True),
        ("2024-11-28", False),
        ("2024-03-29", False),
        ("2024-06-19", False),
        ("2025-01-09", False),
        ("2026-04-03", False),
    ],
)
def test_a_daily_schedule_runs_on_trading_days_only(day: str, is_open: bool) -> None:
    noon = datetime.combine(date.fromisoformat(day), datetime.min.time(), NEW_YORK) + 12 * HOUR
    timing = Timing("one", cron="0 12 * * *", timezone="America/New_York", sessions=nyse())
    assert (next_due(timing, None, noon - HOUR) == noon) == is_open
    assert holds(noon, within_hours=False) == is_open


def test_nothing_is_due_beyond_the_sessions_known() -> None:
    timing = Timing("one", every=HOUR, sessions=nyse())
    assert next_due(timing, utc(2026), utc(2030)) is None


_timings = st.one_of(
    st.builds(
        Timing,
        st.just("one"),
        every=st.timedeltas(timedelta(minutes=7), timedelta(days=9)),
        sessions=st.builds(nyse),
        within_hours=st.booleans(),
    ),
    st.builds(
        Timing,
        st.just("one"),
        cron=EXPRESSIONS,
        timezone=st.sampled_from(("UTC", "America/New_York", "Asia/Tokyo")),
        sessions=st.builds(nyse),
        within_hours=st.booleans(),
    ),
)


@settings(max_examples=60)
@given(_timings, st.datetimes(datetime(2023, 2, 1), datetime(2026, 6, 1), timezones=st.just(UTC)))
def test_a_calendar_leaves_out_what_it_does_not_hold_and_nothing_else(
    timing: Timing, after: datetime
) -> None:
    plain = Timing("one", timing.every, timing.cron, timezone=timing.timezone)
    until, anchor = after + timedelta(days=6), utc(2024, 5, 5, 1, 11)
    begin = next_due(plain, anchor, after)
    assert begin is not None
    kept = [
        due for due in dues(plain, anchor, begin, until) if holds(due, within_hours=timing.within_hours)
    ]
    first = next_due(timing, anchor, after)
    assume(kept and first is not None)
    assert first is not None
    assert list(dues(timing, anchor, first, until)) == kept
    found = span(timing, anchor, first, until)
    assert (found.count, found.last) == (len(kept), kept[-1])
    assert found.following == next_due(timing, anchor, kept[-1])


@given(st.integers(0, 900))
def test_windows_of_trading_days_do_not_overlap(number: int) -> None:
    sessions = nyse().sessions[number : number + 3]
    for one, other in pairwise(sessions):
        assert one.closes < other.opens
        found = nyse().window(one.closes, within_hours=True)
        assert found == (other.opens, other.closes)
