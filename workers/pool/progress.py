"""How far a run is, on Flower's task pages: events that say it, about once a second.

A message is one batch, so a run's own page (the task with the run's id) ends with its first batch.
What is said here goes to that page and to those of the batches in hand: items done, failed and in all,
the time left, and what is waited for; at the end, how the run ended. Nothing is said while events are
off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from celery import bootsteps
from celery.worker import state
from kombu.exceptions import OperationalError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from workers.db import connect

log = structlog.stdlib.get_logger(__name__)

#: Pause between two looks (seconds).
PAUSE = 1.0
#: At most one part in so many of the time is spent looking, however many batches a run has.
SPARE = 20
#: Runs that are followed after their batches left this worker; the oldest are forgotten.
MOST_FOLLOWED = 50

_LOOK = text("""
select r.id, r.state, r.finished_at is not null as ended,
       concat_ws('; ', r.result ->> 'summary', r.error, r.reason) as summary,
       now.items, now.failed, now.time_left, now.waiting_for
  from run r left join running_now now on now.id = r.id
 where r.id = any(:ids)
""")


def look(connection: Connection, ids: list[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """How far these runs are, by id."""
    return {row["id"]: dict(row) for row in connection.execute(_LOOK, {"ids": ids}).mappings()}


def sentence(row: Mapping[str, Any]) -> str:
    """What a person wants to know of a run, e.g. ``12/500 items, 1 failed, about 9 minutes left``."""
    if row["ended"]:
        return f"{row['state']}: {row['summary'] or ''}".rstrip(": ")
    parts = [f"{row['items']} items"]
    if row["failed"]:
        parts.append(f"{row['failed']} failed")
    if row["time_left"]:
        parts.append(f"{row['time_left']} left")
    if row["waiting_for"]:
        parts.append(f"waits for {row['waiting_for']}")
    return ", ".join(parts)


class Progress(bootsteps.StartStopStep):
    """Bootstep of the consumer: one thread that looks and tells."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self._teller: _Teller | None = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        """The consumer is ready; the thread outlives lost connections."""
        if self._teller is None:
            self._teller = _Teller(consumer)
            self._teller.start()

    def shutdown(self, consumer: Any) -> None:
        """The worker ends."""
        if self._teller is not None:
            self._teller.ended.set()
            self._teller.join(PAUSE)


class _Teller(threading.Thread):
    def __init__(self, consumer: Any) -> None:
        super().__init__(name="progress", daemon=True)
        self.ended = threading.Event()
        self._consumer = consumer
        #: What was said last of each run.
        self._said: dict[UUID, str] = {}

    def run(self) -> None:
        pause = PAUSE
        while not self.ended.wait(pause):
            began = time.monotonic()
            try:
                self._tell()
            except (SQLAlchemyError, OperationalError, OSError) as error:
                # The ledger, not an event, is what counts: the next look says it again.
                log.debug("progress.untold", error=type(error).__name__)
            pause = max(PAUSE, SPARE * (time.monotonic() - began))

    def _tell(self) -> None:
        events = self._consumer.event_dispatcher
        if events is None or not events.enabled or (events.groups and "task" not in events.groups):
            self._said.clear()
            return
        pages = _in_hand()
        for run_id in pages.values():
            self._said.setdefault(run_id, "")
        for forgotten in list(self._said)[:-MOST_FOLLOWED]:
            del self._said[forgotten]
        if not self._said:
            return
        with connect() as connection:
            rows = look(connection, list(self._said))
        for run_id in list(self._said):
            row = rows.get(run_id)
            if row is None:
                del self._said[run_id]
                continue
            said = sentence(row)
            if said != self._said[run_id]:
                # How the run ended is not what one of its batches came to.
                batches = [page for page, run in pages.items() if run == run_id and not row["ended"]]
                self._send({str(run_id), *batches}, said)
                self._said[run_id] = said
            if row["ended"]:
                del self._said[run_id]

    def _send(self, pages: set[str], said: str) -> None:
        hostname = self._consumer.hostname
        with self._consumer.app.events.default_dispatcher(hostname=hostname) as events:
            for page in sorted(pages):
                events.send("task-progress", uuid=page, result=said)


def _in_hand() -> dict[str, UUID]:
    """The messages that this worker works on, by Celery's id, each with its run."""
    found: dict[str, UUID] = {}
    with suppress(RuntimeError):
        # The event loop may add one at this very moment; the next look finds it.
        for request in list(state.active_requests):
            with suppress(ValueError):
                found[request.id] = UUID(str(request.args[0] if request.args else request.id))
    return found
