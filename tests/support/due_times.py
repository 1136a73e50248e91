"""Schedules that run every due time, and what must be true of their runs whatever happened to beats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.support.beat import Drive

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


def every_due_time_has_one_run(drive: Drive, schedules: int, every: timedelta = EVERY) -> int:
    """Runs in all, after checking that each schedule's are whole and none is there twice."""
    rows = drive.all(
        "select schedule, count(*) as n, count(distinct due_at) as due,"
        " max(due_at) - min(due_at) as span from run group by schedule"
    )
    assert len(rows) == schedules
    for row in rows:
        assert row["n"] == row["due"]
        assert row["span"] == (row["n"] - 1) * every, row
    assert drive.one("select count(*) as n from run where state <> 'due'")["n"] == 0
    return sum(row["n"] for row in rows)


def every_run_has_a_message(drive: Drive) -> Counter[Any]:
    copies = Counter(drive.queued_ids())
    runs = {row["id"] for row in drive.all("select id from run")}
    assert set(copies) == runs
    return copies


def due_times_pass(drive: Drive, times: int, eventually: Callable[..., Any]) -> None:
    """Wait until every schedule has that many runs more."""
    count = "select schedule, count(*) as n from run group by schedule"
    before = {row["schedule"]: row["n"] for row in drive.all(count)}
    schedules = drive.one("select count(*) as n from schedule where task = 'tests.noop'")["n"]

    def passed() -> bool:
        more = [row["n"] - before.get(row["schedule"], 0) for row in drive.all(count)]
        return len(more) == schedules and min(more) >= times

    eventually(passed, within=times * EVERY.total_seconds() + 30, every=0.1)
