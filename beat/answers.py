"""Answers requests: run now, backfill, stop, retry (statements on `run_request`)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import psycopg
import structlog
from psycopg.rows import namedtuple_row

from beat import states
from beat.claiming import Claim
from beat.ledger import Message
from beat.planning import timing_of
from beat.sessions import SessionBook
from beat.timetable import MICROSECOND, next_due

log = structlog.stdlib.get_logger("beat.request")

Connection = psycopg.Connection[Any]

#: Due times of a backfill that one tick turns into runs; the rest follow in the next.
MOST_AT_ONCE = 100

OPEN = """
select * from run_request where answered_at is null order by id limit 1 for update skip locked
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

RUN = "select id, schedule, task, state, options::text as options from run where id = %(run_id)s"


def answer_one(connection: Connection, now: datetime, book: SessionBook) -> list[Message] | None:
    """Answer the oldest open request; returns messages to send, None when nobody asks anything."""
    with connection.transaction():
        cursor = connection.cursor(row_factory=namedtuple_row)
        request: Any = cursor.execute(OPEN).fetchone()
        if request is None:
            return None
        try:
            with connection.transaction():
                return _ACTIONS[request.action](connection, request, now, book)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:
            log.exception("request.failed", id=request.id)
            _answer(connection, request, f"could not be done: {error}", None)
            return []


def _answer(connection: Connection, request: Any, answer: str, run_id: Any) -> None:
    connection.execute(ANSWER, {"id": request.id, "answer": answer, "run_id": run_id})


def _locked(connection: Connection, name: str) -> Any:
    connection.execute(states.CREATE, {"names": [name]})
    cursor = connection.cursor(row_factory=namedtuple_row)
    return cursor.execute(states.LOCKED, {"names": [name]}).fetchone()


def _merged(row: Any, options: dict[str, Any] | None) -> str:
    return json.dumps({**json.loads(row.options), **(options or {})})


def _run(connection: Connection, request: Any, now: datetime, book: SessionBook) -> list[Message]:
    row = _locked(connection, request.schedule)
    if row is None:
        _answer(connection, request, f'no schedule named "{request.schedule}" any more', None)
        return []
    claim = Claim(connection, now, book)
    claim.count([row])
    run = claim.add(
        row,
        request.requested_at,
        trigger="manual",
        options=_merged(row, request.options),
        requested_by=request.requested_by,
    )
    messages = claim.write()
    said = {"due": "started", "held": f"waits: {run[9]}", "skipped": f"skipped: {run[9]}"}
    _answer(connection, request, said[run[8]], run[0])
    return messages


def _backfill(connection: Connection, request: Any, now: datetime, book: SessionBook) -> list[Message]:
    row = _locked(connection, request.schedule)
    if row is None:
        _answer(connection, request, f'no schedule named "{request.schedule}" any more', None)
        return []
    timing = timing_of(row, book.sessions(connection, row.calendar))
    claim = Claim(connection, now, book)
    claim.count([row])
    due = request.next_due_at
    if due is None:
        anchor = row.anchor_at
        if anchor is not None and row.every is not None and request.backfill_from < anchor:
            # The grid reaches back before its anchor: due times of the past lie on it too.
            anchor -= ((anchor - request.backfill_from) // row.every + 1) * row.every
        due = next_due(_unbounded(timing), anchor, request.backfill_from - MICROSECOND)
    made = 0
    anchor = due
    while due is not None and due <= request.backfill_until and made < MOST_AT_ONCE:
        claim.add(
            row,
            due,
            trigger="backfill",
            policy=request.overlap or "buffer_all",
            options=_merged(row, request.options),
            requested_by=request.requested_by,
        )
        made += 1
        due = next_due(_unbounded(timing), anchor, due)
    messages = claim.write()
    if due is None or due > request.backfill_until:
        _answer(connection, request, "every due time of the range has its run", None)
    else:
        connection.execute(GO_ON, {"id": request.id, "due": due, "answer": f"as far as {due}"})
    return messages


def _unbounded(timing: Any) -> Any:
    from dataclasses import replace

    return replace(timing, starts_at=None)


def _stop(connection: Connection, request: Any, now: datetime, _: SessionBook) -> list[Message]:
    reason = f"stopped by {request.requested_by}" + (f": {request.note}" if request.note else "")
    parameters = {"run_id": request.run_id, "now": now, "reason": reason}
    found = connection.execute(STOP, parameters).fetchone()
    _answer(connection, request, "asked to stop" if found else "it had ended already", request.run_id)
    return []


def _retry(connection: Connection, request: Any, now: datetime, book: SessionBook) -> list[Message]:
    cursor = connection.cursor(row_factory=namedtuple_row)
    old: Any = cursor.execute(RUN, {"run_id": request.run_id}).fetchone()
    row = _locked(connection, old.schedule) if old and old.schedule else None
    if row is None:
        _answer(connection, request, "only a run of a schedule that exists can be retried", None)
        return []
    claim = Claim(connection, now, book)
    claim.count([row])
    run = claim.add(
        row,
        now - timedelta(microseconds=0),
        trigger="retry",
        options=old.options,
        requested_by=request.requested_by,
        retry_of=old.id,
    )
    messages = claim.write()
    _answer(connection, request, run[8] if run[8] != "due" else "started", run[0])
    return messages


_ACTIONS = {"run": _run, "backfill": _backfill, "stop": _stop, "retry": _retry}
