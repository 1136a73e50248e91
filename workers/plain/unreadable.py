"""Messages that no task takes: of a task that is unknown here, or with arguments that are none.

Celery drops them with a line in the log; the ledger keeps a failed run that says why.
"""

import json
from typing import Any

from celery import signals

from workers.db import driver_transaction
from workers.execution.task import Task, run_id_of
from workers.ledger import calls
from workers.plain import background
from workers.redaction import redact
from workers.text.cleaning import cleaned

#: Longer arguments are not kept (characters).
MAX_KEPT = 10_000


@signals.task_unknown.connect
def _unknown(sender: Any, name: Any, id: Any, message: Any = None, **_: Any) -> None:  # noqa: A002
    """In the event loop of a worker that has no task of this name."""
    error = f"{sender.hostname} knows no task named {name!r}"
    payload = getattr(message, "payload", None)
    args, kwargs = payload[:2] if isinstance(payload, (list, tuple)) and len(payload) > 1 else ([], {})
    background.later(lambda: _note(str(id), str(name), {"args": args, "kwargs": kwargs}, error))


@signals.task_internal_error.connect
def _not_called(sender: Any, task_id: Any, args: Any, kwargs: Any, exception: Any, **_: Any) -> None:
    """In the pool: Celery could not even call the task."""
    if isinstance(sender, Task):
        error = f"{type(exception).__name__}: {exception}"
        _note(str(task_id), sender.name, {"args": args, "kwargs": kwargs}, error)


def _note(task_id: str, task: str, options: dict[str, Any], error: str) -> None:
    text = json.dumps(options, default=repr).replace("\\u0000", "")
    with driver_transaction() as connection:
        calls.note_unreadable(
            connection,
            run_id_of(task_id),
            cleaned(task)[:200],
            text if len(text) <= MAX_KEPT else "{}",
            redact(cleaned(error))[:500],
        )
