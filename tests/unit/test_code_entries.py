"""Celery's entries as rows: every form of crontab keeps its meaning, every name gets a row of its own."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.beat import BeatLazyFunc, ScheduleEntry
from celery.schedules import crontab, schedule
from hypothesis import given
from hypothesis import strategies as st

from beat.entries.conversion import CannotKeep, Place, columns_of, timing_of, zone_of
from beat.entries.crontabs import cron_of
from beat.entries.names import MAX_NAME, in_order, plain_name, row_name
from beat.time import cron
from tests.support.cron import next_due

PLACE = Place("Europe/Berlin", (5, 4, 4, 3, 3, 3, 2, 1, 1, 0))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"minute": 0, "hour": 0, "day_of_month": "1-7", "day_of_week": "mon"}, "0 0 1-7 * and 1"),
        ({"minute": 5, "hour": 3}, "5 3 * * *"),
        ({"minute": "*/15"}, "*/15 * * * *"),
        ({"minute": [0, 30], "hour": {8, 9, 10, 20}}, "0,30 8-10,20 * * *"),
        ({"minute": "0, 30".replace(" ", "")}, "0,30 * * * *"),
        ({"minute": 0, "hour": "22-4"}, "0 0-4,22,23 * * *"),
        ({"minute": 0, "hour": 7, "day_of_week": "monday,friday"}, "0 7 * * 1,5"),
        ({"minute": 0, "hour": 7, "day_of_week": "sat-mon"}, "0 7 * * 0,1,6"),
        ({"minute": 0, "hour": 7, "month_of_year": "january"}, "0 7 * 1 *"),
        ({"minute": 0, "hour": 7, "month_of_year": "nov-feb/2"}, "0 7 * 1,11 *"),
        ({"minute": 0, "hour": 7, "day_of_month": "*/2", "day_of_week": "mon"}, "0 7 */2 * 1"),
        ({"minute": 0, "hour": 7, "day_of_month": "1-31", "day_of_week": "0-6"}, "0 7 * * *"),
        ({"minute": "10-50/20", "hour": "*"}, "10,30,50 * * * *"),
    ],
)
def test_a_crontab_of_celery_is_a_cron_text(fields: dict[str, Any], text: str) -> None:
    assert cron_of(crontab(**fields)) == text
    cron.parse(text)


def numbers(low: int, high: int) -> st.SearchStrategy[Any]:
    one = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        one,
        st.lists(one, min_size=1, max_size=4),
        st.integers(1, high).map(lambda step: f"*/{step}"),
        st.tuples(one, one).map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.tuples(one, one, st.integers(1, 5)).map(lambda it: f"{it[0]}-{it[1]}/{it[2]}"),
    )


@given(numbers(0, 59), numbers(0, 23), numbers(1, 28), numbers(1, 12), numbers(0, 6), st.dates(date(2024, 1, 1), date(2031, 1, 1)))  # fmt: skip
def test_a_cron_text_is_due_when_celerys_crontab_is(
    minute: Any, hour: Any, day: Any, month: Any, weekday: Any, first: date
) -> None:
    entry: Any = crontab(minute, hour, day_of_week=weekday, day_of_month=day, month_of_year=month)
    (expression,) = cron.parse(cron_of(entry)).expressions

    for one in (first + timedelta(days=number) for number in range(40)):
        means = (
            one.day in entry.day_of_month
            and one.month in entry.month_of_year
            and one.isoweekday() % 7 in entry.day_of_week
        )
        assert expression.runs_on(one) == means
    assert set(expression.minutes) == {h * 60 + m for h in entry.hour for m in entry.minute}


def test_a_day_and_a_weekday_that_never_meet_are_refused() -> None:
    with pytest.raises(cron.CronError, match="no such date"):
        cron.parse("0 0 30,31 2 and mon")
    assert next_due("0 0 29 2 and mon", datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")), "UTC")


def entry_of(**more: Any) -> ScheduleEntry:
    return ScheduleEntry(
        **{"name": "x", "task": "plain.add", "schedule": 30, "app": Celery("x"), **more}
    )


def test_arguments_and_options_of_a_message_are_columns() -> None:
    entry = entry_of(
        args=(1, 2),
        kwargs={"z": 3},
        options={"queue": "mails", "priority": 3, "expires": 60, "retry": True},
    )
    assert columns_of(entry, PLACE, plain=True) == {
        "task": "plain.add", "every": timedelta(seconds=30), "cron": None, "timezone": "Europe/Berlin",
        "options": {"args": [1, 2], "kwargs": {"z": 3}}, "overlap": "allow_all", "queue": "mails",
        "priority": 3, "expires": timedelta(seconds=60),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"options": {"exchange": "x"}}, "cannot keep the option exchange"),
        ({"options": {"headers": {"a": 1}}}, "cannot keep the option headers"),
        ({"options": {"expires": datetime(2030, 1, 1)}}, "not a length of time"),
        ({"options": {"priority": 11}}, "not within 0 to 9"),
        ({"args": (BeatLazyFunc(datetime.now),)}, "computed by code"),
        ({"schedule": crontab(nowfun=datetime.now)}, "nowfun"),
        ({"schedule": timedelta(0)}, "due all the time"),
    ],
)
def test_what_a_row_cannot_say_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(CannotKeep, match=said):
        columns_of(entry_of(**more), PLACE, plain=True)
    with pytest.raises(CannotKeep, match="by name"):
        columns_of(entry_of(args=(1,)), PLACE, plain=False)


@pytest.mark.parametrize(("every", "step"), [(90, 60), (3 * 3600, 3600), (2 * 86400, 86400), (5, 1)])
def test_a_relative_interval_begins_on_a_whole_unit(every: int, step: int) -> None:
    found = timing_of(schedule(timedelta(seconds=every), relative=True), "Europe/Berlin")
    local = found["starts_at"].astimezone(ZoneInfo("Europe/Berlin"))

    assert (local.hour * 3600 + local.minute * 60 + local.second) % min(step, 86400) == 0
    assert local.microsecond == 0
    assert found["every"] == timedelta(seconds=every)


def test_the_zone_is_the_applications() -> None:
    for given_, found in (
        ("Europe/Berlin", "Europe/Berlin"),
        (ZoneInfo("Asia/Tokyo"), "Asia/Tokyo"),
        (None, "UTC"),
    ):
        app = Celery("zoned")
        app.conf.timezone = given_
        assert zone_of(app) == found


@given(st.text(), st.text())
def test_every_name_gets_a_row_of_its_own(one: str, other: str) -> None:
    import re

    first = row_name(one, ())
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", first)
    assert len(first) <= MAX_NAME
    assert row_name(other, {first}) != first


def test_a_name_that_is_a_rows_name_keeps_it() -> None:
    assert in_order(["a_b", "a-b"]) == ["a-b", "a_b"]
    assert plain_name("Daily Report (EU)") == "daily-report-eu"
    assert row_name("a_b", {"a-b"}).startswith("a-b-")
    assert plain_name("plain.add(1, 2)") == "plain-add-1-2"
