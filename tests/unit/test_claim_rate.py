"""Due times are gathered only while many a second come due."""

from __future__ import annotations

import pytest

from beat.tick.claim_rate import MIN_RATE, ClaimRate


def test_few_due_times_a_second_never_wait() -> None:
    rate = ClaimRate(0.035)
    for nth in range(200):
        now = nth / (MIN_RATE - 1)
        rate.add(1, now)
        assert rate.wait(now) == 0


def test_many_due_times_a_second_wait_for_the_rest_of_the_gathering() -> None:
    rate = ClaimRate(0.035)
    rate.add(MIN_RATE, 10.0)
    rate.add(1, 10.1)

    assert rate.wait(10.1) == pytest.approx(0.035)
    assert rate.wait(10.12) == pytest.approx(0.015)
    assert rate.wait(10.2) == 0


def test_the_rate_is_that_of_the_last_second() -> None:
    rate = ClaimRate(0.035)
    rate.add(1000, 10.0)

    assert rate.wait(11.01) == 0


def test_gathering_can_be_switched_off() -> None:
    rate = ClaimRate(0.0)
    rate.add(1000, 10.0)

    assert rate.wait(10.0) == 0


def test_ends_are_gathered_for_longer_while_many_come_due() -> None:
    rate = ClaimRate(0.035)
    rate.add(MIN_RATE, 10.0)
    assert rate.wait_for_ends(10.0, 10.0) == 0

    rate.add(1, 10.1)
    assert rate.wait_for_ends(10.05, 10.1) == pytest.approx(0.125)
    assert rate.wait_for_ends(10.05, 10.3) == 0
    assert rate.wait_for_ends(11.2, 11.2) == 0


def test_each_of_several_beats_waits_for_as_many_times_longer_so_that_all_tick_as_often_as_one() -> (
    None
):
    rate = ClaimRate(0.035)
    rate.beats = 2
    rate.add(MIN_RATE // 2, 10.0)
    assert rate.wait(10.0) == 0

    rate.add(1, 10.1)
    assert rate.wait(10.1) == pytest.approx(0.07)
    assert rate.wait_for_ends(10.1, 10.1) == pytest.approx(0.35)
