"""Due times: the grid of elapsed seconds, start and end, jitter; the same however it is stepped."""

from __future__ import annotations

import time
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from beat.time.timetable import (
    MICROSECOND,
    Timing,
    dues,
    grid_after,
    jittered,
    next_due,
    span,
)
from tests.support.cron import EXPRESSIONS, ZONES, utc

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

instants = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
everies = st.timedeltas(timedelta(milliseconds=100), timedelta(days=400))
timings = st.one_of(
    st.builds(Timing, st.just("one"), every=everies),
    st.builds(Timing, st.just("one"), cron=EXPRESSIONS, timezone=st.sampled_from(ZONES)),
    st.builds(Timing, st.just("one"), at=instants),
)


def test_last_due_plus_interval_is_next() -> None:
    timing = Timing("discovery", every=6 * HOUR)
    assert next_due(timing, utc(2025, 12, 29, 8), utc(2025, 12, 29, 9)) == utc(2025, 12, 29, 14)


def test_a_late_start_does_not_move_the_grid() -> None:
    timing = Timing("discovery", every=6 * HOUR)
    assert next_due(timing, utc(2025, 12, 28, 8), utc(2025, 12, 29, 9)) == utc(2025, 12, 29, 14)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (utc(2025, 10, 23, 16, 59), utc(2025, 10, 23, 17)),
        (utc(2025, 10, 23, 18), utc(2025, 10, 24, 17)),
        (utc(2025, 10, 23, 17), utc(2025, 10, 24, 17)),
    ],
)
def test_a_daily_time_is_today_or_tomorrow(now: datetime, due: datetime) -> None:
    assert next_due(Timing("daily", cron="0 17 * * *"), None, now) == due


def test_a_time_given_once_comes_once() -> None:
    timing = Timing("once", at=utc(2026, 5))
    assert next_due(timing, None, utc(2026)) == utc(2026, 5)
    assert next_due(timing, None, utc(2026, 5)) is None


def test_nothing_is_due_before_the_start_and_the_start_itself_is() -> None:
    start = utc(2026, 3, 1, 7, 30)
    assert next_due(Timing("one", every=HOUR, starts_at=start), None, utc(2026)) == start
    assert next_due(Timing("one", every=HOUR, starts_at=start), start, start) == start + HOUR
    cron = Timing("one", cron="30 7 * * *", starts_at=start)
    assert next_due(cron, None, utc(2026)) == start


def test_nothing_is_due_at_or_after_the_end() -> None:
    timing = Timing("one", every=HOUR, ends_at=utc(2026, 1, 1, 3))
    assert list(dues(timing, utc(2026), utc(2026), utc(2027))) == [
        utc(2026, 1, 1, hour) for hour in range(3)
    ]


def test_an_interval_is_elapsed_time_whatever_the_clocks_do() -> None:
    """The zone an instant is written in changes nothing, also on the day its clock is changed."""
    zone = ZoneInfo("America/New_York")
    anchor = datetime(2026, 3, 7, 12, tzinfo=zone)
    due = grid_after(anchor, timedelta(days=1), datetime(2026, 3, 8, 0, tzinfo=zone))
    assert due == utc(2026, 3, 8, 17)
    assert due.astimezone(zone).hour == 13


@given(instants, everies, instants)
def test_the_grid_never_drifts(anchor: datetime, every: timedelta, after: datetime) -> None:
    due = grid_after(anchor, every, after)
    assert (due - anchor) % every == timedelta()
    assert due == anchor if after < anchor else after < due <= after + every


@given(timings, instants, instants, st.floats(0, 1))
def test_due_times_are_monotone_and_the_same_however_stepped(
    timing: Timing, anchor: datetime, after: datetime, share: float
) -> None:
    due = next_due(timing, anchor, after)
    assume(due is not None)
    assert due is not None
    assert due > after
    between = min(after + (due - after) * share, due - MICROSECOND)
    assert next_due(timing, anchor, between) == due
    following = next_due(timing, anchor, due)
    assert following is None or following > due


@given(timings, instants, instants, st.integers(0, 40), st.booleans())
def test_a_span_is_counted_as_if_stepped_through(
    timing: Timing, anchor: datetime, after: datetime, steps: int, ends: bool
) -> None:
    first = next_due(timing, anchor, after)
    assume(first is not None)
    assert first is not None
    walked = [
        due for due, _ in zip(dues(timing, anchor, first, utc(2090)), range(steps + 2), strict=False)
    ]
    last = walked[min(steps, len(walked) - 1)]
    if ends:
        timing = Timing(
            "one", timing.every, timing.cron, timing.at, timing.timezone, ends_at=last + MICROSECOND
        )
    found = span(timing, anchor, first, last)
    count = walked.index(last) + 1
    following = None if ends or len(walked) == count else walked[count]
    assert (found.first, found.last, found.count) == (first, last, count)
    assert found.following == following


@given(everies, st.timedeltas(MICROSECOND, timedelta(days=3)), instants, st.text(max_size=9))
def test_jitter_never_reaches_the_next_due_time_and_never_changes(
    every: timedelta, jitter: timedelta, due: datetime, name: str
) -> None:
    timing = Timing(name, every=every, jitter=jitter)
    start = jittered(timing, due, due + every)
    assert due <= start < due + min(every, jitter)
    assert jittered(timing, due.astimezone(ZoneInfo("Asia/Tokyo")), due + every) == start


def test_jitter_spreads_schedules_over_the_whole_of_it() -> None:
    starts = [
        (jittered(Timing(f"s{n}", every=HOUR, jitter=HOUR), utc(2026), utc(2026, 1, 1, 1)) - utc(2026))
        for n in range(1000)
    ]
    by_quarter = [sum(start // (15 * MINUTE) == quarter for start in starts) for quarter in range(4)]
    assert min(by_quarter) > 200


def test_an_outage_of_years_is_counted_at_once() -> None:
    """A tick holds locks while it counts: the work must not grow with the due times missed."""
    begun = time.process_time()
    every = span(Timing("one", every=timedelta(seconds=1)), utc(2016), utc(2016), utc(2026))
    cron = span(Timing("two", cron="* * * * *", timezone="Europe/London"), None, utc(2016), utc(2026))
    assert time.process_time() - begun < 2
    assert every.count == (utc(2026) - utc(2016)) // timedelta(seconds=1) + 1
    assert cron.count == (utc(2026) - utc(2016)) // MINUTE + 1


def test_next_due_of_an_interval_takes_microseconds() -> None:
    timing, anchor, after = Timing("one", every=MINUTE), utc(2026), utc(2026, 11, 23, 12, 3)
    begun = time.process_time()
    for _ in range(10_000):
        next_due(timing, anchor, after)
    # A few microseconds each; the bound leaves room for a slow machine.
    assert time.process_time() - begun < 0.3


@pytest.mark.parametrize("every", [timedelta(), -HOUR])
def test_an_interval_that_no_check_has_seen_is_refused_not_due_for_ever(every: timedelta) -> None:
    with pytest.raises(ValueError, match="every must be longer than zero"):
        next_due(Timing("restored", every=every), utc(2026), utc(2026, 2))


def test_due_times_do_not_depend_on_the_files_of_a_host(tmp_path: Path) -> None:
    old = tmp_path / "Africa" / "Windhoek"
    old.parent.mkdir()
    old.write_bytes(resources.files("tzdata.zoneinfo").joinpath("UTC").read_bytes())
    timing = Timing("nightly", cron="0 3 * * *", timezone="Africa/Windhoek")
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    try:
        due = next_due(timing, None, datetime(2026, 7, 1, tzinfo=UTC))
    finally:
        zoneinfo.reset_tzpath()
    assert due == datetime(2026, 7, 1, 1, tzinfo=UTC)
