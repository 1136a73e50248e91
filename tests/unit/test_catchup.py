"""Every due time that has come is accounted for exactly once: run, covered by a run, or missed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from beat.time.catchup import GRACE, MAX_AT_ONCE, Outcome, Plan, settle
from beat.time.timetable import MICROSECOND, Timing, dues, jittered, next_due
from tests.support.cron import EXPRESSIONS, utc

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOON = utc(2026, 11, 23, 12)

hourly = Timing("hourly", every=HOUR)


def test_one_due_time_on_time_is_one_plain_run() -> None:
    assert settle(hourly, NOON, NOON, NOON + SECOND) == Plan((Outcome(NOON),), NOON + HOUR)


@pytest.mark.parametrize("catch_up", ["latest", "all", "none"])
def test_a_slow_tick_misses_nothing(catch_up: str) -> None:
    plan = settle(hourly, NOON, NOON, NOON + GRACE, catch_up, timedelta())
    assert plan == Plan((Outcome(NOON),), NOON + HOUR)


def test_what_was_missed_becomes_one_run_that_says_what_it_covers() -> None:
    plan = settle(hourly, NOON, NOON, NOON + 5 * HOUR + MINUTE)
    assert plan.outcomes == (Outcome(NOON + 5 * HOUR, covers_from=NOON, count=6),)
    assert plan.following == NOON + 6 * HOUR


def test_a_daily_job_whose_time_passed_while_all_was_down_runs_once_afterwards() -> None:
    daily = Timing("daily", cron="0 17 * * *")
    due = utc(2026, 11, 23, 17)
    plan = settle(daily, None, due, utc(2026, 11, 23, 19))
    assert plan == Plan((Outcome(due),), due + DAY)


def test_what_is_older_than_the_window_is_one_missed_row() -> None:
    plan = settle(hourly, NOON, NOON, NOON + 30 * HOUR, window=DAY)
    old, run = plan.outcomes
    assert (old.due_at, old.covers_from, old.count) == (NOON + 5 * HOUR, NOON, 6)
    assert old.missed == "older than catch_up_window 1 day"
    assert run == Outcome(NOON + 30 * HOUR, covers_from=NOON + 6 * HOUR, count=25)


def test_without_catch_up_only_what_is_just_due_runs() -> None:
    late = NOON + 3 * HOUR + 10 * SECOND
    missed, run = settle(hourly, NOON, NOON, late, "none").outcomes
    assert (missed.due_at, missed.count, missed.missed) == (NOON + 2 * HOUR, 3, "catch_up is none")
    assert run == Outcome(NOON + 3 * HOUR)
    later = settle(hourly, NOON, NOON, NOON + 3 * HOUR + 2 * GRACE, "none")
    assert [(one.count, one.missed) for one in later.outcomes] == [(4, "catch_up is none")]
    assert later.following == NOON + 4 * HOUR


def test_one_late_due_time_without_catch_up_is_missed() -> None:
    plan = settle(hourly, NOON, NOON, NOON + 2 * MINUTE, "none")
    assert plan == Plan((Outcome(NOON, missed="catch_up is none"),), NOON + HOUR)


def test_all_runs_a_bounded_number_at_once_and_goes_on_with_the_next() -> None:
    minutely = Timing("minutely", every=MINUTE)
    plan = settle(minutely, NOON, NOON, NOON + 5 * HOUR, "all")
    assert [one.due_at for one in plan.outcomes] == [NOON + n * MINUTE for n in range(MAX_AT_ONCE)]
    assert plan.following == NOON + MAX_AT_ONCE * MINUTE


def test_jitter_is_no_lateness() -> None:
    """With catch_up none and a jitter of ten minutes nearly all starts are later than the grace."""
    for number in range(50):
        timing = replace(hourly, name=f"s{number}", jitter=10 * MINUTE)
        start = jittered(timing, NOON, NOON + HOUR)
        for window in (timedelta(), DAY):
            plan = settle(timing, NOON, NOON, start + SECOND, "none", window)
            assert plan == Plan((Outcome(NOON),), NOON + HOUR)


def test_a_due_time_that_jitter_still_holds_back_is_left_for_its_start() -> None:
    timing = next(
        timing
        for number in range(100)
        if (timing := replace(hourly, name=f"s{number}", jitter=50 * MINUTE))
        and jittered(timing, NOON + HOUR, NOON + 2 * HOUR) > NOON + HOUR + 30 * MINUTE
    )
    plan = settle(timing, NOON, NOON, NOON + HOUR + 30 * MINUTE)
    assert plan == Plan((Outcome(NOON),), NOON + HOUR)


def test_the_end_of_a_schedule_leaves_nothing_to_follow() -> None:
    timing = replace(hourly, ends_at=NOON + 2 * HOUR)
    plan = settle(timing, NOON, NOON, NOON + DAY / 2)
    assert plan == Plan((Outcome(NOON + HOUR, NOON, 2),), None)


timings = st.one_of(
    st.builds(
        Timing,
        st.text("abc", max_size=3),
        every=st.timedeltas(SECOND, 3 * DAY),
        jitter=st.none() | st.timedeltas(MICROSECOND, DAY),
    ),
    st.builds(
        Timing,
        st.just("one"),
        cron=EXPRESSIONS,
        timezone=st.sampled_from(("UTC", "Europe/London")),
        jitter=st.none() | st.timedeltas(MICROSECOND, DAY),
    ),
)


@given(
    timings,
    st.datetimes(datetime(2026, 3, 1), datetime(2026, 4, 30), timezones=st.just(UTC)),
    st.integers(0, 300),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["latest", "all", "none"]),
    st.sampled_from([timedelta(), MINUTE, HOUR, DAY, 30 * DAY]),
)
def test_every_due_time_is_accounted_for_exactly_once(
    timing: Timing, after: datetime, missed: int, share: float, catch_up: str, window: timedelta
) -> None:
    first = next_due(timing, after, after)
    assume(first is not None)
    assert first is not None
    walked = list(islice(dues(timing, after, first, utc(2080)), missed + 2))
    assume(len(walked) == missed + 2)
    now = walked[missed] + (walked[missed + 1] - walked[missed]) * share
    # A beat claims when jitter lets it.
    now = max(now, jittered(timing, first, walked[1]))
    walked = [due for due in walked if due <= now]
    accounted: list[datetime] = []
    due: datetime | None = first
    while due is not None and due <= now:
        plan = settle(timing, after, due, now, catch_up, window)
        assert plan.outcomes
        for outcome in plan.outcomes:
            begin = len(accounted)
            covered = walked[begin : begin + outcome.count]
            assert covered[0] == (outcome.covers_from or outcome.due_at)
            assert covered[-1] == outcome.due_at
            assert (outcome.covers_from is None) == (outcome.count == 1)
            accounted += covered
            late = now - outcome.due_at
            if outcome.missed:
                assert late > (GRACE if catch_up == "none" else max(window, GRACE))
            elif timing.jitter is None:
                assert late <= (GRACE if catch_up == "none" else max(window, GRACE))
            if catch_up == "all" and not outcome.missed:
                assert outcome.count == 1
        assert len(plan.outcomes) <= 1 + (MAX_AT_ONCE if catch_up == "all" else 1)
        assert [bool(one.missed) for one in plan.outcomes] == sorted(
            (bool(one.missed) for one in plan.outcomes), reverse=True
        )
        due = plan.following
        if due is not None and due <= now and jittered(timing, due, next_due(timing, after, due)) > now:
            break
    assert accounted == walked[: len(accounted)]
    rest = walked[len(accounted) :]
    assert rest == ([] if due is None or due > now else [due])
