"""Cron where clocks are changed: a table of cases by hand, and an oracle that walks every minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from beat.time import cron
from tests.support.cron import EXPRESSIONS, ZONES, changes, next_due

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

#: Zone, date, expression, all its starts on that date: local times with their offset.
TABLE = """
# The hour from 2 to 3 is skipped.
America/New_York | 2026-03-08 | 30 2 * * * | 03:00-0400
America/New_York | 2026-03-08 | 0 2 * * * | 03:00-0400
America/New_York | 2026-03-08 | 59 1 * * * | 01:59-0500
America/New_York | 2026-03-08 | 0 3 * * * | 03:00-0400
America/New_York | 2026-03-08 | 5,35 2 * * * | 03:00-0400
America/New_York | 2026-03-08 | 30 1,2,3 * * * | 01:30-0500 03:00-0400 03:30-0400
America/New_York | 2026-03-08 | */30 1-3 * * * | 01:00-0500 01:30-0500 03:00-0400 03:30-0400
America/New_York | 2026-03-08 | */30 2 * * * |
America/New_York | 2026-03-08 | 0 17 * * * | 17:00-0400
# The hour from 1 to 2 is repeated.
America/New_York | 2026-11-01 | 30 1 * * * | 01:30-0400
America/New_York | 2026-11-01 | 0 1 * * * | 01:00-0400
America/New_York | 2026-11-01 | 0 2 * * * | 02:00-0500
America/New_York | 2026-11-01 | */30 1 * * * | 01:00-0400 01:30-0400 01:00-0500 01:30-0500
America/New_York | 2026-11-01 | 0 * * * * | 25 starts
America/New_York | 2026-11-01 | 0 17 * * * | 17:00-0500
# The hour from 1 to 2 is skipped, and repeated.
Europe/London | 2026-03-29 | 30 1 * * * | 02:00+0100
Europe/London | 2026-10-25 | 30 1 * * * | 01:30+0100
Europe/London | 2026-10-25 | */30 1 * * * | 01:00+0100 01:30+0100 01:00+0000 01:30+0000
# Half an hour from 2:00 to 2:30 is skipped; from 1:30 to 2:00 repeated.
Australia/Lord_Howe | 2026-10-04 | 15 2 * * * | 02:30+1100
Australia/Lord_Howe | 2026-10-04 | 45 2 * * * | 02:45+1100
Australia/Lord_Howe | 2026-10-04 | */15 2 * * * | 02:30+1100 02:45+1100
Australia/Lord_Howe | 2026-04-05 | 45 1 * * * | 01:45+1100
Australia/Lord_Howe | 2026-04-05 | */30 1 * * * | 01:00+1100 01:30+1100 01:30+1030
Australia/Lord_Howe | 2026-04-05 | */20 3 * * * | 03:00+1030 03:20+1030 03:40+1030
# At 2:45 and at 3:45, an odd time for a change.
Pacific/Chatham | 2026-09-27 | 0 3 * * * | 03:45+1345
Pacific/Chatham | 2026-09-27 | 44 2 * * * | 02:44+1245
Pacific/Chatham | 2026-04-05 | 0 3 * * * | 03:00+1345
Pacific/Chatham | 2026-04-05 | */30 3 * * * | 03:00+1345 03:30+1345 03:00+1245 03:30+1245
# The first hour of the date is skipped; the last of the date is repeated.
Africa/Cairo | 2026-04-24 | 0 0 * * * | 01:00+0300
Africa/Cairo | 2026-04-24 | @daily | 01:00+0300
Africa/Cairo | 2026-04-24 | 30 0 * * *; 0 1 * * * | 01:00+0300
Africa/Cairo | 2026-04-24 | */30 0 * * * |
Africa/Cairo | 2026-10-29 | 30 23 * * * | 23:30+0300
Africa/Cairo | 2026-10-29 | */30 23 * * * | 23:00+0300 23:30+0300 23:00+0200 23:30+0200
Africa/Cairo | 2026-10-30 | @daily | 00:00+0200
# The first hour of the date is skipped, and repeated.
America/Havana | 2026-03-08 | @midnight | 01:00-0400
America/Havana | 2026-03-08 | 15 0 * * * | 01:00-0400
America/Havana | 2026-11-01 | @midnight | 00:00-0400
America/Havana | 2026-11-01 | */30 0 * * * | 00:00-0400 00:30-0400 00:00-0500 00:30-0500
# A whole date is skipped: what is fixed runs once, at its end; the date's wildcards never come.
Pacific/Apia | 2011-12-31 | 0 9 * * * | 00:00+1400 09:00+1400
Pacific/Apia | 2011-12-31 | */30 9 30 12 * |
"""
CASES = [line.split("|") for line in TABLE.splitlines() if line and not line.startswith("#")]


def starts(text: str, zone: ZoneInfo, first: datetime, until: datetime) -> list[datetime]:
    """Due times in [first, until), one step at a time."""
    found, due = [], next_due(text, first - timedelta(microseconds=1), zone.key)
    while due is not None and due < until:
        found.append(due)
        due = next_due(text, due, zone.key)
    return found


def midnights(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return tuple(datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + DAY))  # type: ignore[return-value]


@pytest.mark.parametrize(("key", "day", "text", "expected"), CASES)
def test_a_changed_clock_neither_loses_nor_repeats_what_is_fixed(
    key: str, day: str, text: str, expected: str
) -> None:
    zone = ZoneInfo(key.strip())
    found = starts(text, zone, *midnights(date.fromisoformat(day.strip()), zone))
    if expected.endswith("starts"):
        assert f"{len(found)} starts" == expected.strip()
    else:
        assert " ".join(f"{due.astimezone(zone):%H:%M%z}" for due in found) == expected.strip()


def test_seventeen_hours_in_new_york_is_another_instant_after_the_change() -> None:
    after = datetime(2026, 3, 7, tzinfo=UTC)
    first = next_due("0 17 * * *", after, "America/New_York")
    assert first == datetime(2026, 3, 7, 22, tzinfo=UTC)
    third = next_due("0 17 * * *", after + 2 * DAY, "America/New_York")
    assert third == datetime(2026, 3, 9, 21, tzinfo=UTC)


def walked(text: str, zone: ZoneInfo, first: datetime, until: datetime) -> list[datetime]:
    """The same by looking at every minute's local time, and at every date's fixed times."""
    found: set[datetime] = set()
    for expression in cron.parse(text).expressions:
        if expression.is_fixed:
            day = first.astimezone(zone).date() - 2 * DAY
            while day <= until.astimezone(zone).date() + 2 * DAY:
                if expression.runs_on(day):
                    found.update(once(day, minute, zone) for minute in expression.minutes)
                day += DAY
            continue
        wanted = set(expression.minutes)
        instant = first.replace(second=0, microsecond=0)
        while instant < until:
            local = instant.astimezone(zone)
            if local.hour * 60 + local.minute in wanted and expression.runs_on(local.date()):
                found.add(instant)
            instant += MINUTE
    return sorted(due for due in found if first <= due < until)


def once(day: date, minute: int, zone: ZoneInfo) -> datetime:
    local = datetime.combine(day, time()) + minute * MINUTE
    while (due := local.replace(tzinfo=zone).astimezone(UTC)).astimezone(zone).replace(
        tzinfo=None
    ) != local:
        local += MINUTE
    return due


@settings(max_examples=60)
@given(EXPRESSIONS, changes(), st.integers(-2880, 1440))
@example("* * * * *", (ZoneInfo("America/St_Johns"), datetime(2010, 11, 7, 2, 31, tzinfo=UTC)), -60)
@example(
    "15,45 23,0 * * *", (ZoneInfo("America/St_Johns"), datetime(2010, 3, 14, 3, 31, tzinfo=UTC)), -60
)
@example("*/7 * * * *", (ZoneInfo("Australia/Lord_Howe"), datetime(2026, 4, 4, 15, tzinfo=UTC)), -600)
def test_around_a_change_every_minute_is_as_the_clocks_on_the_wall_say(
    text: str, change: tuple[ZoneInfo, datetime], minutes: int
) -> None:
    zone, instant = change
    first = instant + minutes * MINUTE
    until = first + 2 * DAY
    expected = walked(text, zone, first, until)
    assert starts(text, zone, first, until)[:60] == expected[:60]
    tally = cron.parse(text).tally(first, until - timedelta(microseconds=1), zone)
    assert (tally.count, tally.last) == (len(expected), expected[-1] if expected else None)


@given(EXPRESSIONS, st.sampled_from(ZONES), st.data())
def test_the_same_answer_however_it_is_stepped(text: str, key: str, data: st.DataObject) -> None:
    zone = ZoneInfo(key)
    after = data.draw(st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1))).replace(tzinfo=UTC)
    due = next_due(text, after, zone.key)
    assert due is not None
    assert due > after
    between = after + (due - after) * data.draw(st.floats(0, 0.999))
    assert next_due(text, between, zone.key) == due
    # An instant just before it finds it, and after it comes another.
    assert next_due(text, due - timedelta(microseconds=1), zone.key) == due
    following = next_due(text, due, zone.key)
    assert following is not None
    assert following > due
