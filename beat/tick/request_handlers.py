"""Answers requests: run now, backfill, stop, retry (statements on `run_request`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
import structlog
from psycopg.rows import namedtuple_row

from beat.tick.claim import Claim
from beat.tick.ledger import Message, NewRun
from beat.tick.plan import timing_of
from beat.tick.reading import Connection, Row, lock_one
from beat.tick.session_cache import SessionCache
from beat.time.timetable import MICROSECOND, next_due

log = structlog.stdlib.get_logger("beat.request")

#: Due times of a backfill that one tick turns into runs; the rest follow in the next.
MOST_AT_ONCE = 100
#: Requests that one tick looks at.
MOST_ANSWERED = 50

OPEN = """
select id, action, schedule, run_id, options, backfill_from, backfill_until, overlap, note,
       requested_at, requested_by, next_due_at
  from run_request where answered_at is null order by id limit %(limit)s for update skip locked
"""

ANSWER = """
update run_request set answered_at = clock_timestamp(), answer = %(answer)s, answer_run_id = %(run_id)s
 where id = %(id)s
"""

GO_ON = "update run_request set next_due_at = %(due)s, answer = %(answer)s where id = %(id)s"

STOP = """
update run set stop_requested_at = coalesce(stop_requested_at, %(now)s),
       reason = coalesce(reason, %(reason)s)
 where id = %(run_id)s and finished_at is null
returning schedule
"""

RUN = """
select id, schedule, options::text as options, state from run where id = %(run_id)s
"""

EXISTS = "select from schedule where name = %(name)s"


class Locked(Exception):
    """Somebody holds the schedule; the request is looked at again in the next tick."""


def answer_some(
    connection: Connection, now: datetime, session_cache: SessionCache
) -> tuple[int, list[Message]]:
    """Answer open requests, oldest first; returns how many were dealt with, and what to send."""
    done, messages = 0, []
    with connection.transaction():
        cursor = connection.cursor(row_factory=namedtuple_row)
        requests: list[Any] = cursor.execute(OPEN, {"limit": MOST_ANSWERED}).fetchall()
        for request in requests:
            try:
                with connection.transaction():
                    messages += _ACTIONS[request.action](connection, request, now, session_cache)
                done += 1
            except Locked:
                continue
            except (psycopg.OperationalError, psycopg.InterfaceError):
                raise
            except Exception as error:
                log.exception("request.failed", id=request.id)
                said = f"could not be done: {str(error).partition(chr(10))[0]}"
                _answer(connection, request, said, None)
                done += 1
    return done, messages


def _answer(connection: Connection, request: Any, answer: str, run_id: Any) -> None:
    connection.execute(ANSWER, {"id": request.id, "answer": answer, "run_id": run_id})


def _schedule(connection: Connection, name: str) -> Row | None:
    row = lock_one(connection, name)
    if row is None and connection.execute(EXISTS, {"name": name}).fetchone() is not None:
        raise Locked
    return row


def _said(run: NewRun) -> str:
    reason = run.reason or ""
    held = reason if reason.startswith("waits") else f"waits: {reason}"
    return {"due": "started", "held": held}.get(run.state, f"skipped: {reason}")


def _run(
    connection: Connection, request: Any, now: datetime, session_cache: SessionCache
) -> list[Message]:
    row = _schedule(connection, request.schedule)
    if row is None:
        _answer(connection, request, f'there is no schedule named "{request.schedule}"', None)
        return []
    claim = Claim(connection, now, session_cache)
    claim.count([row])
    run = claim.add(
        row,
        request.requested_at,
        trigger="manual",
        options=json.dumps(request.options) if request.options is not None else None,
        requested_by=request.requested_by,
    )
    messages = claim.write()
    _answer(connection, request, _said(run), run.id)
    return messages


def _first_due(row: Row, request: Any, timing: Any) -> datetime | None:
    """The first due time of the range, also before the grid's anchor: the grid has no beginning."""
    anchor = row.anchor_at
    if anchor is not None and row.every is not None and request.backfill_from < anchor:
        anchor -= ((anchor - request.backfill_from) // row.every + 1) * row.every
    return next_due(timing, anchor, request.backfill_from - MICROSECOND)


def _backfill(
    connection: Connection, request: Any, now: datetime, session_cache: SessionCache
) -> list[Message]:
    row = _schedule(connection, request.schedule)
    if row is None:
        _answer(connection, request, f'there is no schedule named "{request.schedule}"', None)
        return []
    timing = replace(timing_of(row, session_cache.sessions(connection, row.calendar)), starts_at=None)
    claim = Claim(connection, now, session_cache)
    claim.count([row])
    due = request.next_due_at or _first_due(row, request, timing)
    anchor, made = due, 0
    while due is not None and due <= request.backfill_until and made < MOST_AT_ONCE:
        claim.add(
            row,
            due,
            trigger="backfill",
            policy=request.overlap or "buffer_all",
            options=json.dumps(request.options) if request.options is not None else None,
            requested_by=request.requested_by,
        )
        made += 1
        due = next_due(timing, anchor, due)
    messages = claim.write()
    if due is None or due > request.backfill_until:
        _answer(connection, request, "every due time of the range has its run", None)
    else:
        connection.execute(GO_ON, {"id": request.id, "due": due, "answer": f"as far as {due}"})
    return messages


def _stop(connection: Connection, request: Any, now: datetime, _: SessionCache) -> list[Message]:
    reason = f"stopped by {request.requested_by}" + (f": {request.note}" if request.note else "")
    parameters = {"run_id": request.run_id, "now": now, "reason": reason}
    found = connection.execute(STOP, parameters).fetchone()
    _answer(connection, request, "asked to stop" if found else "it had ended already", request.run_id)
    return []


def _retry(
    connection: Connection, request: Any, now: datetime, session_cache: SessionCache
) -> list[Message]:
    cursor = connection.cursor(row_factory=namedtuple_row)
    old: Any = cursor.execute(RUN, {"run_id": request.run_id}).fetchone()
    row = _schedule(connection, old.schedule) if old and old.schedule else None
    if row is None:
        _answer(connection, request, "only a run of a schedule that exists can be retried", None)
        return []
    if old.state in {"due", "running", "held"}:
        _answer(connection, request, f"it has not ended yet, it is {old.state}", None)
        return []
    claim = Claim(connection, now, session_cache)
    claim.count([row])
    run = claim.add(
        row,
        now,
        trigger="retry",
        options=old.options,
        requested_by=request.requested_by,
        retry_of=old.id,
    )
    messages = claim.write()
    _answer(connection, request, _said(run), run.id)
    return messages


_Action = Callable[[Connection, Any, datetime, SessionCache], list[Message]]
_ACTIONS: dict[str, _Action] = {
    "run": _run,
    "backfill": _backfill,
    "stop": _stop,
    "retry": _retry,
}
