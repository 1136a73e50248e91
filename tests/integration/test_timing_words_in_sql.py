"""Timings and lengths of time in words, as the database says them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from workers.text.words import duration_words

FIFTH = timedelta(microseconds=200)

_lengths = st.one_of(
    st.timedeltas(timedelta(days=-9999), timedelta(days=9999)), st.timedeltas(-FIFTH * 9, FIFTH * 9)
).map(lambda one: one // FIFTH * FIFTH)


@pytest.mark.parametrize(
    ("text", "zone", "words"),
    [
        ("0 0 * * 1-5", "America/New_York", "weekdays at 00:00 New York"),
        ("30 17 * * *", "UTC", "daily at 17:30 UTC"),
        ("@Daily", "Europe/London", "daily at 00:00 London"),
        ("@weekly", "UTC", "Sundays at 00:00 UTC"),
        ("0 9 * * 3", "America/Argentina/Buenos_Aires", "Wednesdays at 09:00 Buenos Aires"),
        ("05 09 * * sat,sun", "UTC", "weekends at 09:05 UTC"),
        ("0  00\t1 * *", "UTC", "day 1 of the month at 00:00 UTC"),
        ("@hourly", "America/New_York", "every hour"),
        ("15 * * * *", "UTC", "every hour at :15 UTC"),
        ("* * * * *", "UTC", "every minute"),
        ("*/5 * * * *", "UTC", "every 5 minutes"),
        ("*/7 * * * *", "UTC", "every 7 minutes of each hour"),
        ("0 9 * * * ; 30 17 * * 1-5", "UTC", "daily at 09:00 UTC; weekdays at 17:30 UTC"),
        ("0 0 13 * */5", "UTC", "cron 0 0 13 * */5 UTC"),
        ("@Sunset 52.52 13.4", "UTC", "at sunset, 52.52 north 13.4 east"),
        (" @dawn_civil  -33.9 -70", "UTC", "at civil dawn, 33.9 south 70 west"),
    ],
)
def test_a_cron_text_is_said_in_words(
    connection: psycopg.Connection[dict[str, Any]], text: str, zone: str, words: str
) -> None:
    row = connection.execute("select cron_words(%s, %s) as words", (text, zone)).fetchone()
    assert row == {"words": words}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([timedelta(seconds=59.9996), timedelta(days=1, microseconds=-200), timedelta(minutes=-5)])
@given(st.lists(_lengths, min_size=20, max_size=40))
def test_lengths_of_time_are_said_alike(
    connection: psycopg.Connection[dict[str, Any]], spans: list[timedelta]
) -> None:
    rows = connection.execute(
        "select duration_words(span) as words"
        " from unnest(%s::interval[]) with ordinality p(span, place) order by place",
        (spans,),
    ).fetchall()
    assert [row["words"] for row in rows] == [duration_words(one) for one in spans]


def test_what_is_out_of_the_ordinary_or_broken_stays_as_written(
    connection: psycopg.Connection[dict[str, Any]],
) -> None:
    for text in ("5 4 1,15 * *", "17:00", "*/0 * * * *"):
        row = connection.execute("select cron_words(%s, 'UTC') as words", (text,)).fetchone()
        assert row is not None
        assert text in row["words"] or text.startswith("*/0")


def said(connection: psycopg.Connection[dict[str, Any]], function: str, seconds: float | None) -> str:
    span = None if seconds is None else timedelta(seconds=seconds)
    row = connection.execute(f"select {function}(%s) as words", (span,)).fetchone()
    assert row is not None
    return str(row["words"])


@pytest.mark.parametrize(
    ("seconds", "words", "sign"),
    [
        (0, "just now", "0s ago"),
        (59, "just now", "59s ago"),
        (59.9, "just now", "59s ago"),
        (60, "1m ago", "1m ago"),
        (3599, "59m ago", "59m ago"),
        (3600, "1h ago", "1h ago"),
        (86399, "23h ago", "23h ago"),
        (86400, "1d ago", "1d ago"),
        (40 * 86400, "40d ago", "40d ago"),
        # The clock of who looks may be behind the one that wrote.
        (-3, "just now", "0s ago"),
        (None, "never", "never"),
    ],
)
def test_what_has_been_is_said_in_its_greatest_unit_and_a_sign_of_life_to_the_second(
    connection: psycopg.Connection[dict[str, Any]], seconds: float | None, words: str, sign: str
) -> None:
    assert said(connection, "past_words", seconds) == words
    assert said(connection, "sign_words", seconds) == sign


@pytest.mark.parametrize(
    ("seconds", "words", "brief"),
    [
        (12000, "in 3h 20m", "3h"),
        (7200, "in 2h 0m", "2h"),
        (5400, "in 1h 30m", "1h"),
        (1800, "in 30m", "30m"),
        (60, "in 1m", "1m"),
        (59.2, "in 1m", "1m"),
        (58.2, "in 59s", "59s"),
        (5, "in 5s", "5s"),
        (0.1, "in 1s", "1s"),
        (0, "soon", "soon"),
        (-5, "soon", "soon"),
        (90000, "in 1d 1h", "1d"),
        (None, "not scheduled", "--"),
    ],
)
def test_what_is_to_come_is_said_in_two_units_and_in_a_status_bar_in_one(
    connection: psycopg.Connection[dict[str, Any]], seconds: float | None, words: str, brief: str
) -> None:
    assert said(connection, "ahead_words", seconds) == words
    assert said(connection, "brief_words", seconds) == brief


def test_a_status_bar_has_a_line_for_each_schedule_that_is_on(
    connection: psycopg.Connection[dict[str, Any]],
) -> None:
    connection.execute(
        "insert into schedule (name, title, task, every, after, enabled) values"
        " ('a', 'Token discovery', 'tasks.discovery.discover', '6 hours', null, true),"
        " ('b', null, 'tasks.discovery.profile', null, 'a', true),"
        " ('c', 'Off', 'tasks.discovery.discover', '6 hours', null, false)"
    )
    connection.execute(
        "insert into run (id, schedule, task, trigger, due_at, state, queue, created_at, finished_at) values"
        " (gen_random_uuid(), 'a', 'tasks.discovery.discover', 'schedule', now(), 'failed', 'discovery',"
        " now() - interval '2 hours', now())"
    )
    connection.execute(
        "insert into schedule_state (schedule, next_run_at) values ('a', now() + interval '4 hours')"
        " on conflict (schedule) do update set next_run_at = excluded.next_run_at"
    )

    rows = connection.execute("select name, line from status_bar").fetchall()

    assert [tuple(row.values()) for row in rows] == [
        ("a", "Token discovery: ✘ 2h ago (next: 4h)"),
        ("b", "b: never (next: after a)"),
    ]
