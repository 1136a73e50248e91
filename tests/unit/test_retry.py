"""Arithmetic of trying again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.backoff import backoff
from workers.upstreams import retry

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_back_off_doubles_up_to_its_maximum() -> None:
    assert [backoff(n, 5.0, 30.0) for n in (-1, 0, 1, 2, 3, 4, 10_000)] == [5, 5, 5, 10, 20, 30, 30]


@given(st.integers(1, 1000))
def test_jitter_spreads_a_back_off(failures: int) -> None:
    assert 4.0 <= backoff(failures, 5.0, 600.0, jitter=(0.8, 1.2)) <= 720.0


@given(st.integers(1, 1000))
def test_a_pause_is_never_negative_and_never_longer_than_the_longest(attempt: int) -> None:
    assert 0 <= retry.pause(attempt) <= min(2.0 ** min(attempt - 1, 9), retry.MAX_PAUSE)


@given(st.integers(-5, 10_000))
def test_a_block_grows_to_an_hour_and_stays_near_it(failures: int) -> None:
    expected = min(15.0 * 2.0 ** (min(max(failures, 1), 30) - 1), 3600.0)

    assert expected * 0.8 <= retry.block_seconds(failures) <= expected * 1.2


@given(st.floats(0, retry.MAX_RETRY_AFTER), st.integers(1, 50))
def test_a_block_is_never_shorter_than_the_time_named(named: float, failures: int) -> None:
    assert retry.block_seconds(failures, named) >= named


def test_a_retry_after_of_nothing_is_no_invitation_to_a_storm() -> None:
    assert [retry.block_seconds(n, 0.0) for n in (1, 2, 3, 4)] == [0.5, 1, 2, 4]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        (" 120 ", 120.0),
        ("60, 120", 120.0),
        ("60,nonsense", None),
        ("1.5", 1.5),
        ("-4", 0.0),
        ("99999999", retry.MAX_RETRY_AFTER),
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

    assert seconds is None or 0 <= seconds <= retry.MAX_RETRY_AFTER


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
    assert [retry.outage_block_seconds(times) for times in (1, 2, 3, 99)] == [
        30.5,
        61,
        122,
        retry.MAX_BLOCK,
    ]
