"""Timings and times as people say them."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from fix_cron import EXPRESSIONS, utc
from hypothesis import example, given, settings
from hypothesis import strategies as st

from beat.cli.words import cron_words, every_words, length, timing_words

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(minutes=5), "5 minutes"),
        (timedelta(minutes=90), "1 hour 30 minutes"),
        (timedelta(days=1, seconds=1), "1 day 1 second"),
        (timedelta(milliseconds=100), "0.1 seconds"),
        (timedelta(), "0 seconds"),
        (timedelta(minutes=-5), "minus 5 minutes"),
    ],
)
def test_a_length_of_time_is_said_in_words(span: timedelta, words: str) -> None:
    assert length(span) == words


@given(st.timedeltas(SECOND, timedelta(days=9999)).map(lambda one: one // SECOND * SECOND))
def test_words_of_a_length_lose_nothing(span: timedelta) -> None:
    units = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}
    words = length(span).split(" ")
    pairs = zip(words[::2], words[1::2], strict=True)
    assert sum(int(number) * units[unit.rstrip("s")] for number, unit in pairs) * SECOND == span


@pytest.mark.parametrize(
    ("text", "zone", "words"),
    [
        ("0 0 * * 1-5", "America/New_York", "weekdays at 00:00 New York"),
        ("30 17 * * *", "UTC", "daily at 17:30 UTC"),
        ("@daily", "Europe/London", "daily at 00:00 London"),
        ("@weekly", "UTC", "Sundays at 00:00 UTC"),
        ("0 9 * * 3", "UTC", "Wednesdays at 09:00 UTC"),
        ("0 0 1 * *", "UTC", "day 1 of the month at 00:00 UTC"),
        ("@hourly", "America/New_York", "every hour"),
        ("15 * * * *", "UTC", "every hour at :15 UTC"),
        ("* * * * *", "UTC", "every minute"),
        ("*/5 * * * *", "UTC", "every 5 minutes"),
        ("*/7 * * * *", "UTC", "every 7 minutes of each hour"),
        ("0 9 * * *; 30 17 * * 1-5", "UTC", "daily at 09:00 UTC; weekdays at 17:30 UTC"),
        ("0 0 13 * */5", "UTC", "cron 0 0 13 * */5, UTC"),
        ("5 4 1,15 * *", "UTC", "at 04:05, on day 1 and 15 of the month, UTC"),
    ],
)
def test_a_cron_text_is_said_in_words(text: str, zone: str, words: str) -> None:
    assert cron_words(text, zone) == words


@settings(deadline=None)
@given(EXPRESSIONS)
@example("* * * * 0,*/1")
def test_every_cron_text_has_words(text: str) -> None:
    words = cron_words(text, "Asia/Kolkata")
    assert words
    assert words == words.strip()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"every": timedelta(hours=2)}, "every 2 hours"),
        ({"cron": "0 17 * * *"}, "daily at 17:00 New York"),
        ({"at": utc(2026, 7, 1, 12).astimezone(UTC)}, "once at 2026-07-01 08:00 New York"),
        ({"after": "discovery"}, "after discovery"),
    ],
)
def test_each_timing_has_words(columns: dict[str, object], words: str) -> None:
    assert timing_words(timezone="America/New_York", **columns) == words  # type: ignore[arg-type]


def test_an_interval_is_said_with_every() -> None:
    assert every_words(timedelta(minutes=5)) == "every 5 minutes"
