"""Arithmetic of trying again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.upstreams import retry

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CHANCES = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 1000), CHANCES)
def test_a_pause_is_never_negative_and_never_longer_than_the_longest(
    attempt: int, chance: float
) -> None:
    assert 0 <= retry.pause(attempt, chance=chance) <= retry.LONGEST_PAUSE


def test_pauses_double_until_the_longest() -> None:
    almost = 1 - 1e-9
    tops = [round(retry.pause(attempt, chance=almost), 3) for attempt in range(1, 7)]

    assert tops == [1.0, 2.0, 4.0, 4.0, 4.0, 4.0]


@given(st.integers(-5, 10_000), CHANCES)
def test_a_closing_grows_to_an_hour_and_stays_near_it(failures: int, chance: float) -> None:
    seconds = retry.closing(failures, chance=chance)

    assert retry.FIRST_CLOSING * 0.8 <= seconds <= retry.LONGEST_CLOSING * 1.2


def test_closings_double() -> None:
    assert [retry.closing(n, chance=0.5) for n in (1, 2, 3, 4)] == [15, 30, 60, 120]


@given(st.floats(0, retry.LONGEST_RETRY_AFTER), st.integers(1, 50))
def test_a_closing_is_never_shorter_than_the_time_named(named: float, failures: int) -> None:
    assert retry.closing(failures, named=named) >= named


def test_a_retry_after_of_nothing_is_no_invitation_to_a_storm() -> None:
    assert [retry.closing(n, named=0.0) for n in (1, 2, 3, 4)] == [0.5, 1, 2, 4]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("-4", 0.0),
        ("99999999", retry.LONGEST_RETRY_AFTER),
        ("", None),
        (None, None),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 13:00:30 +0100", 30.0),
        ("Mon, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_as_http_writes_it(value: str | None, seconds: float | None) -> None:
    assert retry.retry_after(value, NOW) == seconds


@given(st.text(max_size=60))
def test_no_header_breaks_the_reader(value: str) -> None:
    seconds = retry.retry_after(value, NOW)

    assert seconds is None or 0 <= seconds <= retry.LONGEST_RETRY_AFTER


@given(st.integers(0, 600_000))
def test_a_date_is_as_good_as_its_seconds(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry.retry_after(date, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "again"),
    [(200, False), (404, False), (500, True), (501, False), (503, True), (505, False)],
)
def test_only_server_errors_that_may_pass_are_tried_again(status: int, again: bool) -> None:
    assert retry.is_retryable(status) is again


def test_the_breaker_stays_open_for_over_30_seconds_then_for_twice_as_long() -> None:
    assert [retry.breaking(times) for times in (1, 2, 3, 99)] == [30.5, 61, 122, retry.LONGEST_CLOSING]
