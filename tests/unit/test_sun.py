"""Due times by the sun are those of Celery's ``solar``, the same wherever the search begins."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.schedules import solar
from hypothesis import given, settings
from hypothesis import strategies as st

from beat.time import sun
from beat.time.cron import CronError
from beat.time.timetable import Timing, next_due, span

YEAR = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PLACES = [(52.52, 13.405), (-33.9, 151.2), (70.0, 25.0), (0.0, -179.5)]


def of_celery(event: str, place: tuple[float, float], until: datetime) -> list[datetime]:
    moment = YEAR
    app: Any = Celery("sun", set_as_current=False)
    entry: Any = solar(event, *place, nowfun=lambda: moment, app=app)
    found: list[datetime] = []
    while (due := moment + entry.remaining_estimate(moment)) < until:
        found.append(due)
        moment = due + SECOND
    return found


@pytest.mark.parametrize("event", sun.EVENTS)
@pytest.mark.parametrize("place", PLACES[:3:2])
def test_each_event_is_due_when_celery_sends_it(event: str, place: tuple[float, float]) -> None:
    timing = Timing("x", cron=sun.text_of(event, *place))
    theirs = of_celery(event, place, YEAR + timedelta(days=365))
    due = next_due(timing, None, YEAR)
    for expected in theirs:
        assert due is not None
        assert abs(due - expected) < SECOND
        due = next_due(timing, None, due)
    # In the polar summer and winter some do not come for weeks.
    assert 180 < len(theirs) <= 366


moments = st.datetimes(datetime(2024, 1, 1), datetime(2031, 1, 1)).map(lambda it: it.replace(tzinfo=UTC))  # fmt: skip


@settings(max_examples=30)
@given(st.sampled_from(list(sun.EVENTS)), st.sampled_from(PLACES), moments, st.integers(0, 40))
def test_a_due_time_is_the_same_wherever_the_search_begins(
    event: str, place: tuple[float, float], after: datetime, days: int
) -> None:
    timing = Timing("x", cron=sun.text_of(event, *place))
    due = next_due(timing, None, after)
    assert due is not None
    assert due > after
    assert next_due(timing, None, due - timedelta(microseconds=1)) == due
    until = due + timedelta(days=days)
    stepped = [due]
    while (following := next_due(timing, None, stepped[-1])) is not None and following <= until:
        stepped.append(following)
    found = span(timing, None, due, until)
    assert (found.count, found.last, found.following) == (len(stepped), stepped[-1], following)


@pytest.mark.parametrize(
    "text",
    [
        "@sunset", "@sunset 52", "@sunset 91 0", "@sunset 0 180.5", "@sunset 1 2 3", "@sunset a b",
        "@sunset 52.52 13.4; 0 7 * * *", "@sunset 1. 2", "@SUNRISE\t+1 2",
    ],
)  # fmt: skip
def test_a_place_that_is_none_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(CronError, match="needs a latitude and a longitude") as raised:
        sun.parse(text)
    assert "52.52 13.4" in raised.value.hint


def test_only_texts_that_name_an_event_are_by_the_sun() -> None:
    assert sun.parse(" @Sunset  -52.5\t-13 ") is not None
    for text in ("@daily", "0 7 * * *", "sunset 1 2", "@moonrise 1 2", "0 7 * * *; @sunset 1 2", ""):
        assert sun.parse(text) is None
    assert sun.text_of("solar_noon", 52.0, -0.1278) == "@solar_noon 52 -0.1278"


def test_without_ephem_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ephem", None)
    found = sun.parse("@sunset 12.345 54.321")
    assert found is not None
    with pytest.raises(ValueError, match="pip install ephem"):
        found.next_due(YEAR, ZoneInfo("UTC"))
