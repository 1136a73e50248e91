"""A beat is killed between any two of its steps."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.beat import Drive
from tests.support.due_times import every_run_has_a_message, many

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_a_beat_killed_at_any_step_between_claim_and_mark_loses_nothing(
    drive: Drive, database: Any, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = int(os.environ.get("WATCHKEEPER_X_KILLS", "30"))
    many(drive, 25 * kills, every=timedelta(days=1))
    monkeypatch.setenv("WATCHKEEPER_CLAIM_LIMIT", "25")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_beats", str(kills)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ,
    )
    assert int(done.stdout.split()[-1]) >= kills - 5
    counted = drive.one("select count(*) as n, count(distinct schedule) as names from run")
    assert counted["n"] == counted["names"] == 25 * kills
    copies = every_run_has_a_message(drive)
    # Killed between push and mark: the same message once more, which finds its batch taken.
    assert max(copies.values()) <= 2
