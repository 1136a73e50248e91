"""Cron texts: what is understood, what is refused and how, and the same dates as cronsim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from beat.time.cron import CronError, parse
from tests.support.cron import EXPRESSIONS, ZONES, next_due, utc

FORMS = "minute hour day month weekday, e.g. '30 17 * * 1-5' = 17:30 on weekdays."


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("17:00", 'cron "17:00" has 1 field, needs 5', FORMS),
        ("", 'cron "" has 0 fields, needs 5', FORMS),
        ("0 0 * * *;", 'cron "" has 0 fields, needs 5', FORMS),
        ("0 0 0 * * *", 'cron "0 0 0 * * *" has 6 fields, needs 5', FORMS),
        (
            "0 25 * * *",
            'cron "0 25 * * *": bad hour field "25"',
            "hour must be *, a number 0-23, a range a-b, a list a,b or a step */n.",
        ),
        (
            "*/90 * * * *",
            'cron "*/90 * * * *": bad minute field "*/90"',
            "minute must be *, a number 0-59, a range a-b, a list a,b or a step */n.",
        ),
        (
            "0 17 * * mon-fry",
            'cron "0 17 * * mon-fry": bad weekday field "mon-fry"',
            "weekday must be *, a number 0-7, a range a-b, a list a,b or a step */n.",
        ),
        (
            "@reboot",
            'cron "@reboot": there is no "@reboot"',
            "Short forms: @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually",
        ),
    ],
)
def test_a_mistake_is_named_field_by_field(text: str, message: str, hint: str) -> None:
    with pytest.raises(CronError) as caught:
        parse(text)
    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    "text",
    ["0 0 31 2 *", "0 0 30-31 2 *", "0 0 31 feb,apr *", "0 0 31 4-4 *", "0 0 30/1 2 */2"],
)
def test_a_date_that_never_comes_is_refused(text: str) -> None:
    with pytest.raises(CronError, match="would never run: no such date"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "after", "due"),
    [
        # A restricted day of month OR a restricted weekday.
        ("0 0 13 * 5", utc(2026, 11, 1), utc(2026, 11, 6)),
        ("0 0 13 * 5", utc(2026, 12, 11), utc(2026, 12, 13)),
        # A star in front makes it AND: 13 November 2026 is a Friday.
        ("0 0 13 * */5", utc(2026, 11, 1), utc(2026, 11, 13)),
        ("0 0 29 2 *", utc(2026), utc(2028, 2, 29)),
        ("0 0 29 2 */7", utc(2026), utc(2032, 2, 29)),
        ("0 0 31 4-6 *", utc(2026, 4), utc(2026, 5, 31)),
        ("0 0 * * 7", utc(2026, 11, 23), utc(2026, 11, 29)),
        ("0 0 * * sun", utc(2026, 11, 23), utc(2026, 11, 29)),
        ("0 12 * DEC Mon-Fri", utc(2026, 11, 23), utc(2026, 12, 1, 12)),
        ("0 9 * * *; 30 17 * * 1-5", utc(2026, 11, 23, 9), utc(2026, 11, 23, 17, 30)),
        ("@hourly", utc(2026, 1, 1, 5), utc(2026, 1, 1, 6)),
        ("@weekly", utc(2026, 11, 23), utc(2026, 11, 29)),
        ("@monthly", utc(2026, 11, 23), utc(2026, 12)),
        ("@yearly", utc(2026, 11, 23), utc(2027)),
        ("@annually", utc(2026, 11, 23), utc(2027)),
    ],
)
def test_each_form_means_what_debian_means(text: str, after: datetime, due: datetime) -> None:
    assert next_due(text, after, "UTC") == due


@given(
    EXPRESSIONS.filter(lambda text: ";" not in text and "and" not in text),
    st.sampled_from(ZONES),
    st.data(),
)
def test_away_from_changes_of_the_clock_it_equals_cronsim(
    text: str, key: str, data: st.DataObject
) -> None:
    zone = ZoneInfo(key)
    naive = data.draw(st.datetimes(datetime(2012, 1, 1), datetime(2035, 1, 1)))
    after = naive.replace(tzinfo=UTC)
    expected = next(CronSim(text, after.astimezone(zone))).astimezone(UTC)
    near = {(expected + timedelta(days=one)).astimezone(zone).utcoffset() for one in (-3, 0, 3)}
    near |= {(after + timedelta(days=one)).astimezone(zone).utcoffset() for one in (-3, 0, 3)}
    assume(len(near) == 1)
    assert next_due(text, after, key) == expected


@given(
    EXPRESSIONS,
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.integers(0, 300),
)
def test_counting_a_span_equals_stepping_through_it(text: str, first: datetime, minutes: int) -> None:
    begin = first.replace(tzinfo=UTC)
    until = begin + minutes * timedelta(minutes=11)
    found, due = [], next_due(text, begin - timedelta(microseconds=1), "Europe/London")
    while due is not None and due <= until:
        found.append(due)
        due = next_due(text, due, "Europe/London")
    tally = parse(text).tally(begin, until, ZoneInfo("Europe/London"))
    assert (tally.count, tally.last) == (len(found), found[-1] if found else None)
