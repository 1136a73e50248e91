"""Around a plain task: its run is claimed before, and ended after with what Celery made of it.

Beat's message of a plain task is the task's own, with header `watchkeeper_run`.  Celery runs it by a
"tracer"; `install` puts this around each.  Other messages pass untouched.
"""

import json
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from celery import states
from celery.app import trace
from celery.worker.consumer import consumer
from sqlalchemy.exc import InterfaceError, OperationalError

from workers.db import MAX_QUEUED, driver_connect, driver_transaction
from workers.execution.task import Task
from workers.ledger import calls
from workers.ledger.calls import Call, Outcome
from workers.plain import ends, leases
from workers.plain.kept_connection import kept_driver
from workers.processes import shutdown
from workers.redaction import redact
from workers.settings import settings
from workers.text.cleaning import cleaned, printable

log = structlog.stdlib.get_logger(__name__)

#: Header of a message that has a run.
HEADER = "watchkeeper_run"
#: How much is kept of a traceback, of a result, and of its text (characters).
MAX_TRACEBACK, MAX_RESULT, MAX_SUMMARY = 10_000, 10_000, 200

Tracer = Callable[..., Any]
#: What a tracer returns for a message that it did not run.
NOT_RUN = trace.trace_ok_t(None, None, 0.0, None)

_build = trace.build_tracer


def install() -> None:
    """Put this around every plain task of the worker; a second call changes nothing."""
    for module in (trace, consumer):
        vars(module)["build_tracer"] = build_tracer


_here = threading.local()


@contextmanager
def _noted() -> Iterator[None]:
    _here.depth = getattr(_here, "depth", 0) + 1
    try:
        yield
    finally:
        _here.depth -= 1


def is_inside() -> bool:
    """Whether this thread runs a plain task, whose end is written by this module."""
    return getattr(_here, "depth", 0) > 0


def build_tracer(
    name: str, task: Any, loader: Any = None, hostname: str | None = None, **options: Any
) -> Any:
    """Celery's own, with the ledger around it."""
    run = _build(name, task, loader, hostname, **options)
    if isinstance(task, Task) or options.get("eager"):
        return run

    def traced(uuid: str, args: Any, kwargs: Any, request: Any = None, **more: Any) -> Any:
        run_id = request.get(HEADER) if request else None
        # A worker that stops waits for it, whoever sent the message.
        with shutdown.busy(), _noted():
            if run_id is None:
                return run(uuid, args, kwargs, request, **more)
            return _in_ledger(
                task, request, hostname or "here", lambda: run(uuid, args, kwargs, request, **more)
            )

    return traced


def run_here(task: Any, run_id: str) -> None:
    """Do a run in this process, without a message: what Celery calls eager."""
    with driver_connect() as connection:
        options, retries = calls.options_of(connection, UUID(run_id))
    request = {HEADER: run_id, "retries": retries}

    def eager() -> Any:
        done = task.apply(
            options.get("args"), options.get("kwargs"), task_id=run_id, retries=retries, throw=False
        )
        if done.successful():
            return trace.trace_ok_t(done.result, None, 0.0, None)
        return trace.trace_ok_t(None, trace.TraceInfo(done.state, done.result), 0.0, None)

    _in_ledger(task, request, "here", eager)


def _in_ledger(task: Any, request: Mapping[str, Any], worker: str, run: Tracer) -> Any:
    call = _claim(UUID(str(request[HEADER])), worker, request)
    if call is None:
        return NOT_RUN
    # Cheaper than structlog's own context manager, which reads all that is bound.
    bound = structlog.contextvars.bind_contextvars(
        run_id=str(call.run_id), schedule=call.schedule, task=task.name
    )
    try:
        with leases.kept(call, task.app, worker):
            traced = run()
        ends.write(call, outcome_of(task, request, call, traced), worker)
    finally:
        structlog.contextvars.reset_contextvars(**bound)
    return traced


def _claim(run_id: UUID, worker: str, request: Mapping[str, Any]) -> Call | None:
    """The call, leased; None: another has it, it has ended, or nobody can say (it is sent again).

    While its host has no connection left, a process keeps one message: it would send all others away.
    """
    length = timedelta(seconds=settings().lease_seconds)
    # Celery's clock of its time limits runs meanwhile.
    limits = [limit / 2 for limit in request.get("timelimit") or () if limit]
    try:
        with kept_driver(min([MAX_QUEUED, *limits])) as connection:
            call = calls.claim(connection, run_id, worker, length, request.get("retries") or 0)
        if call is None:
            with driver_transaction() as connection:
                calls.give_up_late(connection, run_id)
            log.info("batch.duplicate", run_id=str(run_id), seq=0)
        return call
    except (OperationalError, InterfaceError) as error:
        log.warning("batch.unclaimed", run_id=str(run_id), error=sentence_of(error.orig))
        return None


def outcome_of(task: Any, request: Mapping[str, Any], call: Call, traced: Any) -> Outcome:
    """What Celery's result of a run means for the ledger."""
    value, info = traced.retval, traced.info
    if info is None:
        given = request.get("ignore_result")
        ignored = task.ignore_result if given is None else given
        return Outcome("succeeded", result={} if ignored else _result(value))
    error = info.retval
    if info.state == states.RETRY:
        return Outcome("retry", error=sentence_of(error), at=_when(error))
    if info.state == states.IGNORED:
        return Outcome("succeeded", result={}, reason=_said("the task raised Ignore", error))
    if info.state == states.REJECTED:
        sentence = _said("the task raised Reject", error)
        if error.requeue and _is_acked_late(task):
            return Outcome("again", error=sentence)
        return Outcome("failed", error=sentence)
    trace_text = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
    kept = redact(printable(trace_text, lines=True))[-MAX_TRACEBACK:]
    return calls.failure(call, sentence_of(error), kept or None)


def _is_acked_late(task: Any) -> bool:
    return bool(task.app.conf.task_acks_late if task.acks_late is None else task.acks_late)


def _result(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    text = redact(json.dumps(value, default=repr)).replace("\\u0000", "")
    summary = cleaned(text)[:MAX_SUMMARY]
    return (
        {"summary": summary, "value": json.loads(text)}
        if len(text) <= MAX_RESULT
        else {"summary": summary}
    )


def sentence_of(error: Any) -> str:
    return redact(cleaned(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"))[:500]


def _said(what: str, error: Any) -> str:
    reason = getattr(error, "reason", None) or str(error)
    return redact(cleaned(f"{what}: {reason}" if reason else what))[:500]


def _when(retry: Any) -> datetime:
    when = retry.when
    if isinstance(when, datetime):
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    return datetime.now(UTC) + timedelta(seconds=float(when or 0))
