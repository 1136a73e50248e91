"""How the imitations count: against the definition, in whole milliseconds so that nothing is rounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.upstreams.base import windows_of
from sandbox.upstreams.log import ArrivalLog
from sandbox.upstreams.strict import Window, judge, worst

TIMES = st.lists(st.integers(0, 1_000), max_size=40).map(sorted)


def held(times: list[int], end: int, seconds: int) -> int:
    """The definition: arrivals in (end - seconds, end]."""
    return sum(end - seconds < at <= end for at in times)


def arrive(window: Window, at: float) -> float | None:
    """Ask and count at once: None when allowed, else seconds until one would be."""
    broken = judge([window], at)
    return None if broken is None else broken[1]


@given(TIMES, st.integers(0, 8), st.integers(1, 500))
def test_the_fullest_window_is_the_one_of_the_definition(
    times: list[int], calls: int, seconds: int
) -> None:
    found = worst([float(at) for at in times], calls, seconds)

    every_end = range(1_001)
    assert found.most == max((held(times, end, seconds) for end in every_end), default=0)
    assert found.violations == sum(
        held(times[: n + 1], at, seconds) > calls for n, at in enumerate(times)
    )


@given(TIMES, st.integers(1, 8), st.integers(1, 500))
def test_a_strict_window_counts_refused_arrivals_too(
    times: list[int], calls: int, seconds: int
) -> None:
    window = Window(calls, seconds)

    for number, at in enumerate(times):
        refused = arrive(window, at) is not None
        assert refused == (held(times[: number + 1], at, seconds) > calls)


@given(TIMES, st.integers(1, 8), st.integers(1, 500))
def test_a_lenient_window_lets_no_more_through_than_allowed(
    times: list[int], calls: int, seconds: int
) -> None:
    window = Window(calls, seconds, lenient=True)

    let_in: list[int] = []
    for at in times:
        room = held(let_in, at, seconds) < calls
        assert (arrive(window, at) is None) == room
        let_in += [at] if room else []
    assert worst([float(at) for at in let_in], calls, seconds).violations == 0


@given(TIMES, st.integers(1, 8), st.integers(1, 500))
def test_who_waits_as_long_as_told_is_let_in(times: list[int], calls: int, seconds: int) -> None:
    window = Window(calls, seconds)
    wait = None
    for at in times:
        wait = arrive(window, at)

    if wait is not None:
        assert wait > 0
        assert window.wait(times[-1] + wait) is None


def test_a_call_at_the_very_end_of_a_window_is_in_the_next() -> None:
    assert worst([0.0, 6.0], 1, 6.0).violations == 0
    assert worst([0.0, 5.999], 1, 6.0).violations == 1


def test_a_limit_of_no_calls_lets_none_in() -> None:
    assert arrive(Window(0, 5.0), 1.0) == 5.0


@given(TIMES, st.integers(1, 5), st.integers(1, 200), st.integers(1, 8), st.integers(200, 500))
def test_one_arrival_counts_in_all_windows_and_its_wait_holds_for_all(
    times: list[int], few: int, short: int, many: int, long: int
) -> None:
    windows = windows_of([(few, short), (many, long)])
    broken = None

    for number, at in enumerate(times):
        broken = judge(windows, at)
        so_far = times[: number + 1]
        over = [w for w in windows if held(so_far, at, int(w.seconds)) > w.calls]
        assert (broken is not None) == bool(over)
        assert broken is None or broken[0] in over
    if broken is not None:
        assert judge(windows, times[-1] + broken[1]) is None


def test_a_window_of_another_group_does_not_count() -> None:
    feeds = Window(1, 60.0, group="feeds")

    assert feeds.holds_for("feeds")
    assert not feeds.holds_for("pairs")
    assert Window(1, 60.0).holds_for("pairs")


@pytest.mark.parametrize(
    ("group", "violations"), [("feeds", 1), ("pairs", 0)], ids=["its own group", "another"]
)
def test_the_log_judges_each_window_by_its_own_calls(group: str, violations: int) -> None:
    log = ArrivalLog()
    for at in (1.0, 2.0):
        log.add(at, "/a", 200, "allowed", 1, "feeds")

    judged = log.judged([Window(1, 60.0, group=group)], concurrency=1)

    assert judged["violations"] == violations
    assert judged["windows"][0]["group"] == group


def test_too_many_inside_at_once_is_a_violation() -> None:
    log = ArrivalLog()
    for inside in (1, 2, 3):
        log.add(1.0, "/a", 200, "allowed", inside, None)

    judged = log.judged([], concurrency=2)

    assert judged["concurrency"] == {"limit": 2, "most": 3, "violations": 1}
