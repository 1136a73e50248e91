"""The shipped table of trading sessions says what the library says, and says when it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.calendars import exchanges, library, session_table


def as_rows(rows: list[dict[str, Any]]) -> list[tuple[date, datetime, datetime]]:
    return [(row["session_date"], row["open_at"], row["close_at"]) for row in rows]


@pytest.mark.parametrize("mic", ["XNYS", "XNAS", "XLON", "XTKS", "XHKG", "XBOM", "XSAU", "XBUE"])
def test_the_table_agrees_with_the_library(mic: str) -> None:
    shipped = session_table.exchange(mic)
    assert shipped is not None
    ours = list(shipped.sessions(shipped.first, shipped.last))
    assert ours == as_rows(library.sessions_of(mic, shipped.first, shipped.last))


def test_the_markets_of_the_seeds_are_in_the_table() -> None:
    assert {"XNYS", "XLON", "XTKS"} <= session_table.exchanges().keys()
    assert len(session_table.exchanges()) >= 50


def test_without_the_library_the_table_is_used_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchanges, "has_library", lambda: False)
    shipped = session_table.exchange("XNYS")
    assert shipped is not None
    rows = exchanges.sessions_of(
        "XNYS", shipped.last - timedelta(days=6), shipped.last + timedelta(days=30)
    )
    assert 3 <= len(rows) <= 5
    assert rows[-1]["session_date"] <= shipped.last
    assert exchanges.sessions_of("XABC", date(2026, 1, 1), date(2026, 2, 1)) == []


def test_where_the_extra_is_present_the_schedule_takes_what_was_announced_since_the_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monday, friday = date(2026, 6, 8), date(2026, 6, 12)
    shipped = session_table.exchange("XNYS")
    assert shipped is not None
    # As if Wednesday had been thought a holiday when the table was written.
    old = replace(shipped, closed=shipped.closed | {date(2026, 6, 10)})
    monkeypatch.setattr(session_table, "exchange", lambda _: old)

    assert len(exchanges.sessions_of("XNYS", monday, friday)) == 4
    assert len(exchanges.sessions_of("XNYS", monday, friday, newest=True)) == 5


def test_it_is_said_exchange_by_exchange_until_when_the_table_goes() -> None:
    said = exchanges.shipped_until()
    last = max(one.last for mic in session_table.exchanges() if (one := session_table.exchange(mic)))
    assert said.startswith(f"the shipped sessions end on {last}")


def test_it_is_said_when_the_table_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = session_table.exchange("XNYS")
    assert shipped is not None
    assert exchanges.ends_soon("XNYS", shipped.last) is None
    monkeypatch.setattr(exchanges, "has_library", lambda: False)
    assert exchanges.ends_soon("XNYS", shipped.last - timedelta(days=100)) is None
    said = exchanges.ends_soon("XNYS", shipped.last - timedelta(days=80))
    assert said is not None
    assert f"end on {shipped.last}; install a newer release or the extra" in said
    assert "not in the table" in (exchanges.ends_soon("XABC", date(2026, 1, 1)) or "")


CLOCKS = st.sampled_from(
    [("09:30", "16:00"), ("09:30", "13:00"), ("08:00", "16:30"), ("10:00", "24:00")]
)


@given(
    st.lists(st.tuples(st.integers(0, 4), CLOCKS), min_size=30, max_size=120),
    st.dates(date(1995, 1, 1), date(2030, 1, 1)),
)
def test_any_sessions_are_read_as_they_were_written(
    days: list[tuple[int, tuple[str, str]]], first: date
) -> None:
    sessions = []
    day = first
    for gap, clocks in days:
        sessions.append((day, *clocks))
        day += timedelta(days=1 + gap)
    # Its library takes as long to import as many a test.
    from docs import write_sessions

    entry = write_sessions.encode("UTC", first, day, sessions)
    session_table.exchange.cache_clear()
    session_table.exchanges()["TEST"] = entry
    read = session_table.exchange("TEST")
    session_table.exchange.cache_clear()
    del session_table.exchanges()["TEST"]
    assert read is not None
    assert list(read.sessions(first, day)) == [
        (day, at(day, opens), at(day, closes)) for day, opens, closes in sessions
    ]


def at(day: date, clock: str) -> datetime:
    hours, minutes = map(int, clock.split(":"))
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hours, minutes=minutes)
