"""Redis is killed under a beat, and comes back empty."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from tests.support.beat import Drive
from tests.support.due_times import beats_up, every_due_time_has_one_run, every_run_has_a_message, many


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
