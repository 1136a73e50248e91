"""Runs that are ended from outside: stopped on request, replaced, or past their deadline."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from workers.db import Driver, execute
from workers.ledger import ended, finished, runs
from workers.ledger.finished import Ending

log = structlog.stdlib.get_logger("beat.end")

REQUEST_STOP = """
update run set stop_requested_at = coalesce(stop_requested_at, %(now)s),
       reason = coalesce(reason, %(reason)s)
 where id = %(run_id)s and finished_at is null
"""

REPLACE_ACTIVE = """
update run set stop_requested_at = coalesce(stop_requested_at, %(now)s), reason = %(reason)s
 where schedule = any(%(names)s) and state in ('due', 'running')
"""


def request_stop(connection: Driver, run_id: UUID, reason: str, now: datetime) -> bool:
    what = {"run_id": run_id, "reason": reason, "now": now}
    return execute(connection, REQUEST_STOP, what).rowcount > 0


def replace_active(connection: Driver, names: list[str], reason: str, now: datetime) -> None:
    execute(connection, REPLACE_ACTIVE, {"names": names, "reason": reason, "now": now})


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


def stop_requested(connection: Driver, limit: int) -> int:
    """End what has not begun of runs that were asked to stop; what runs ends at its next call."""
    found = connection.execute(STOPPING, {"limit": limit}).fetchall()
    for (run_id,) in found:
        with connection.transaction():
            _stop(connection, run_id)
    return len(found)


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


def end_overdue(connection: Driver, now: datetime, limit: int) -> int:
    """End runs whose time is over, whoever still works on them: the fence keeps that out."""
    found = connection.execute(OVERDUE, {"now": now, "limit": limit}).fetchall()
    for run_id, timeout in found:
        with connection.transaction():
            run = _lock_unfinished(connection, run_id)
            if run is not None:
                ending = Ending(f"not finished within its timeout of {timeout}")
                ended.close_late(connection, run_id, ending, running=True)
                log.warning("run.overdue", run_id=str(run_id), schedule=run["schedule"])
    return len(found)


def _lock_unfinished(connection: Driver, run_id: UUID) -> Any:
    run = runs.lock(connection, run_id)
    return run if run is not None and run["finished_at"] is None else None
