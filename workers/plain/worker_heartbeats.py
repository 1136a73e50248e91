"""Says that a worker of somebody's application lives, and which queues it serves: views show both."""

import os
import threading
from typing import Any

import structlog
from celery import bootsteps
from sqlalchemy.exc import SQLAlchemyError

from workers.ledger import heartbeats
from workers.redaction import brief

log = structlog.stdlib.get_logger(__name__)

#: Seconds between two heartbeats.
EVERY = 5.0


class Heartbeats(bootsteps.StartStopStep):
    """Bootstep of the consumer; its thread outlives lost connections to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._record, args=(consumer,), name="heartbeats", daemon=True
            )
            self._thread.start()

    def shutdown(self, consumer: Any) -> None:
        self._ended.set()
        _try(lambda: heartbeats.end(consumer.hostname, "worker"))

    def _record(self, consumer: Any) -> None:
        while True:
            tasks = consumer.task_consumer
            detail = {
                "pid": os.getpid(),
                "queues": sorted(queue.name for queue in tasks.queues) if tasks else [],
                "processes": getattr(consumer.pool, "num_processes", 1),
            }
            _try(lambda detail=detail: heartbeats.record(consumer.hostname, "worker", detail))
            if self._ended.wait(EVERY):
                return


def _try(write: Any) -> None:
    try:
        write()
    except (SQLAlchemyError, OSError) as error:
        log.warning("heartbeat.unwritten", error=brief(error))
