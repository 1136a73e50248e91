"""The next due times that Postgres shows (`next_runs`) are those that beat will find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beat.tick.reading import connect
from beat.tick.session_cache import SessionCache
from beat.time.timetable import MICROSECOND, Timing, next_due
from tests.support import cron
from tests.support.cron import EXPRESSIONS, changes

NEAR = st.integers(-3 * 86400, 3 * 86400).map(lambda seconds: timedelta(seconds=seconds))
SLOW = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


TRADING_DAYS = """
insert into market_session
select 'XNYS', day, (day + time '09:30') at time zone 'America/New_York', (day + time '16:00') at time zone 'America/New_York'
  from generate_series(date '2026-11-16', date '2026-12-31', interval '1 day') d, lateral (select d::date as day) one
 where extract(isodow from day) < 6 and day not in ('2026-11-26', '2026-12-25')
"""


def in_python(text: str, zone: str, first: datetime, most: int) -> list[datetime]:
    found: list[datetime] = []
    due = cron.next_due(text, first - MICROSECOND, zone)
    while due is not None and len(found) < most and due < first + timedelta(days=18000):
        found.append(due)
        due = cron.next_due(text, due, zone)
    return found


@SLOW
@given(cases=st.lists(st.tuples(EXPRESSIONS, changes(), NEAR), min_size=15, max_size=25))
def test_cron_comes_at_the_same_times_in_sql_also_where_clocks_are_changed(
    connection: Any, cases: list[Any]
) -> None:
    for text, (zone, change), near in cases:
        first = change + near
        row = connection.execute(
            "select cron_dues(%s, %s, %s, 'infinity', 12) as dues", (text, zone.key, first)
        ).fetchone()
        until = first + timedelta(days=18000)
        assert [due for due in row["dues"] if due < until] == in_python(text, zone.key, first, 12), (
            text, zone, first,
        )  # fmt: skip


@SLOW
@given(
    every=st.integers(1, 10**12),
    anchor=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    first=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_the_grid_of_every_is_the_same_to_the_microsecond(
    drive: Any, every: int, anchor: datetime, first: datetime
) -> None:
    length = timedelta(microseconds=every)
    row = drive.one(
        "select plain_dues(jsonb_populate_record(null::schedule, jsonb_build_object('every', %s::interval)),"
        " %s, %s, 'infinity', 3) as dues",
        length, anchor, first,
    )  # fmt: skip
    timing = Timing("grid", every=length)
    expected, due = [], next_due(timing, anchor, first - MICROSECOND)
    for _ in range(3):
        assert due is not None
        expected.append(due)
        due = next_due(timing, anchor, due)
    assert row["dues"] == expected


def stepped(timing: Timing, anchor: datetime | None, first: datetime) -> Any:
    due = next_due(timing, anchor, first - MICROSECOND)
    while due is not None:
        yield due
        due = next_due(timing, anchor, due)


@pytest.mark.parametrize("hours", ["day", "session"])
@pytest.mark.parametrize("columns", [{"every": timedelta(minutes=47)}, {"cron": "5 7,21 * * *"}])
def test_a_calendar_keeps_the_same_due_times_in_sql(
    drive: Any, hours: str, columns: dict[str, Any]
) -> None:
    drive.sql.execute(TRADING_DAYS)
    first = datetime(2026, 11, 19, 3, tzinfo=UTC)
    drive.schedule(
        "traded", calendar="XNYS", calendar_hours=hours, timezone="Australia/Sydney",
        starts_at=first, ends_at=first + timedelta(days=30), **columns,
    )  # fmt: skip
    row = drive.one(
        "select due_times(s, %s, %s, 'infinity', 400) as dues from schedule s", first, first
    )
    with connect() as connection:
        known = SessionCache().sessions(connection, "XNYS")
    timing = Timing(
        "traded", columns.get("every"), columns.get("cron"), timezone="Australia/Sydney", starts_at=first,
        ends_at=first + timedelta(days=30), sessions=known,
        within_hours=hours == "session",
    )  # fmt: skip
    assert row["dues"] == list(islice(stepped(timing, first, first), 400))
    assert len(row["dues"]) > 10


@pytest.mark.parametrize(
    "columns",
    [
        {"every": timedelta(minutes=7)},
        {"every": timedelta(hours=5), "starts_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"cron": "30 17 * * 1-5", "timezone": "America/New_York"},
        {"at": datetime(2031, 1, 1, tzinfo=UTC)},
        {"every": timedelta(hours=1), "max_runs": 3},
        {"every": timedelta(hours=1), "paused_until": datetime(2031, 1, 1, tzinfo=UTC)},
        {"every": timedelta(hours=1), "enabled": False},
    ],
)
def test_what_is_shown_before_beat_has_planned_is_what_beat_then_plans(
    drive: Any, columns: dict[str, Any]
) -> None:
    drive.schedule("shown", **columns)
    before = drive.all("select due_at from next_runs('shown', 5)")
    turn = drive.scheduler._begin()
    drive.scheduler._steps[0].take(turn)
    after = drive.all("select due_at from next_runs('shown', 5)")

    planned = drive.state("shown")["next_run_at"]
    assert (after[0]["due_at"] if after else None) == planned
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        # A new row without a start begins when it is planned.
        assert abs(one["due_at"] - other["due_at"]) < timedelta(seconds=5)


def test_next_runs_says_it_in_words_in_the_schedules_zone(drive: Any) -> None:
    drive.schedule("late", cron="30 17 * * *", timezone="America/New_York")
    rows = drive.all("select * from next_runs('late', 2)")

    for row in rows:
        local = row["due_at"].astimezone(ZoneInfo("America/New_York"))
        assert row["local"] == f"{local:%a %Y-%m-%d %H:%M:%S} America/New_York"
        assert row["ahead"].startswith("in ")


def test_next_runs_of_a_name_that_is_not_there_lists_the_names(drive: Any) -> None:
    import psycopg

    drive.schedule("here")
    with pytest.raises(psycopg.errors.NoDataFound, match='no schedule named "hero"') as refused:
        drive.sql.execute("select * from next_runs('hero')")
    assert "here" in (refused.value.diag.message_hint or "")
