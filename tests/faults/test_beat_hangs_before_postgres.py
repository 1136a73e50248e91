"""The network between a beat and Postgres hangs: nothing arrives, no error says so."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.beat import Drive
from tests.support.due_times import (
    beats_up,
    due_times_pass,
    every_due_time_has_one_run,
    every_run_has_a_message,
    many,
)
from workers.health import MAX_AGE, problem_of


def test_the_other_beat_does_the_work_of_one_that_hangs(
    drive: Drive, celery_process: Any, proxy: Any, postgres_server: Any, database: Any,
    tmp_path: Path, eventually: Any,
) -> None:  # fmt: skip
    between = proxy(postgres_server.port)
    url = database.url.replace(f":{postgres_server.port}/", f":{between.port}/")
    folder = tmp_path / "hanging"
    many(drive, 30)
    hanging = celery_process(
        "beat", WATCHKEEPER_DATABASE_URL=url, WATCHKEEPER_HEARTBEAT_DIR=str(folder)
    )
    other = celery_process("beat")
    beats_up(drive, 2, eventually)

    between.freeze()
    before = drive.now()
    eventually(lambda: len(drive.all("select from run where created_at > %s", before)) >= 30, within=20)
    # It proves no use any more: its health check will fail as soon as its last sign is old enough.
    eventually(lambda: problem_of(folder, time.time() + MAX_AGE - 12), within=30)
    between.mend()

    eventually(lambda: problem_of(folder, time.time() + MAX_AGE - 12) is None, within=30)
    due_times_pass(drive, 1, eventually)
    for beat in (hanging, other):
        assert beat.running
        beat.stop()
    drive.work(timedelta(seconds=6), rounds=3)
    every_due_time_has_one_run(drive, 30)
    every_run_has_a_message(drive)
