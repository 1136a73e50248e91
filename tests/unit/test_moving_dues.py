"""Due times of other schedulers, as `schedule import` compares them with a row's."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from celery.schedules import crontab, schedule, solar

from beat.moving import from_django
from beat.moving.found import SHOWN, Found

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
DAYS_AGO = NOW - timedelta(days=2, seconds=10)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"schedule": schedule(MINUTE), "last_run_at": DAYS_AGO}, NOW + timedelta(seconds=50)),
        ({"schedule": crontab(), "last_run_at": DAYS_AGO}, NOW + timedelta(seconds=30)),
        ({"columns": {"every": MINUTE}, "next_at": DAYS_AGO}, NOW + timedelta(seconds=50)),
        ({"columns": {"cron": "* * * * *"}, "next_at": DAYS_AGO}, NOW + timedelta(seconds=30)),
    ],
)
def test_what_was_due_while_no_beat_ran_is_not_compared(
    given: dict[str, Any], expected: datetime
) -> None:
    found = Found("x", "plain.add", **given)
    first = found.first(NOW)
    dues = found.dues(first, NOW)

    assert first < NOW
    assert dues == [expected + number * MINUTE for number in range(SHOWN)]


def test_a_moment_that_has_passed_is_due_no_more() -> None:
    found = Found("x", "plain.add", at=DAYS_AGO)
    assert (found.first(NOW), found.dues(DAYS_AGO, NOW)) == (DAYS_AGO, [])


def test_a_row_by_the_sun_is_refused_with_what_to_install_where_ephem_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ephem", None)
    row = {"event": "sunset", "exchange": None, "routing_key": "", "headers": "{}"}
    assert [*from_django._refusals(row)] == [
        "sunset: due times by the sun need the package ephem (pip install ephem)."
    ]


@pytest.mark.parametrize("starts", [timedelta(), timedelta(days=3)])
def test_due_times_by_the_sun_are_celerys_from_the_start_on(starts: timedelta) -> None:
    found = Found("x", "plain.add", schedule=solar("sunset", 52.52, 13.405), last_run_at=DAYS_AGO)
    first = found.first(NOW)
    assert DAYS_AGO < first < DAYS_AGO + timedelta(days=1)

    dues = found.dues(max(first, NOW + starts), NOW)
    assert NOW + starts < dues[0] < NOW + starts + timedelta(days=1)
    assert all(timedelta(hours=24) < b - a < timedelta(hours=24.1) for a, b in pairwise(dues))
