"""Due times of other schedulers, as `schedule import` compares them with a row's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.schedules import crontab, schedule

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
