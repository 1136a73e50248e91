"""Which session has just ended: every weekday, every clock change, every holiday for four years."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.prices import ranges
from tasks.prices.bars import Bar
from tasks.prices.needs import REST, STALE_REST, Known, judge, rest_after
from tasks.prices.spans import Span
from tasks.prices.trading_sessions import Calendar, Session
from workers.calendars.exchanges import sessions_of

RECORDED = Path(__file__).parents[1] / "fixtures" / "calendars"
FIRST, LAST = date(2023, 1, 1), date(2027, 6, 30)


def recorded() -> list[Session]:
    with (RECORDED / "nyse_open_close_utc_2023_2027H1.csv").open(newline="") as lines:
        return [
            Session(
                date.fromisoformat(row["session"]),
                datetime.fromisoformat(row["open_utc"]),
                datetime.fromisoformat(row["close_utc"]),
            )
            for row in csv.DictReader(lines)
        ]


SESSIONS = recorded()
CALENDAR = Calendar(SESSIONS)


def midnights() -> list[datetime]:
    start = datetime(2023, 1, 5, tzinfo=UTC)
    return [start + timedelta(days=n) for n in range(4 * 365)]


def test_our_sessions_of_new_york_are_the_recorded_ones() -> None:
    ours = sessions_of("XNYS", FIRST, LAST)
    assert [(row["session_date"], row["open_at"], row["close_at"]) for row in ours] == [
        (session.day, session.open_at, session.close_at) for session in SESSIONS
    ]


def test_weekday_closures_since_2007_special_ones_included_are_the_recorded_ones() -> None:
    with (RECORDED / "nyse_weekday_closures_2007_2027H1.csv").open(newline="") as lines:
        closures = {date.fromisoformat(row["date"]) for row in csv.DictReader(lines)}
    first = date(2007, 1, 1)
    open_days = {row["session_date"] for row in sessions_of("XNYS", first, LAST)}
    weekdays = {
        day for n in range((LAST - first).days + 1) if (day := first + timedelta(days=n)).weekday() < 5
    }
    assert weekdays - open_days == closures


def test_a_market_whose_holidays_are_not_known_so_far_ahead_gives_what_is_known() -> None:
    rows = sessions_of("XBOM", date(2026, 1, 1), date(2028, 12, 31))
    assert rows[0]["session_date"].year == 2026
    assert rows[-1]["session_date"] <= date(2028, 12, 31)


def test_at_midnight_utc_the_last_completed_session_is_the_one_of_the_day_before_if_there_was_one() -> (
    None
):
    days = {session.day for session in SESSIONS}
    for now in midnights():
        yesterday = (now - timedelta(days=1)).date()
        found = CALENDAR.last_completed(now)
        assert found is not None
        if yesterday in days:
            assert found == yesterday, now
        else:
            assert found == max(day for day in days if day < yesterday), now


@pytest.mark.parametrize(
    ("now", "session"),
    [
        ("2026-01-27", "2026-01-26"),  # Tuesday 00:00 stores Monday
        ("2026-01-28", "2026-01-27"),
        ("2026-01-29", "2026-01-28"),
        ("2026-01-30", "2026-01-29"),
        ("2026-01-31", "2026-01-30"),  # Saturday 00:00 stores Friday
        ("2026-02-01", "2026-01-30"),  # Sunday: still Friday
        ("2026-02-02", "2026-01-30"),  # Monday 00:00: still Friday
        ("2026-03-10", "2026-03-09"),  # first session of summer time
        ("2026-11-03", "2026-11-02"),  # first session of winter time
        ("2026-11-27", "2026-11-25"),  # Thanksgiving has none
        ("2026-11-28", "2026-11-27"),  # an early close
        ("2025-01-10", "2025-01-08"),  # a day of mourning
    ],
)
def test_nightly_stores_the_session_that_has_just_ended(now: str, session: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    expected = date.fromisoformat(session)
    assert CALENDAR.last_completed(at) == expected
    before = max(session.day for session in SESSIONS if session.day < expected)
    assert judge(Known(before, at), CALENDAR, timedelta(minutes=5), at) == "bars"
    assert judge(Known(expected, None), CALENDAR, timedelta(minutes=5), at) is None


def test_a_week_of_nights_stores_each_session_once() -> None:
    latest: date | None = date(2026, 1, 23)
    calls = []
    for now in midnights():
        if not datetime(2026, 1, 26, tzinfo=UTC) <= now < datetime(2026, 2, 2, tzinfo=UTC):
            continue
        if judge(Known(latest, now), CALENDAR, timedelta(minutes=5), now) == "bars":
            latest = CALENDAR.last_completed(now)
            calls.append(latest)
    assert calls == [date(2026, 1, day) for day in range(26, 31)]


def test_a_session_is_complete_at_its_real_close_also_an_early_one() -> None:
    (early,) = (one for one in SESSIONS if one.day == date(2025, 7, 3))
    assert early.close_at == datetime(2025, 7, 3, 17, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert CALENDAR.last_completed(early.close_at - second) == date(2025, 7, 2)
    assert CALENDAR.is_open(early.close_at - second)
    assert CALENDAR.last_completed(early.close_at) == date(2025, 7, 3)
    assert not CALENDAR.is_open(early.close_at)
    assert not CALENDAR.is_open(early.open_at - second)
    assert CALENDAR.is_open(early.open_at)


def test_the_price_is_asked_for_only_while_the_market_is_open_and_it_is_old() -> None:
    noon = datetime(2026, 1, 28, 17, tzinfo=UTC)
    latest, every = date(2026, 1, 27), timedelta(minutes=5)
    assert judge(Known(latest, noon - every), CALENDAR, every, noon) == "price"
    assert judge(Known(latest, noon - every / 2), CALENDAR, every, noon) is None
    night = datetime(2026, 1, 28, 3, tzinfo=UTC)
    assert judge(Known(latest, night - timedelta(days=9)), CALENDAR, every, night) is None


def test_what_was_asked_for_in_vain_rests() -> None:
    now = datetime(2026, 1, 28, 17, tzinfo=UTC)
    every = timedelta(0)
    assert judge(Known(None, None, now + REST / 2), CALENDAR, every, now) is None
    assert judge(Known(None, None, now), CALENDAR, every, now) == "bars"


def test_without_known_sessions_bars_are_asked_for_once_a_day() -> None:
    now = datetime(2026, 1, 28, 17, tzinfo=UTC)
    nothing = Calendar([])
    day = date(2026, 1, 27)
    assert judge(Known(day, now - timedelta(hours=23)), nothing, timedelta(0), now) is None
    assert judge(Known(day, now - timedelta(hours=24)), nothing, timedelta(0), now) == "bars"


def test_an_exchange_trades_on_when_its_known_sessions_have_ended() -> None:
    end = date(2026, 12, 31)
    bombay = Calendar.of(sessions_of("XBOM", date(2026, 11, 1), end))
    bars = [Bar(date(2027, 1, day), None, None, None, Decimal(1), None) for day in (4, 5)]
    at = datetime(2027, 1, 5, 12, tzinfo=UTC)
    assert judge(Known(end, at - timedelta(hours=23)), bombay, timedelta(0), at) is None
    assert judge(Known(end, at - timedelta(hours=24)), bombay, timedelta(0), at) == "bars"
    assert ranges.final(bars, bombay, at) == bars[:1]
    span = Span(date(2027, 1, 1), date(2027, 1, 5))
    assert ranges.completed(bombay, span, at) == Span(span.first, date(2027, 1, 4))


@given(st.datetimes(datetime(2023, 1, 5), datetime(2027, 6, 1), timezones=st.just(UTC)))
def test_the_last_completed_session_is_the_last_that_has_closed(now: datetime) -> None:
    closed = [session.day for session in SESSIONS if session.close_at <= now]
    assert CALENDAR.last_completed(now) == closed[-1]
    assert CALENDAR.is_open(now) == any(s.open_at <= now < s.close_at for s in SESSIONS)


@given(st.dates(FIRST, LAST), st.dates(FIRST, LAST))
def test_trading_days_of_a_range_are_those_within_it(first: date, last: date) -> None:
    expected = [session.day for session in SESSIONS if first <= session.day <= last]
    assert CALENDAR.days(first, last) == expected


def test_a_night_stores_a_session_that_was_found_stale_after_its_close() -> None:
    every = timedelta(minutes=5)
    for now in midnights():
        session = CALENDAR.last_completed(now)
        assert session is not None
        number = [one.day for one in SESSIONS].index(session)
        asked = SESSIONS[number].close_at + timedelta(minutes=5)
        stale = Known(SESSIONS[number - 1].day, asked, asked + rest_after(["stale"]))
        assert judge(stale, CALENDAR, every, asked + STALE_REST / 2) is None
        assert judge(stale, CALENDAR, every, now) == "bars", now


def test_a_symbol_that_nobody_knows_rests_longer_each_time() -> None:
    rests = [rest_after(["not_found"] * times + ["ok"]) for times in range(5)]
    hours = [rest / timedelta(hours=1) for rest in rests]
    assert hours == [0, 6, 24, 7 * 24, 7 * 24]
    assert rest_after(["not_found", "ok", "not_found", "not_found"]) == REST
    assert rest_after(["stale", "not_found"]) == STALE_REST
    # A delisted share is stale for ever.
    rests = [rest_after(["stale"] * times + ["ok"]) for times in range(1, 4)]
    assert [rest / timedelta(hours=1) for rest in rests] == [1, 2, 6]
    assert rest_after([]) == timedelta(0)


LONDON = Calendar.of(sessions_of("XLON", date(2025, 12, 1), date(2026, 11, 30)))


@pytest.mark.parametrize(
    ("now", "session"),
    [
        ("2026-01-30T16:29:59Z", "2026-01-29"),  # London closes at 16:30 in winter …
        ("2026-01-30T16:30:00Z", "2026-01-30"),
        ("2026-01-31T00:00:00Z", "2026-01-30"),  # … and is long over at midnight UTC
        ("2026-03-27T16:30:00Z", "2026-03-27"),
        ("2026-03-30T15:30:00Z", "2026-03-30"),  # first session of summer time
        ("2026-03-31T00:00:00Z", "2026-03-30"),
        ("2026-04-07T00:00:00Z", "2026-04-02"),  # Good Friday and Easter Monday
        ("2026-10-26T15:30:00Z", "2026-10-23"),  # first session of winter time, still on
        ("2026-10-26T16:30:00Z", "2026-10-26"),
        ("2025-12-24T12:30:00Z", "2025-12-24"),  # an early close
        ("2025-12-27T00:00:00Z", "2025-12-24"),
    ],
)
def test_london_has_its_own_hours_clock_changes_and_holidays(now: str, session: str) -> None:
    assert LONDON.last_completed(datetime.fromisoformat(now)) == date.fromisoformat(session)


def test_sessions_of_a_day_are_known_by_themselves() -> None:
    friday = date(2026, 1, 30)
    assert [row["session_date"] for row in sessions_of("XNYS", friday, friday)] == [friday]
    assert sessions_of("XNYS", friday + timedelta(days=1), friday + timedelta(days=1)) == []


def test_a_range_ends_with_its_last_completed_session() -> None:
    monday = datetime(2026, 1, 26, 17, tzinfo=UTC)
    week = Span(date(2026, 1, 18), date(2026, 1, 26))
    # Monday the 19th was a holiday, Monday the 26th is still traded.
    assert ranges.completed(CALENDAR, week, monday) == Span(date(2026, 1, 20), date(2026, 1, 23))
    assert ranges.completed(CALENDAR, Span(date(2026, 1, 25), date(2026, 1, 26)), monday) is None
    evening = monday.replace(hour=22)
    last = Span(date(2026, 1, 26), date(2026, 1, 26))
    assert ranges.completed(CALENDAR, Span(date(2026, 1, 24), date(2026, 2, 9)), evening) == last
    unknown = Calendar([])
    assert ranges.completed(unknown, week, monday) == Span(week.first, date(2026, 1, 25))
    assert ranges.completed(unknown, Span(monday.date(), date(2026, 2, 1)), monday) is None


def test_where_no_sessions_are_known_todays_bar_is_not_final() -> None:
    noon = datetime(2026, 1, 28, 17, tzinfo=UTC)
    bars = [Bar(date(2026, 1, day), None, None, None, Decimal(1), None) for day in (27, 28)]
    assert ranges.final(bars, Calendar([]), noon) == bars[:1]
    assert ranges.final(bars, CALENDAR, noon) == bars[:1]
    assert ranges.final(bars, CALENDAR, noon.replace(hour=22)) == bars


@pytest.mark.parametrize("mic", ["XBOM", "XSHG"])
def test_a_market_whose_oldest_holidays_are_not_known_gives_what_is_known(mic: str) -> None:
    rows = sessions_of(mic, date(1985, 1, 1), date(2000, 12, 31))
    assert rows[0]["session_date"] > date(1990, 1, 1)
    assert sessions_of(mic, date(1985, 1, 1), date(1985, 12, 31)) == []
