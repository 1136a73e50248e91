"""The clocks of beats' hosts are wrong."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.processes import Process
from tests.support.beat import Drive
from tests.support.due_times import (
    beats_up,
    due_times_pass,
    every_due_time_has_one_run,
    every_run_has_a_message,
    many,
)

ROOT = Path(__file__).parents[2]


def test_beats_whose_hosts_clocks_are_ten_minutes_off_make_no_difference(
    drive: Drive, database: Any, broker_url: str, tmp_path: Path, eventually: Any
) -> None:
    many(drive, 20)
    urls = {"WATCHKEEPER_DATABASE_URL": database.url, "WATCHKEEPER_BROKER_URL": broker_url}
    off = [600, -600]
    beats = [
        Process(
            [sys.executable, "-m", "tests.support.celery_with_wrong_clock", str(ahead), "-A", "workers.app",
             "beat", "-n", f"beat{nth}@%h"],
            log=tmp_path / f"beat{nth}.log", cwd=ROOT, env=urls,
        )
        for nth, ahead in enumerate(off)
    ]  # fmt: skip
    for beat in beats:
        beat.start()
    try:
        beats_up(drive, 2, eventually)
        due_times_pass(drive, 2, eventually)
    finally:
        for beat in beats:
            beat.stop()
    skews = drive.all("select (detail ->> 'clock_skew')::float8 as skew from heartbeat")
    assert all(any(abs(row["skew"] - ahead) < 5 for row in skews) for ahead in off)
    drive.work(timedelta(seconds=6), rounds=3)
    every_due_time_has_one_run(drive, 20)
    # None early, none late by more than a loaded machine makes it.
    found = drive.one(
        "select min(created_at - due_at) as early, max(created_at - due_at) as late from run"
        " where created_at < clock_timestamp()"
    )
    assert timedelta() <= found["early"]
    assert found["late"] < timedelta(seconds=30)


def test_the_clock_of_beats_host_makes_no_difference(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 600)
    many(drive, 3)
    drive.work(rounds=2)
    drive.work(timedelta(seconds=11))
    assert every_due_time_has_one_run(drive, 3) == 9
    every_run_has_a_message(drive)
