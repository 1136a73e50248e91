"""What happens to a plain task outside the process that works on it: killed, timed out, revoked.

These signals come in the event loop of the worker, where no statement may wait.
"""

from typing import Any
from uuid import UUID

from billiard.exceptions import WorkerLostError
from celery import signals
from celery.exceptions import Reject

from workers.db import driver_transaction
from workers.execution.task import Task, run_id_of
from workers.ledger import calls
from workers.plain import background
from workers.plain.running import HEADER, is_inside, sentence_of

#: This worker's name, once it begins.
_names: list[str] = []


@signals.celeryd_after_setup.connect
def _begin(sender: Any, **_: Any) -> None:
    _names[:] = [str(sender)]


@signals.task_failure.connect
def _lost(sender: Any, task_id: Any, exception: Any, **_: Any) -> None:
    """A process that could not say it itself: killed, or over its hard time limit."""
    # The process that raised Reject writes that itself, perhaps a moment later.
    if isinstance(sender, Task) or is_inside() or isinstance(exception, Reject):
        return
    run_id, error = run_id_of(str(task_id)), sentence_of(exception)
    # Killed before it could claim the run: beat sends the message again.
    may_begin = isinstance(exception, WorkerLostError)
    background.later(lambda: _fail(run_id, error, may_begin=may_begin))


def _fail(run_id: UUID, error: str, *, may_begin: bool) -> None:
    with driver_transaction() as connection:
        call = calls.held_by(connection, run_id, _names)
        if call is None:
            if not may_begin:
                calls.close(connection, run_id, "failed", error)
            return
        outcome = calls.failure(call, error)
        if outcome.is_end:
            calls.end(connection, [(call, outcome)])
        else:
            calls.go_on(connection, call, outcome)


@signals.task_revoked.connect
def _revoked(request: Any, terminated: Any = False, expired: Any = False, **_: Any) -> None:
    found = getattr(request, HEADER, None)
    if found:
        reason = "expired" if expired else "terminated" if terminated else "revoked"
        background.later(lambda: _close(UUID(str(found)), "stopped", reason))


def _close(run_id: UUID, ended: str, error: str) -> None:
    with driver_transaction() as connection:
        calls.close(connection, run_id, ended, error)
