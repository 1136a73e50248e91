"""What becomes of a run while another of its schedule is active: the whole table of cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beat.time.overlap import MAX_BUFFERED, Act, decide

POLICIES = ("skip", "buffer_one", "buffer_all", "cancel_other", "allow_all")

#: Policy, active, held: what happens, is the active one asked to stop, are the held ones replaced.
TABLE = [
    ("skip", 0, 0, Act.START, False, False),
    ("skip", 1, 0, Act.SKIP, False, False),
    ("skip", 0, 1, Act.SKIP, False, False),
    ("skip", 1, 1, Act.SKIP, False, False),
    ("buffer_one", 0, 0, Act.START, False, False),
    ("buffer_one", 1, 0, Act.HOLD, False, False),
    ("buffer_one", 1, 1, Act.SKIP, False, False),
    ("buffer_one", 0, 1, Act.SKIP, False, False),
    ("buffer_all", 0, 0, Act.START, False, False),
    ("buffer_all", 1, 0, Act.HOLD, False, False),
    ("buffer_all", 1, 7, Act.HOLD, False, False),
    # A held run is older: it goes first also when nothing is active any more.
    ("buffer_all", 0, 1, Act.HOLD, False, False),
    ("buffer_all", 1, MAX_BUFFERED - 1, Act.HOLD, False, False),
    ("buffer_all", 1, MAX_BUFFERED, Act.SKIP, False, False),
    ("cancel_other", 0, 0, Act.START, False, False),
    ("cancel_other", 1, 0, Act.HOLD, True, False),
    ("cancel_other", 1, 1, Act.HOLD, True, True),
    ("cancel_other", 0, 1, Act.HOLD, False, True),
    ("allow_all", 0, 0, Act.START, False, False),
    ("allow_all", 9, 0, Act.START, False, False),
    ("allow_all", 9, 3, Act.START, False, False),
]


@pytest.mark.parametrize(("policy", "active", "held", "act", "cancels", "replaces"), TABLE)
def test_each_policy_decides_as_its_name_says(
    policy: str, active: int, held: int, act: Act, cancels: bool, replaces: bool
) -> None:
    decision = decide(policy, active, held)
    assert (decision.act, decision.cancel_active, decision.replace_held) == (act, cancels, replaces)


@given(st.sampled_from(POLICIES), st.integers(0, 5), st.integers(0, MAX_BUFFERED + 5))
def test_what_does_not_start_says_why(policy: str, active: int, held: int) -> None:
    decision = decide(policy, active, held)
    assert (decision.reason is None) == (decision.act is Act.START)


@given(st.sampled_from(POLICIES[:-1]), st.lists(st.sampled_from(["due", "end"]), max_size=60))
def test_only_allow_all_lets_two_run_at_once_and_buffers_stay_bounded(
    policy: str, events: list[str]
) -> None:
    active = held = 0
    for event in events:
        if event == "end":
            # As beat does: what is held starts when nothing is active.
            active = 0
            if held:
                active, held = 1, held - 1
            continue
        decision = decide(policy, active, held)
        held = 0 if decision.replace_held else held
        active += decision.act is Act.START
        held += decision.act is Act.HOLD
        assert active <= 1
        assert held <= {"skip": 0, "buffer_one": 1, "cancel_other": 1}.get(policy, MAX_BUFFERED)


def test_a_job_of_150_seconds_started_every_minute_never_runs_twice_at_once() -> None:
    ends, started, most = 0, 0, 0
    for second in range(0, 600, 60):
        active = int(second < ends)
        if decide("skip", active, 0).act is Act.START:
            ends, started, active = second + 150, started + 1, active + 1
        most = max(most, active)
    assert (most, started) == (1, 4)


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(ValueError, match="unknown overlap policy 'later'"):
        decide("later", 1, 0)


@pytest.mark.parametrize(
    ("policy", "held", "act", "cancels"),
    [
        ("skip", 0, Act.HOLD, False),
        ("skip", 1, Act.SKIP, False),
        ("buffer_one", 0, Act.HOLD, False),
        ("buffer_one", 1, Act.SKIP, False),
        ("buffer_all", MAX_BUFFERED - 1, Act.HOLD, False),
        ("cancel_other", 0, Act.HOLD, True),
        ("allow_all", 0, Act.START, False),
    ],
)
def test_a_due_time_waits_for_the_run_of_a_backfill(
    policy: str, held: int, act: Act, cancels: bool
) -> None:
    decision = decide(policy, 0, held, backfilling=1)
    assert (decision.act, decision.cancel_active) == (act, cancels)
