"""Cron texts are judged alike by Postgres (`cron_problem`) and by Python (`beat.time.cron`)."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beat.time import sun
from beat.time.cron import FIELDS, MACROS, CronError, parse
from tests.support.cron import EXPRESSIONS

JUDGE = """
select f.message, f.hint
  from unnest(%(texts)s::text[]) with ordinality p(text, place), cron_problem(p.text) f
 order by p.place
"""

#: Mistakes that are easy to make, and texts at the edge of what is allowed.
KNOWN = [
    "",
    " ",
    ";",
    "17:00",
    "0 25 * * *",
    "60 * * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 8",
    "* * * * 7",
    "0 0 31 2 *",
    "0 0 30 FEB *",
    "0 0 30-31 2 *",
    "0 0 31/2 2 *",
    "0 0 31 2-2 *",
    "0 0 31 */2 *",
    "0 0 31 4,6,9,11 *",
    "0 0 31 4-6 *",
    "0 0 31 2/2 *",
    "0 0 31 11/2 *",
    "0 0 31 2 1",
    "0 0 31 2 */2",
    "0 0 29 2 *",
    "0 0 31,* 2 *",
    "0 0 */31 2 *",
    "0 0 */30 2 1",
    "*/0 * * * *",
    "*/60 * * * *",
    "*/59 * * * *",
    "*/100 * * * *",
    "5-1 * * * *",
    "*-5 * * * *",
    "1,,2 * * * *",
    ",1 * * * *",
    "- * * * *",
    "/ * * * *",
    "0 0 * jan-mar,DEC mon-fri/2",
    "0 0 * * fri-sun",
    "0 0 1-7 * and mon",
    "0 0 1-7 * AND mon",
    "0 0 1-7 * and",
    "0 0 1-7 and * mon",
    "0 0 30 2 and mon",
    "0 0 31 4,6 and */2",
    "and and and and and and",
    "0 0 * * sat-7",
    "mon 0 * * *",
    "0 0 mon * *",
    "0 0 * mon *",
    "0 0 L * *",
    "0 0 * * 5#2",
    "0 0 ? * *",
    "@sunset 52.52 13.4",
    " @Dawn_Astronomical\t-90  -180.0 ",
    "@sunset",
    "@sunset 90.1 0",
    "@sunset 1 2 3",
    "@sunset 1 2; 0 7 * * *",
    "0 7 * * *; @sunset 1 2",
    "@moonrise 1 2",
    "@sunset_ 1 2",
    "@solar_noon 1.1234567890 2",
    "@sunrise 1.5 -200",
    "@daily",
    "@Daily; 0 12 * * *",
    "@reboot",
    "@every 5m",
    "Every 2h",
    "30 seconds",
    "5 MIN",
    "5min *",
    "0, 30 * * * *",
    "0 ,30 * * * *",
    "0 0 1 Foo And MON",
    "@daily 1 2 3 4",
    "0 0 * * * *",
    "0\t0  * * *\n",
    "0 0 * * *;",
    ";0 0 * * *",
    "0 0 \u00a0* *",
    "\u00a00 0 * * *",
    "0 0 * * fr\u0130",
    "0 0 * * \u017fun",
    "\u0661 0 * * *",
    "\u00b2 0 * * *",
    "0 0 * * *" + " " * 500,
    "0 0 * * *" + "; 0 0 * * *" * 44,
    "x" * 600,
    'cron "%s" % \\ \'',
]


#: In each place of "0 0 * * *" every number, list and step of two digits, and every range of two of one digit.
EVERYWHERE = [
    " ".join([*fields[:place], part, *fields[place + 1 :]])
    for fields in (["0", "0", "*", "*", "*"],)
    for place in range(5)
    for n in range(100)
    for part in (f"{n}", f"{n:02}", f"*/{n}", f"{n},{place}", f"{n // 10}-{n % 10}")
]


def in_python(text: str) -> tuple[str | None, str | None]:
    try:
        sun.parse(text) or parse(text)
    except CronError as error:
        return str(error), error.hint
    return None, None


def differences(connection: psycopg.Connection[dict[str, Any]], texts: list[str]) -> list[object]:
    rows = connection.execute(JUDGE, {"texts": texts}).fetchall()
    assert len(rows) == len(texts)
    return [
        (text, in_python(text), (row["message"], row["hint"]))
        for text, row in zip(texts, rows, strict=True)
        if in_python(text) != (row["message"], row["hint"])
    ]


_piece = st.one_of(
    st.sampled_from(
        ["*", "-", "/", ",", " ", ";", "@", "\t", "jan", "FEB", "sun", "Fri", "@sunset", *MACROS]
    ),
    st.integers(0, 61).map(str),
)
_like = st.lists(_piece, max_size=14).map("".join)
_fields = st.tuples(
    *(
        st.lists(
            st.one_of(
                st.just("*"),
                st.integers(low - 1, high + 1).map(lambda one: str(max(one, 0))),
                st.tuples(st.integers(low, high), st.integers(low, high)).map("%d-%d".__mod__),
                st.tuples(st.integers(low, high), st.integers(0, high + 1)).map("%d/%d".__mod__),
                st.integers(0, high + 1).map(lambda one: f"*/{one}"),
                st.sampled_from(["jan-mar", "feb", "SUN", "mon-fri", "sat-sun"]),
            ),
            min_size=1,
            max_size=2,
        ).map(",".join)
        for _, low, high in FIELDS
    )
).map(" ".join)
_dates = st.tuples(
    st.sampled_from(["31", "30", "29", "30,31", "30-31", "30/1", "*", "*/31", "31,*"]),
    st.sampled_from(["2", "feb", "2,4", "4-6", "2-2", "2/2", "2/9", "*/2", "6/3", "apr-jun/2", "9,11"]),
    st.sampled_from(["*", "1", "*/2", "mon-fri"]),
).map(lambda three: "0 0 " + " ".join(three))
_any = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
TEXTS = st.one_of(_fields, _fields, _dates, _like, EXPRESSIONS, _any)


def test_known_mistakes_get_the_same_words_from_both(
    connection: psycopg.Connection[dict[str, Any]],
) -> None:
    assert differences(connection, KNOWN + EVERYWHERE) == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=40, max_size=60))
def test_both_judge_any_text_alike(
    connection: psycopg.Connection[dict[str, Any]], texts: list[str]
) -> None:
    assert differences(connection, texts) == []


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "17:00",
            'cron "17:00" has 1 field, needs 5',
            "minute hour day month weekday, e.g. '30 17 * * 1-5' = 17:30 on weekdays.",
        ),
        (
            "0 25 * * *",
            'cron "0 25 * * *": bad hour field "25"',
            "hour must be *, a number 0-23, a range a-b, a list a,b or a step */n.",
        ),
        (
            "0 0 31 2 *",
            'cron "0 0 31 2 *" would never run: no such date',
            "April, June, September and November have 30 days, February at most 29.",
        ),
    ],
)
def test_a_bad_cron_is_refused_with_a_hint_and_nothing_changes(
    connection: psycopg.Connection[dict[str, Any]], text: str, message: str, hint: str
) -> None:
    connection.execute(
        "insert into task_kind (name, description, options_schema, queue)"
        " values ('tests.noop', 'A test''s', '{\"type\": \"object\"}', 'upkeep')"
    )
    connection.execute("insert into schedule (name, task, cron) values ('one', 'tests.noop', '@daily')")
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        connection.execute("update schedule set cron = %s where name = 'one'", (text,))
    assert caught.value.diag.message_primary == message
    assert caught.value.diag.message_hint == hint
    assert caught.value.diag.column_name == "cron"
    row = connection.execute("select cron from schedule where name = 'one'").fetchone()
    assert row == {"cron": "@daily"}
