"""What an idle second costs does not depend on the machine: round trips, statements, commits and WAL are counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from beat.tick import steps
from beat.tick.context import ROUND


@pytest.fixture
def idle(drive: Any) -> Callable[[], None]:
    """One tick of a beat that has nothing to do."""
    drive.schedule("later", every=timedelta(hours=1))
    drive.work(rounds=3)
    drive.sql.execute("update batch set state = 'done', send_at = null")
    drive.sql.execute(
        "update run set state = 'succeeded', finished_at = now(), counted = true, open_batches = 0"
    )
    for _ in range(3):
        drive.work()

    def one() -> None:
        # What happens every ten or thirty seconds is no part of an idle second.
        for step in drive.scheduler._steps:
            step.not_before = float("inf") if step.every > ROUND else 0.0
        drive.scheduler._context.next_reconcile = float("inf")
        drive.scheduler.work()

    return one


def test_an_idle_second_of_beat_is_one_round_trip_and_one_statement(
    drive: Any, idle: Callable[[], None], tmp_path: Path
) -> None:
    idle()
    file = tmp_path / "protocol"
    with file.open("w") as trace:
        pgconn = drive.scheduler._context.connection.pgconn
        pgconn.trace(trace.fileno())
        idle()
        pgconn.untrace()
    told = file.read_text()

    # Of each message the direction, its length and its name: one of each and no transaction around it.
    assert len(re.findall(r"\tB\t\d+\tReadyForQuery\t I", told)) == 1, told
    assert len(re.findall(r"\tF\t\d+\t(?:Query|Execute)\t", told)) == 1, told
    assert len(re.findall(r"\tB\t\d+\tCommandComplete\t \"SELECT 1\"", told)) == 1, told
    assert 0.9 * ROUND < steps.pause(drive.scheduler._context) <= ROUND


def test_an_idle_second_of_beat_writes_nothing(drive: Any, idle: Callable[[], None]) -> None:
    idle()
    written = []
    for _ in range(5):
        before = drive.one("select pg_current_wal_insert_lsn() as at")["at"]
        for _ in range(10):
            idle()
        after = drive.one("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s) as bytes", before)
        written.append(int(after["bytes"]))

    # The server itself may write (autovacuum, a checkpoint), but not each time.
    assert min(written) == 0, written
