"""Runs that are ended from outside: stopped on request, replaced, or past their deadline."""

import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import structlog

from workers.db import Driver, execute
from workers.ledger import ended, finished, runs
from workers.ledger.finished import Ending

log = structlog.stdlib.get_logger("beat.end")

#: How long beat waits for a row that somebody has locked, and for all that it ends in a tick (seconds):
#: a worker that sleeps in a transaction holds up its own run alone, which is tried again.
MAX_LOCKED, MAX_WAITED = 0.1, 0.5
LOCK_BRIEFLY = f"set local lock_timeout = '{MAX_LOCKED}s'"
LOCK_AGAIN = "set local lock_timeout = '5s'"

#: Who asks first says why, after what happened before (a worker that was lost).
_ASKED = """
       reason = case when stop_requested_at is null then concat_ws('; ', reason, %(reason)s::text)
                     else reason end,
       stop_requested_at = coalesce(stop_requested_at, %(now)s)
"""

REQUEST_STOP = f"""
update run set {_ASKED}
 where id = %(run_id)s and finished_at is null
"""  # noqa: S608 - a constant of our own

REPLACE_ACTIVE = f"""
update run set {_ASKED}
 where schedule = any(%(names)s) and state in ('due', 'running')
"""  # noqa: S608


def request_stop(connection: Driver, run_id: UUID, reason: str, now: datetime) -> bool:
    """In a transaction; LockNotAvailable when somebody has the run locked for longer than a moment."""
    what = {"run_id": run_id, "reason": reason, "now": now}
    return _briefly(connection, REQUEST_STOP, what) > 0


def replace_active(connection: Driver, names: list[str], reason: str, now: datetime) -> None:
    """In a transaction; LockNotAvailable when somebody has a run locked for longer than a moment."""
    _briefly(connection, REPLACE_ACTIVE, {"names": names, "reason": reason, "now": now})


def _briefly(connection: Driver, statement: str, what: dict[str, Any]) -> int:
    connection.execute(LOCK_BRIEFLY)
    changed = execute(connection, statement, what).rowcount
    connection.execute(LOCK_AGAIN)
    return changed


#: By `finished_at`, which no index of states fits: one that is thought to hold a row or two would be
#: read from end to end, dead entries included.
STOPPING = """
select id from run
 where finished_at is null and state in ('due', 'running', 'held') and stop_requested_at is not null
   and (state = 'held'
        or (select true from batch b
             where b.run_id = run.id and b.state in ('waiting', 'sent') limit 1))
 limit %(limit)s
"""

OVERDUE = """
select id, timeout from run
 where finished_at is null and deadline_at is not null and deadline_at < %(now)s
   and deadline_at >= coalesce(%(low)s::timestamptz, '-infinity')
 limit %(limit)s
"""

#: Up to the clock: the deadlines of runs that ended in time lie dead in the index, most of them ahead.
NEXT_DEADLINE = """
select min(deadline_at) from run
 where finished_at is null and deadline_at <= (select now from clock)
   and deadline_at >= coalesce(%(low_deadline)s::timestamptz, '-infinity')
"""

NEXT_STOP = """
select min(stop_requested_at) from run
 where finished_at is null and stop_requested_at is not null
"""


def stop_requested(connection: Driver, limit: int) -> int:
    """End what has not begun of runs that were asked to stop; what runs ends at its next call."""
    found = execute(connection, STOPPING, {"limit": limit}).fetchall()
    return _end_each(connection, found, lambda row: _stop(connection, row.id))


def _end_each(connection: Driver, found: list[Any], end: Callable[[Any], None]) -> int:
    """End each of these runs in a transaction of its own; one that is locked waits for the next tick.

    In any order, so that no number of locked ones keeps the others from their turn.
    """
    ended, waited = 0, 0.0
    random.shuffle(found)
    for row in found:
        began = time.monotonic()
        try:
            with connection.transaction():
                connection.execute(LOCK_BRIEFLY)
                end(row)
            ended += 1
        except psycopg.errors.LockNotAvailable:
            log.warning("run.locked", run_id=str(row.id))
            waited += time.monotonic() - began
            if waited > MAX_WAITED:
                break
    return ended


def _stop(connection: Driver, run_id: UUID) -> None:
    run = _lock_unfinished(connection, run_id)
    if run is None:
        return
    reason = run["reason"] or "stopped on request"
    if run["state"] == "held":
        finished.give_up(connection, run_id, "stopped", reason)
        return
    stopped = ended.close_open(connection, run_id, "stopped", reason)
    if stopped:
        finished.close_batches(connection, run_id, stopped, Ending(reason))


def end_overdue(connection: Driver, now: datetime, limit: int, low: datetime | None = None) -> int:
    """End runs whose time is over, whoever still works on them: the fence keeps that out.

    ``low``: the time of none was over before that.
    """
    found = execute(connection, OVERDUE, {"now": now, "limit": limit, "low": low}).fetchall()
    return _end_each(connection, found, lambda row: _end_late(connection, row))


def _end_late(connection: Driver, found: Any) -> None:
    run = _lock_unfinished(connection, found.id)
    if run is not None:
        ending = Ending(finished.not_finished(found.timeout))
        ended.close_late(connection, found.id, ending, running=True)
        log.warning("run.overdue", run_id=str(found.id), schedule=run["schedule"])


def _lock_unfinished(connection: Driver, run_id: UUID) -> Any:
    run = runs.lock(connection, run_id)
    return run if run is not None and run["finished_at"] is None else None
