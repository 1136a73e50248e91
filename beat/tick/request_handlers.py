"""Answers requests of people: run now, backfill, stop, retry."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
import structlog
from psycopg.rows import namedtuple_row

from beat.tick.claim import ClaimPlan
from beat.tick.context import TickContext
from beat.tick.plan import timing_of
from beat.tick.reading import Row, lock_one
from beat.time.timetable import MICROSECOND, next_due
from workers.ledger import stopped
from workers.ledger.planned import NewRun
from workers.ledger.sent import Message

log = structlog.stdlib.get_logger("beat.request")

#: Due times of a backfill that one tick turns into runs; the rest follow in the next.
MAX_DUE_TIMES = 100
#: Requests that one tick looks at.
MAX_REQUESTS = 50

OPEN = """
select id, action, schedule, run_id, options, backfill_from, backfill_until, overlap, note,
       requested_at, requested_by, by_system, next_due_at, new_run_id
  from run_request where answered_at is null order by id limit %(limit)s for update skip locked
"""

ANSWER = """
update run_request set answered_at = clock_timestamp(), answer = %(answer)s, answer_run_id = %(run_id)s
 where id = %(id)s
"""

GO_ON = "update run_request set next_due_at = %(due)s, answer = %(answer)s where id = %(id)s"

RUN = "select id, schedule, options::text as options, state from run where id = %(run_id)s"

EXISTS = "select from schedule where name = %(name)s"


class Locked(Exception):
    """Somebody holds the schedule or the run, or too many wait: looked at again in the next tick."""


def answer_requests(context: TickContext) -> bool:
    done = 0
    connection = context.connection
    messages: list[Message] = []
    with connection.transaction():
        cursor = connection.cursor(row_factory=namedtuple_row)
        requests: list[Any] = cursor.execute(OPEN, {"limit": MAX_REQUESTS}).fetchall()
        for request in requests:
            try:
                with connection.transaction():
                    messages += _HANDLERS[request.action](context, request)
                done += 1
            except Locked:
                continue
            except (psycopg.OperationalError, psycopg.InterfaceError):
                raise
            except Exception as error:
                log.exception("request.failed", id=request.id)
                reason = str(error).partition(chr(10))[0]
                _answer(context, request, f"could not be done: {reason}")
                done += 1
    context.messages += messages
    return done > 0


def _answer(context: TickContext, request: Any, answer: str, run_id: Any = None) -> list[Message]:
    parameters = {"id": request.id, "answer": answer, "run_id": run_id}
    context.connection.execute(ANSWER, parameters)
    return []


def _lock_schedule(context: TickContext, name: str) -> Row | None:
    row = lock_one(context.connection, name)
    if row is None and context.connection.execute(EXISTS, {"name": name}).fetchone() is not None:
        raise Locked
    return row


def _begin(context: TickContext, row: Row) -> ClaimPlan:
    claim = ClaimPlan(context)
    # Also of a schedule that allows all: a backfill has a policy of its own.
    claim.count([row._replace(overlap=row.overlap.replace("allow_all", "buffer_all"))])
    return claim


def _describe(run: NewRun) -> str:
    reason = run.reason or ""
    held = reason if reason.startswith("waits") else f"waits: {reason}"
    return {"due": "started", "held": held}.get(run.state, f"skipped: {reason}")


def _options(request: Any) -> str | None:
    return json.dumps(request.options) if request.options is not None else None


def _stands_still(row: Row, now: datetime) -> str | None:
    """Why ``row`` does not start by itself now; people may start it still."""
    if not row.enabled:
        return "the schedule is disabled"
    if row.paused_all:
        return "everything is paused"
    if row.paused_for_good or (row.paused_until is not None and row.paused_until > now):
        return "the schedule is paused"
    return None if row.tripped_at is None else "the schedule has paused itself"


def _run(context: TickContext, request: Any) -> list[Message]:
    row = _lock_schedule(context, request.schedule)
    if row is None:
        return _answer(context, request, f'there is no schedule named "{request.schedule}"')
    stands_still = _stands_still(row, context.now) if request.by_system else None
    if stands_still:
        return _answer(context, request, f"not started: {stands_still}")
    claim = _begin(context, row)
    who = {
        "id": str(request.new_run_id or ""),
        "options": _options(request),
        "requested_by": request.requested_by,
    }
    run = claim.add(row, request.requested_at, "system" if request.by_system else "manual", **who)
    messages = claim.write()
    _answer(context, request, _describe(run), run.id)
    return messages


def _first_due(row: Row, request: Any, timing: Any) -> datetime | None:
    """The first due time of the range, also before the grid's anchor: the grid has no beginning."""
    anchor = row.anchor_at
    if anchor is not None and row.every is not None and request.backfill_from < anchor:
        anchor -= ((anchor - request.backfill_from) // row.every + 1) * row.every
    return next_due(timing, anchor, request.backfill_from - MICROSECOND)


def _backfill(context: TickContext, request: Any) -> list[Message]:
    row = _lock_schedule(context, request.schedule)
    if row is None:
        return _answer(context, request, f'there is no schedule named "{request.schedule}"')
    timing = replace(timing_of(row, context.sessions(row.calendar)), starts_at=None)
    claim = _begin(context, row)
    who = {"options": _options(request), "requested_by": request.requested_by}
    due = request.next_due_at or _first_due(row, request, timing)
    anchor, made, policy = due, 0, request.overlap or "buffer_all"
    most = min(MAX_DUE_TIMES, claim.admission.room(row, policy))
    if most < 1:
        # The rest follows when some that wait have started.
        raise Locked
    while due is not None and due <= request.backfill_until and made < most:
        claim.add(row, due, "backfill", policy, **who)
        made += 1
        due = next_due(timing, anchor, due)
    messages = claim.write()
    if due is None or due > request.backfill_until:
        _answer(context, request, "every due time of the range has its run")
    else:
        parameters = {"id": request.id, "due": due, "answer": f"as far as {due}"}
        context.connection.execute(GO_ON, parameters)
    return messages


def _stop(context: TickContext, request: Any) -> list[Message]:
    reason = f"stopped by {request.requested_by}" + (f": {request.note}" if request.note else "")
    try:
        found = stopped.request_stop(context.connection, request.run_id, reason, context.now)
    except psycopg.errors.LockNotAvailable:
        raise Locked from None
    return _answer(
        context, request, "asked to stop" if found else "it had ended already", request.run_id
    )


def _retry(context: TickContext, request: Any) -> list[Message]:
    cursor = context.connection.cursor(row_factory=namedtuple_row)
    old: Any = cursor.execute(RUN, {"run_id": request.run_id}).fetchone()
    row = _lock_schedule(context, old.schedule) if old and old.schedule else None
    if row is None:
        return _answer(context, request, "only a run of a schedule that exists can be retried")
    if old.state in {"due", "running", "held"}:
        return _answer(context, request, f"it has not ended yet, it is {old.state}")
    claim = _begin(context, row)
    who = {
        "id": str(request.new_run_id or ""),
        "options": old.options,
        "requested_by": request.requested_by,
        "retry_of": old.id,
    }
    run = claim.add(row, context.now, "retry", **who)
    messages = claim.write()
    _answer(context, request, _describe(run), run.id)
    return messages


_HANDLERS: dict[str, Callable[[TickContext, Any], list[Message]]] = {
    "run": _run,
    "backfill": _backfill,
    "stop": _stop,
    "retry": _retry,
}
