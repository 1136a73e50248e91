"""Postgres goes away under a beat, and comes back."""

from __future__ import annotations

import time
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

#: Shorter than the bound of the return: a due time must come within it, wherever the outage falls.
EVERY = timedelta(seconds=1)


def test_beat_goes_on_by_itself_when_postgres_comes_back(
    drive: Drive, celery_process: Any, postgres_server: Any, eventually: Any
) -> None:
    many(drive, 20, EVERY)
    beat = celery_process("beat", WATCHKEEPER_LOG_LEVEL="INFO")
    beats_up(drive, 1, eventually)
    eventually(lambda: len(drive.all("select from run")) >= 20)
    drive.close()
    postgres_server.stop()
    eventually(lambda: "beat.away" in beat.log.read_text())
    postgres_server.start()
    back = time.monotonic()
    drive.reconnect()
    # Beat may have been here before this test was: of its runs none is older than the server.
    since = "select from run where created_at > pg_postmaster_start_time()"
    eventually(lambda: drive.all(since), within=10)
    assert time.monotonic() - back < 5
    due_times_pass(drive, 1, eventually)
    beat.stop()
    drive.work(timedelta(seconds=6), rounds=3)
    every_due_time_has_one_run(drive, 20, EVERY)
    every_run_has_a_message(drive)
    said = beat.log.read_text()
    assert said.count("beat.away") == 1
    assert said.count("beat.back") == 1
