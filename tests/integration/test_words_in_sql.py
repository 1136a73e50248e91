"""The database says timings in the same words as Python."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beat.words import cron_words, length

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
