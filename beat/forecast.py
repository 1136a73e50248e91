"""What the commands show of the time to come: next due times, the end of a run asked for."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click
from psycopg.rows import namedtuple_row

from beat.planning import COLUMNS, plan, timing_of
from beat.sessions import SessionBook
from beat.timetable import next_due
from workers.console import FAILED, connect, fail


def upcoming(name: str, count: int) -> list[dict[str, Any]]:
    """The next due times of a schedule, as beat would find them."""
    with connect() as connection:
        connection.execute("select schedule_named(%s)", (name,))
        row: Any = (
            connection.cursor(row_factory=namedtuple_row)
            .execute(
                f"select {COLUMNS} from schedule s join task_kind k on k.name = s.task"  # noqa: S608
                " left join schedule_state st on st.schedule = s.name where s.name = %s",
                (name,),
            )
            .fetchone()
        )
        timing = timing_of(row, SessionBook().sessions(connection, row.calendar))
        now = datetime.now(UTC)
    planned = plan(row, timing, now)
    due = planned.next_run_at
    rows: list[dict[str, Any]] = []
    while due is not None and len(rows) < count:
        local = due.astimezone(ZoneInfo(row.timezone))
        rows.append(
            {
                "local": f"{local:%a %Y-%m-%d %H:%M:%S %Z}",
                "utc": f"{due.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                "ahead": ahead(due - now),
            }
        )
        due = next_due(timing, planned.anchor_at, due)
    return rows


def ahead(span: timedelta) -> str:
    """How far ahead, as the database says it."""
    seconds = int(span.total_seconds())
    if seconds <= 0:
        return "soon"
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    if days:
        return f"in {days}d {hours}h"
    if hours:
        return f"in {hours}h {minutes}m"
    return f"in {minutes}m" if minutes else f"in {seconds}s"


def wait_for_answer(connection: Any, asked: int) -> None:
    """Follow a request to the end of its run; exit status 1 when that fails."""
    row: dict[str, Any] = {}
    while not row.get("finished_at"):
        row = connection.execute(
            "select q.answer, r.id, r.state, r.reason, r.error, r.result->>'summary' as summary,"
            " r.finished_at from run_request q left join run r on r.id = q.answer_run_id"
            " where q.id = %s",
            (asked,),
        ).fetchone()
        if row["answer"] and not row["id"]:
            fail(row["answer"], None, FAILED)
        time.sleep(0.2)
    click.echo(f"{row['state']}: {row['error'] or row['reason'] or row['summary']}")
    if row["state"] not in {"succeeded", "partial"}:
        raise SystemExit(FAILED)
