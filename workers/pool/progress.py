"""Progress of runs on Flower's task pages: one event about each second.

A message is one batch, so a run's own page (the task with the run's id) ends with its first batch.
Events go to that page and to those of the batches in hand: items done, failed and in all, the time
left, the upstream waited for; at the end, the result of the run. Nothing is sent while events are off.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from celery import bootsteps
from celery.worker import state
from psycopg.rows import dict_row
from sqlalchemy.exc import SQLAlchemyError

from workers.db import driver_connect, execute
from workers.processes import reports, slots
from workers.processes.doorbells import UNREACHABLE, batch_id
from workers.redaction import brief

log = structlog.stdlib.get_logger(__name__)

#: Seconds between two reads.
POLL_SECONDS = 1.0
#: A pause is at least this many times as long as the read before it.
PAUSE_FACTOR = 20
#: Runs that are followed after their batches left this worker; the oldest are dropped.
MAX_FOLLOWED = 50

_PROGRESS = """
select r.id, r.state, r.finished_at is not null as ended,
       concat_ws('; ', r.result ->> 'summary', r.error, r.reason) as summary,
       now.items, now.failed, now.time_left, now.waiting_for
  from run r left join running_now now on now.id = r.id
 where r.id = any(%s)
"""


def sentence(row: Mapping[str, Any]) -> str:
    """A run's progress, e.g. ``12/500 items, 1 failed, about 9 minutes left``."""
    if row["ended"]:
        return f"{row['state']}: {row['summary'] or ''}".rstrip(": ")
    total = int(row["items"].rpartition("/")[2])
    parts = [f"{row['items']} {'item' if total == 1 else 'items'}"]
    if row["failed"]:
        parts.append(f"{row['failed']} failed")
    if row["time_left"]:
        parts.append(f"{row['time_left']} left")
    if row["waiting_for"]:
        parts.append(f"waits for {row['waiting_for']}")
    return ", ".join(parts)


class Progress(bootsteps.StartStopStep):
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self._publisher: _Publisher | None = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        # The thread outlives lost connections.
        if self._publisher is None:
            self._publisher = _Publisher(consumer)
            self._publisher.start()

    def shutdown(self, consumer: Any) -> None:
        if self._publisher is not None:
            self._publisher.ended.set()
            self._publisher.join(POLL_SECONDS)


class _Publisher(threading.Thread):
    def __init__(self, consumer: Any) -> None:
        super().__init__(name="progress", daemon=True)
        self.ended = threading.Event()
        self._consumer = consumer
        #: The last text of each run.
        self._sent: dict[UUID, str] = {}

    def run(self) -> None:
        pause = POLL_SECONDS
        while not self.ended.wait(pause):
            began = time.monotonic()
            try:
                self._publish()
            except (SQLAlchemyError, *UNREACHABLE) as error:
                # The next read sends it again.
                log.debug("progress.unsent", error=brief(error))
            pause = max(POLL_SECONDS, PAUSE_FACTOR * (time.monotonic() - began))

    def _publish(self) -> None:
        events = self._consumer.event_dispatcher
        deaf = events is None or not events.enabled or (events.groups and "task" not in events.groups)
        if deaf or not reports.is_listened():
            self._sent.clear()
            return
        pages = _in_hand()
        for run_id in pages.values():
            self._sent.setdefault(run_id, "")
        for forgotten in list(self._sent)[:-MAX_FOLLOWED]:
            del self._sent[forgotten]
        if not self._sent:
            return
        with driver_connect() as connection:
            found = execute(connection, _PROGRESS, (list(self._sent),), dict_row)
            rows = {row["id"]: row for row in found}
        for run_id in list(self._sent):
            row = rows.get(run_id)
            if row is None:
                del self._sent[run_id]
                continue
            text = sentence(row)
            if text != self._sent[run_id]:
                # The result of the run is not that of one of its batches.
                batches = [page for page, run in pages.items() if run == run_id and not row["ended"]]
                self._send({str(run_id), *batches}, text)
                self._sent[run_id] = text
            if row["ended"]:
                del self._sent[run_id]

    def _send(self, pages: set[str], text: str) -> None:
        hostname = self._consumer.hostname
        with self._consumer.app.events.default_dispatcher(hostname=hostname) as events:
            for page in sorted(pages):
                events.send("task-progress", uuid=page, result=text)


def _in_hand() -> dict[str, UUID]:
    """The messages in hand, by Celery's id, each with its run."""
    found: dict[str, UUID] = {
        batch_id(one.run_id, one.seq, one.fence - 1): one.run_id
        for region in slots.regions()
        for one in region.in_hand()
    }
    with suppress(RuntimeError):
        # The event loop may add one meanwhile; the next read finds it.
        for request in list(state.active_requests):
            with suppress(ValueError):
                found[request.id] = UUID(str(request.args[0] if request.args else request.id))
    return found
