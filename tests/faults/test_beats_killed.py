"""Beats are killed and started again and again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.support.beat import Drive
from tests.support.due_times import (
    beats_up,
    due_times_pass,
    every_due_time_has_one_run,
    every_run_has_a_message,
    many,
)


def test_beats_killed_again_and_again_lose_nothing_and_run_nothing_twice(
    drive: Drive, celery_process: Callable[..., Any], eventually: Any
) -> None:
    many(drive, 200)
    survivor, victim = celery_process("beat"), celery_process("beat")
    beats_up(drive, 2, eventually)
    for _ in range(2):
        due_times_pass(drive, 1, eventually)
        victim.kill()
        victim.start()
    due_times_pass(drive, 2, eventually)
    for beat in (survivor, victim):
        beat.stop()
    drive.work(timedelta(seconds=6), rounds=3)
    runs = every_due_time_has_one_run(drive, 200)
    assert runs >= 200 * 4
    every_run_has_a_message(drive)
