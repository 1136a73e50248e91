"""Draws conclusions from runs: stops, deadlines, failures in a row, followers (`after`)."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection as AlchemyConnection

from beat.tick import schedule_states
from beat.tick.claim import Claim
from beat.tick.ledger import Message, array
from beat.tick.reading import Connection, Row, lock_named
from beat.tick.session_cache import SessionCache
from workers.db import transaction
from workers.ledger import outcomes, runs, transitions

log = structlog.stdlib.get_logger("beat.end")

ENDED = """
select run.id::text, schedule, state, finished_at, error, failed, total,
       run_is_failure(run, s.alert_on_partial) as failing
  from run left join schedule s on s.name = run.schedule
 where finished_at is not null and not counted
 order by finished_at limit %(limit)s
"""

COUNTED = """
update run set counted = true where id = any(%(ids)s::uuid[]) and not counted returning id::text
"""

FOLLOWERS = """
select after, name,
       enabled and coalesce(paused_until <= %(now)s, true) and coalesce(starts_at <= %(now)s, true)
       and coalesce(ends_at > %(now)s, true)
  from schedule where after = any(%(names)s)
"""

EXISTING = "select name from schedule where name = any(%(names)s)"


def conclude(
    connection: Connection, now: datetime, limit: int, session_cache: SessionCache
) -> list[Message]:
    """Count ended runs against their schedules and start what follows them.

    A run whose schedule, or a follower of it, is locked at the moment is left for the next time.
    """
    cursor = connection.cursor(row_factory=namedtuple_row)
    ended: list[Any] = cursor.execute(ENDED, {"limit": limit}).fetchall()
    if not ended:
        return []
    names = sorted({run.schedule for run in ended if run.schedule is not None})
    with connection.transaction():
        followers: dict[str, list[tuple[str, bool]]] = defaultdict(list)
        for leader, name, ready in connection.execute(FOLLOWERS, {"names": names, "now": now}):
            followers[leader].append((name, ready))
        known = {name for (name,) in connection.execute(EXISTING, {"names": names})}
        wanted = known.union(*([name for name, _ in found] for found in followers.values()))
        rows, _ = lock_named(connection, sorted(wanted))
        locked = {row.name: row for row in rows}
        free = {
            name
            for name in names
            if (name not in known or name in locked)
            and all(follower in locked for follower, _ in followers[name])
        }
        ended = [run for run in ended if run.schedule is None or run.schedule in free]
        counted = connection.execute(COUNTED, {"ids": array([run.id for run in ended])}).fetchall()
        fresh = {run_id for (run_id,) in counted}
        ended = [run for run in ended if run.id in fresh and run.schedule in locked]
        _count_failures(connection, ended, locked, now)
        return _follow(connection, ended, followers, locked, now, session_cache)


def _count_failures(
    connection: Connection, ended: list[Any], locked: dict[str, Row], now: datetime
) -> None:
    failures: dict[str, int] = {}
    last: dict[str, Any] = {}
    for run in ended:
        before = failures.get(run.schedule, locked[run.schedule].consecutive_failures)
        if run.failing:
            failures[run.schedule], last[run.schedule] = before + 1, run
        elif run.failing is not None and before:
            failures[run.schedule] = 0
    if not failures:
        return
    reasons: list[str | None] = []
    for name, number in failures.items():
        most = locked[name].pause_after_failures
        if most is None or number < most or locked[name].tripped_at is not None:
            reasons.append(None)
            continue
        reason = f"{number} failed runs in a row, the last: {_said(last[name])}"
        reasons.append(reason[:1000])
        log.warning("schedule.tripped", schedule=name, reason=reason)
    columns = {
        "names": array(failures),
        "failures": array(failures.values()),
        "reasons": array(reasons),
    }
    connection.execute(schedule_states.SET_FAILURES, {**columns, "now": now})


def _said(run: Any) -> str:
    some = f"{run.failed} of {run.total} items failed: " if run.state == "partial" else ""
    return some + (run.error or "no reason kept")


def _follow(
    connection: Connection,
    ended: list[Any],
    followers: dict[str, list[tuple[str, bool]]],
    locked: dict[str, Row],
    now: datetime,
    session_cache: SessionCache,
) -> list[Message]:
    times: dict[str, list[datetime]] = defaultdict(list)
    for run in ended:
        if run.state == "succeeded":
            for name, ready in followers.get(run.schedule, ()):
                if ready and locked[name].tripped_at is None and locked[name].kind is not None:
                    times[name].append(run.finished_at)
    if not times:
        return []
    claim = Claim(connection, now, session_cache)
    claim.count([locked[name] for name in times])
    for name, finished in times.items():
        claim.follow(locked[name], finished)
    return claim.write()


STOPPING = """
select id from run
 where state in ('due', 'running', 'held') and stop_requested_at is not null
   and (state = 'held'
        or exists (select from batch b where b.run_id = run.id and b.state in ('waiting', 'sent')))
 limit %(limit)s
"""

OVERDUE = """
select id, timeout from run
 where state in ('due', 'running') and deadline_at is not null and deadline_at < %(now)s limit %(limit)s
"""


def stop_asked(connection: Connection, limit: int) -> int:
    """End what has not begun of runs that were asked to stop; what runs ends at its next call."""
    found = connection.execute(STOPPING, {"limit": limit}).fetchall()
    for (run_id,) in found:
        with transaction() as ending:
            _stop(ending, run_id)
    return len(found)


def _stop(connection: AlchemyConnection, run_id: UUID) -> None:
    run = runs.lock(connection, run_id)
    if run is None or run["finished_at"] is not None:
        return
    reason = run["reason"] or "stopped on request"
    if run["state"] == "held":
        outcomes.give_up(connection, run_id, "stopped", reason)
        return
    stopped = transitions.close_open(connection, run_id, "stopped", reason, transitions.WAITING)
    if stopped:
        outcomes.close_batches(connection, run_id, stopped, error=reason)


def end_overdue(connection: Connection, now: datetime, limit: int) -> int:
    """End runs whose time is over, whoever still works on them: the fence keeps that out."""
    found = connection.execute(OVERDUE, {"now": now, "limit": limit}).fetchall()
    for run_id, timeout in found:
        with transaction() as ending:
            _end_late(ending, run_id, f"not finished within its timeout of {timeout}")
    return len(found)


def _end_late(connection: AlchemyConnection, run_id: UUID, error: str) -> None:
    run = runs.lock(connection, run_id)
    if run is None or run["finished_at"] is not None:
        return
    ended = transitions.close_late(connection, run_id, error, transitions.OPEN)
    if ended:
        outcomes.close_batches(connection, run_id, ended, error=error)
    log.warning("run.overdue", run_id=str(run_id), schedule=run["schedule"])
