"""Beats, Postgres and Redis die and come back: nothing is lost, nothing runs twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fix_beat import Drive

from sandbox.processes import Process

ROOT = Path(__file__).parents[2]
EVERY = timedelta(seconds=5)


def many(drive: Drive, number: int, every: timedelta = EVERY) -> None:
    """Schedules that run every due time, whatever happens to beats."""
    drive.sql.execute(
        "insert into schedule (name, task, every, catch_up, overlap)"
        " select 's-' || n, 'tests.noop', %s, 'all', 'allow_all' from generate_series(1, %s) n",
        (every, number),
    )


def beats_up(drive: Drive, number: int, eventually: Callable[..., Any]) -> None:
    seen = (
        "select count(*) as n from heartbeat where role = 'beat' and seen_at > now() - interval '6 s'"
    )
    eventually(lambda: drive.one(seen)["n"] >= number, within=40)


def every_due_time_has_one_run(drive: Drive, schedules: int) -> int:
    """Runs in all, after checking that each schedule's are whole and none is there twice."""
    rows = drive.all(
        "select schedule, count(*) as n, count(distinct due_at) as due,"
        " max(due_at) - min(due_at) as span from run group by schedule"
    )
    assert len(rows) == schedules
    for row in rows:
        assert row["n"] == row["due"]
        assert row["span"] == (row["n"] - 1) * EVERY, row
    assert drive.one("select count(*) as n from run where state <> 'due'")["n"] == 0
    return sum(row["n"] for row in rows)


def every_run_has_a_message(drive: Drive) -> Counter[Any]:
    copies = Counter(drive.queued_ids())
    runs = {row["id"] for row in drive.all("select id from run")}
    assert set(copies) == runs
    return copies


def wait(seconds: float, eventually: Callable[..., Any]) -> None:
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > until, within=seconds + 1, every=0.1)


def test_beats_killed_again_and_again_lose_nothing_and_run_nothing_twice(
    drive: Drive, celery_process: Callable[..., Any], eventually: Any
) -> None:
    many(drive, 200)
    survivor, victim = celery_process("beat"), celery_process("beat")
    beats_up(drive, 2, eventually)
    for _ in range(2):
        wait(4, eventually)
        victim.kill()
        victim.start()
    wait(8, eventually)
    for beat in (survivor, victim):
        beat.stop()
    drive.work(timedelta(seconds=6), rounds=3)
    runs = every_due_time_has_one_run(drive, 200)
    assert runs >= 200 * 4
    every_run_has_a_message(drive)


def test_a_beat_killed_at_any_step_between_claim_and_mark_loses_nothing(
    drive: Drive, database: Any, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = int(os.environ.get("WATCHKEEPER_X_KILLS", "30"))
    many(drive, 25 * kills, every=timedelta(days=1))
    monkeypatch.setenv("WATCHKEEPER_CLAIM_LIMIT", "25")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/faults/killing.py"), str(kills)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert int(done.stdout.split()[-1]) >= kills - 5
    counted = drive.one("select count(*) as n, count(distinct schedule) as names from run")
    assert counted["n"] == counted["names"] == 25 * kills
    copies = every_run_has_a_message(drive)
    # Killed between push and mark: the same message once more, which finds its batch taken.
    assert max(copies.values()) <= 2


def test_beat_goes_on_by_itself_when_postgres_comes_back(
    drive: Drive, celery_process: Any, postgres_server: Any, eventually: Any
) -> None:
    many(drive, 20)
    beat = celery_process("beat", WATCHKEEPER_LOG_LEVEL="INFO")
    beats_up(drive, 1, eventually)
    eventually(lambda: len(drive.all("select from run")) >= 20)
    drive.close()
    postgres_server.stop()
    wait(3, eventually)
    postgres_server.start()
    back = time.monotonic()
    drive.reconnect()
    before = drive.now()
    eventually(lambda: drive.all("select from run where created_at > %s", before), within=10)
    assert time.monotonic() - back < 5
    wait(6, eventually)
    beat.stop()
    drive.work(timedelta(seconds=6), rounds=3)
    every_due_time_has_one_run(drive, 20)
    every_run_has_a_message(drive)
    said = beat.log.read_text()
    assert said.count("beat.away") == 1
    assert said.count("beat.back") == 1


def test_beat_loses_no_due_time_while_redis_is_away(
    drive: Drive, celery_process: Any, valkey_server: Any, eventually: Any
) -> None:
    many(drive, 50)
    beat = celery_process("beat")
    beats_up(drive, 1, eventually)
    eventually(lambda: len(drive.all("select from run")) >= 50)
    valkey_server.kill()
    before = drive.now()
    eventually(lambda: len(drive.all("select from run where created_at > %s", before)) >= 50, within=15)
    valkey_server.start()
    back = time.monotonic()
    unsent = "select from batch where state = 'waiting'"
    eventually(lambda: not drive.all(unsent), within=10)
    assert time.monotonic() - back < 7
    beat.stop()
    # What Redis held when it died is looked for, and sent again.
    drive.work(timedelta(seconds=30), rounds=3)
    every_due_time_has_one_run(drive, 50)
    every_run_has_a_message(drive)


def test_beats_whose_hosts_clocks_are_ten_minutes_off_make_no_difference(
    drive: Drive, database: Any, broker_url: str, tmp_path: Path, eventually: Any
) -> None:
    many(drive, 20)
    urls = {"WATCHKEEPER_DATABASE_URL": database.url, "WATCHKEEPER_BROKER_URL": broker_url}
    off = [600, -600]
    beats = [
        Process(
            [sys.executable, str(ROOT / "tests/faults/astray.py"), str(ahead), "-A", "workers.app",
             "beat", "-n", f"astray{nth}@%h"],
            log=tmp_path / f"astray{nth}.log", cwd=ROOT, env=urls,
        )
        for nth, ahead in enumerate(off)
    ]  # fmt: skip
    for beat in beats:
        beat.start()
    try:
        beats_up(drive, 2, eventually)
        wait(12, eventually)
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
