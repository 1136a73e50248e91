"""Lengths of time as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.ledger import finished
from workers.text.words import count_words, duration_words, time_words

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
    assert duration_words(span) == words


@given(st.timedeltas(SECOND, timedelta(days=9999)).map(lambda one: one // SECOND * SECOND))
def test_words_of_a_length_lose_nothing(span: timedelta) -> None:
    units = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}
    words = duration_words(span).split(" ")
    pairs = zip(words[::2], words[1::2], strict=True)
    assert sum(int(number) * units[unit.rstrip("s")] for number, unit in pairs) * SECOND == span


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (count_words(1, "rule"), "1 rule"),
        (count_words(2, "rule"), "2 rules"),
        (count_words(0, "batch", "batches"), "0 batches"),
        (time_words(datetime(2026, 12, 24, 17, tzinfo=UTC)), "2026-12-24 17:00:00 UTC"),
    ],
)
def test_counts_and_times_are_said_in_one_way(words: str, said: str) -> None:
    assert words == said


@pytest.mark.parametrize(
    ("late", "words"),
    [
        (timedelta(seconds=5, microseconds=573368), "5 seconds"),
        (timedelta(minutes=7, microseconds=12), "7 minutes"),
        (timedelta(days=1, hours=2, seconds=3.9), "1 day 2 hours 3 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(microseconds=573368), "0.573 seconds"),
    ],
)
def test_how_late_a_run_is_that_was_not_begun_is_said_to_the_second(
    late: timedelta, words: str
) -> None:
    assert finished.not_started(late) == f"not started within its time: {words} late"
