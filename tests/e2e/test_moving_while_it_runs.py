"""django-celery-beat with a thousand rows is moved over while its workers go on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
APP = "tests.support.plain_app"
ROWS, EVERY = 1000, 90
#: On a slower machine rows come due more seldom: the move must be over before they come due again.
MAX_EVERY, QUICK_FILL = 240, 6.0


def moved(path: Path) -> dict[str, tuple[int, datetime]]:
    """Of each row what django-celery-beat says: how often it was sent, and when last."""
    with sqlite3.connect(path) as sql:
        rows = sql.execute(
            "select name, total_run_count, last_run_at"
            " from django_celery_beat_periodictask where last_run_at is not null"
        ).fetchall()
    return {
        name: (count, datetime.fromisoformat(last).replace(tzinfo=UTC)) for name, count, last in rows
    }


def filled(path: Path) -> int:
    """Fill the other scheduler's database; returns the interval of its rows in seconds."""

    def fill(every: int) -> float:
        path.unlink(missing_ok=True)
        began = time.monotonic()
        words = ["-m", "tests.support.django_beat", path, str(ROWS), str(every)]
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True)
        return time.monotonic() - began

    took = fill(EVERY)
    if took < QUICK_FILL:
        return EVERY
    every = min(MAX_EVERY, int(EVERY * took / QUICK_FILL))
    fill(every)
    return every


@pytest.mark.timeout(900)
def test_a_thousand_rows_are_moved_and_no_due_time_is_lost_or_sent_twice(
    celery_process: Callable[..., Any], plain: Any, database: Any, connection: Any, broker_url: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    path, log = tmp_path / "django.sqlite", tmp_path / "consumer.log"
    log.touch()
    every = filled(path)

    def lines() -> list[str]:
        return log.read_text().splitlines()

    celery_process("worker", "-Q", "upkeep", "-c", "2", app=APP, WATCHKEEPER_X_LOG=str(log))
    old = celery_process(
        "beat", app="tests.support.django_beat_app", DJANGO_BEAT=str(path), DJANGO_BEAT_SENDS="200"
    )
    # It saves a count for each of its rows when it ends.
    wait_for(lambda: not old.running, 180.0, 0.5)
    before = moved(path)

    celery_process("beat", app=APP)
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", APP, "schedule", "import", "django-celery-beat",
         "--url", f"sqlite:///{path}", "--yes"],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "WATCHKEEPER_DATABASE_URL": database.url, "WATCHKEEPER_BROKER_URL": broker_url},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    taken = connection.execute("select count(*) from schedule where name like 'row-%'").fetchone()
    assert taken["count"] == ROWS
    at = connection.execute("select clock_timestamp() + interval '5 seconds' as at").fetchone()["at"]
    assert at - max(last for _, last in before.values()) < timedelta(seconds=every), "too slow to tell"
    # Each row comes due once more, by the phase that it had.
    until = at + timedelta(seconds=every)
    connection.execute("update schedule set ends_at = %s", (until,))
    wait_for(
        lambda: connection.execute(
            "select clock_timestamp() > %s and not exists (select from run where state in ('due', 'running'))"
            "   and not exists (select from schedule_state where next_run_at < %s) as over", (until, until),
        ).fetchone()["over"],
        every + 120.0, 1.0,
    )  # fmt: skip

    seen = Counter(lines())
    for name, (count, last) in before.items():
        assert seen[f"message {name}"] == count, name
        expected = (until - last - timedelta(microseconds=1)) // timedelta(seconds=every)
        assert seen[f"run {name}"] == expected, (name, last, until)
    assert sum(seen.values()) > ROWS
    states = connection.execute("select state, count(*) from run group by 1").fetchall()
    assert [row["state"] for row in states] == ["succeeded"]
