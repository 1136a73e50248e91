"""Notifications in vain cost beat at most ten ticks a second; useful ones are never waited for."""

from __future__ import annotations

from beat.tick.wakeup import Vain


def test_a_flood_in_vain_wakes_beat_at_most_ten_times_a_second() -> None:
    vain, now, woken = Vain(0.0), 0.0, 0
    while True:
        now += vain.wait(now) + 0.001
        if now > 1.0:
            break
        woken += 1
        vain.count(now)

    assert 5 <= woken <= 10


def test_a_beat_that_comes_second_to_other_edits_is_not_slowed() -> None:
    vain = Vain(0.0)
    for nth in range(1000):
        now = nth * 0.02
        assert vain.wait(now) == 0
        if nth % 3:
            vain.count(now)
        else:
            vain.forget()


def test_what_was_useful_is_not_saved_up_for_a_flood() -> None:
    vain = Vain(0.0)
    for _ in range(100):
        vain.forget()
    for _ in range(6):
        vain.count(0.0)

    assert vain.wait(0.0) > 0
