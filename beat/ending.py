"""Draws conclusions from runs: stops, deadlines, failures in a row, followers (`after`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
import structlog
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection as AlchemyConnection
from sqlalchemy import text

from beat import states
from beat.claiming import Claim
from beat.ledger import Message
from beat.sessions import SessionBook
from workers import claims, outcomes, runs

log = structlog.stdlib.get_logger("beat.end")

Connection = psycopg.Connection[Any]

ENDED = """
select id, schedule, state, trigger, finished_at, error from run
 where finished_at is not null and not counted
 order by finished_at limit %(limit)s
"""

COUNTED = "update run set counted = true where id = any(%(ids)s) and not counted returning id"

FAILED = """
update schedule_state st
   set consecutive_failures = case when %(ok)s then 0 else st.consecutive_failures + 1 end
 where schedule = %(name)s
returning consecutive_failures
"""

TRIP = """
update schedule_state st
   set tripped_at = %(now)s, tripped_reason = %(reason)s, next_run_at = null, claim_at = null
 where schedule = %(name)s and tripped_at is null
"""

FOLLOWERS = """
select name from schedule
 where after = any(%(names)s) and enabled and coalesce(paused_until <= %(now)s, true)
"""


def conclude(connection: Connection, now: datetime, limit: int, book: SessionBook) -> list[Message]:
    """Count ended runs against their schedules and start what follows them."""
    cursor = connection.cursor(row_factory=namedtuple_row)
    ended: list[Any] = cursor.execute(ENDED, {"limit": limit}).fetchall()
    if not ended:
        return []
    names = sorted({run.schedule for run in ended if run.schedule is not None})
    with connection.transaction():
        locked = _lock(connection, names)
        rows = connection.execute(COUNTED, {"ids": [run.id for run in ended]}).fetchall()
        fresh = {run_id for (run_id,) in rows}
        succeeded = []
        for run in ended:
            if run.id not in fresh or run.schedule not in locked:
                continue
            _count(connection, run, locked[run.schedule], now)
            if run.state == "succeeded":
                succeeded.append(run)
        return _follow(connection, succeeded, now, book)


def _lock(connection: Connection, names: list[str]) -> dict[str, Any]:
    cursor = connection.cursor(row_factory=namedtuple_row)
    rows: list[Any] = cursor.execute(states.LOCKED, {"names": names}).fetchall()
    return {row.name: row for row in rows}


def _count(connection: Connection, run: Any, row: Any, now: datetime) -> None:
    if run.state in {"stopped", "expired"}:
        return
    ok = run.state != "failed"
    found = connection.execute(FAILED, {"name": run.schedule, "ok": ok}).fetchone()
    failures = found[0] if found else 0
    limit = row.pause_after_failures
    if not ok and limit is not None and failures >= limit and row.tripped_at is None:
        reason = f"{failures} failed runs in a row, the last: {run.error or 'no reason kept'}"
        connection.execute(TRIP, {"name": run.schedule, "reason": reason[:1000], "now": now})
        log.warning("schedule.tripped", schedule=run.schedule, reason=reason)


def _follow(
    connection: Connection, leaders: list[Any], now: datetime, book: SessionBook
) -> list[Message]:
    if not leaders:
        return []
    names = sorted({run.schedule for run in leaders})
    found = connection.execute(FOLLOWERS, {"names": names, "now": now}).fetchall()
    followers = sorted(name for (name,) in found)
    if not followers:
        return []
    rows = _lock(connection, followers)
    claim = Claim(connection, now, book)
    claim.count(list(rows.values()))
    for row in rows.values():
        for leader in (run for run in leaders if run.schedule == row.after):
            if row.tripped_at is None:
                claim.add(row, leader.finished_at, trigger="after")
    return claim.write()


STOPPING = """
select id from run
 where state in ('due', 'running', 'held') and stop_requested_at is not null
   and (state = 'held'
        or exists (select from batch b where b.run_id = run.id and b.state in ('waiting', 'sent')))
 limit :limit
"""

OVERDUE = """
select id, timeout from run
 where state in ('due', 'running') and deadline_at is not null and deadline_at < :now limit :limit
"""


def stop_asked(connection: AlchemyConnection, limit: int) -> int:
    """End what has not begun of runs that were asked to stop; what runs ends at its next call."""
    found = connection.execute(text(STOPPING), {"limit": limit}).scalars().all()
    for run_id in found:
        run = runs.lock(connection, run_id)
        if run is None or run["finished_at"] is not None:
            continue
        reason = run["reason"] or "stopped on request"
        if run["state"] == "held":
            outcomes.give_up(connection, run_id, "stopped", reason)
            continue
        stopped = claims.close_open(connection, run_id, "stopped", reason, claims.WAITING)
        if stopped:
            outcomes.close_batches(connection, run_id, stopped, error=reason)
    return len(found)


def end_overdue(connection: AlchemyConnection, now: datetime, limit: int) -> int:
    """End runs whose time is over, whoever still works on them: the fence keeps that out."""
    found = connection.execute(text(OVERDUE), {"now": now, "limit": limit}).all()
    for run_id, timeout in found:
        run = runs.lock(connection, run_id)
        if run is None or run["finished_at"] is not None:
            continue
        error = f"not finished within its timeout of {timeout}"
        failed = claims.close_open(connection, run_id, "failed", error, claims.OPEN)
        if failed:
            outcomes.close_batches(connection, run_id, failed, error=error)
        log.warning("run.overdue", run_id=str(run_id), schedule=run["schedule"])
    return len(found)
