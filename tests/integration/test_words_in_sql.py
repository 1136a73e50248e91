"""The database says timings in the same words as Python."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beat.cli.words import cron_words, length

MILLI = timedelta(milliseconds=1)

_number = st.integers(0, 59)
_weekday = st.sampled_from([*"01234567*", "1-5", "mon-fri", "0,6", "6,0", "6-7", "sat,sun"])
_common = st.one_of(
    st.sampled_from(["@hourly", "@Daily", "@midnight", "@weekly", "@monthly", "* * * * *"]),
    st.integers(1, 59).map("*/{} * * * *".format),
    _number.map("{} * * * *".format),
    st.builds("{:02d} {} * * {}".format, _number, st.integers(0, 23), _weekday),
    st.builds("{}  {:02d}\t{} * *".format, _number, st.integers(0, 23), st.integers(1, 31)),
)
_texts = st.lists(_common, min_size=1, max_size=3).map(" ; ".join)
_zones = st.sampled_from(["UTC", "America/New_York", "America/Argentina/Buenos_Aires"])
_lengths = st.timedeltas(timedelta(), timedelta(days=9999)).map(lambda one: one // MILLI * MILLI)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_texts, _zones), min_size=20, max_size=40))
def test_what_is_common_is_said_alike(
    connection: psycopg.Connection[dict[str, Any]], given: list[tuple[str, str]]
) -> None:
    rows = connection.execute(
        "select cron_words(text, zone) as words"
        " from unnest(%s::text[], %s::text[]) with ordinality p(text, zone, place) order by place",
        ([text for text, _ in given], [zone for _, zone in given]),
    ).fetchall()
    assert [row["words"] for row in rows] == [cron_words(*one) for one in given]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_lengths, min_size=20, max_size=40))
def test_lengths_of_time_are_said_alike(
    connection: psycopg.Connection[dict[str, Any]], spans: list[timedelta]
) -> None:
    rows = connection.execute(
        "select duration_words(span) as words"
        " from unnest(%s::interval[]) with ordinality p(span, place) order by place",
        (spans,),
    ).fetchall()
    assert [row["words"] for row in rows] == [length(one) for one in spans]


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
