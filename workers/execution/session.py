"""The task that a doorbell starts."""

from typing import Any

import structlog
from celery import shared_task

from workers.execution.session_loop import LENGTH, Session
from workers.processes import shutdown
from workers.processes.doorbells import SESSION
from workers.text.words import count_words

#: Celery's limit is behind those of the batches (``time_limit`` of their kinds) and of the session.
TIME_LIMIT = int(LENGTH) + 1800


@shared_task(
    name=SESSION,
    bind=True,
    typing=False,
    ignore_result=True,
    acks_late=False,
    # Flower sees batches, not sessions.
    send_events=False,
    time_limit=TIME_LIMIT,
)
def session(self: Any, queue: str, *_: Any) -> str:
    """Work what is ready in the worker's queues; ``queue`` is the one whose doorbell rang."""
    structlog.contextvars.clear_contextvars()
    with shutdown.busy():
        working = Session(self.app, self.request.hostname or "here", [queue])
        working.run()
    return count_words(working.worked, "batch", "batches")
