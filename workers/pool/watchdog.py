"""Restarts a worker that runs but no longer consumes messages.

The consumer's event loop touches a clock; a thread outside the loop reads that clock. While it is
fresh, the thread writes the process's heartbeat (row and file). The worker ends with status 70, for its
supervisor to restart, when the loop has stood still for a minute although Redis answers, or when for a
minute messages wait in its queues and it reads none although a process is idle.
"""

import os
import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import state
from sqlalchemy.exc import SQLAlchemyError

from workers.connections.forks import no_fork
from workers.ledger import heartbeats
from workers.pool import slot_watch, warm_shutdown
from workers.processes import slots
from workers.processes.doorbells import UNREACHABLE
from workers.redaction import brief

log = structlog.stdlib.get_logger(__name__)

#: A worker that has consumed nothing for longer is restarted (seconds).
MAX_STANDSTILL = 60.0
#: Seconds between two checks.
POLL_SECONDS = 2.0
#: Seconds between two counts of waiting messages.
COUNT_SECONDS = 10.0
#: EX_SOFTWARE of sysexits.h: "internal software error".
EXIT_STATUS = 70


class Watchdog(bootsteps.StartStopStep):
    """Bootstep of the consumer: started again with every connection to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self._timer: Any = None
        self._thread: _Thread | None = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        """Touch the clock from the consumer's event loop, and watch it."""
        if consumer.hub is None or consumer.pool.__class__.__module__.endswith(".solo"):
            # The solo pool has no event loop: a long task blocks it by design.
            return
        if self._thread is None:
            self._thread = _Thread(consumer)
            self._thread.start()
        self._thread.touch()
        self._timer = consumer.timer.call_repeatedly(1.0, self._thread.touch)

    def stop(self, consumer: Any) -> None:
        """The connection is lost: the clock stands until the consumer is back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def shutdown(self, consumer: Any) -> None:
        self.stop(consumer)
        if self._thread is None:
            return
        self._thread.ended.set()
        self._thread.join(POLL_SECONDS)
        try:
            heartbeats.end(consumer.hostname, "worker")
        except (SQLAlchemyError, OSError) as error:
            log.warning("heartbeat.unwritten", error=brief(error))


class _Thread(threading.Thread):
    def __init__(self, consumer: Any) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.ended = threading.Event()
        self._consumer = consumer
        self._touched = time.monotonic()
        self._read = 0
        self._consumed_at = self._next_count = time.monotonic()

    def touch(self) -> None:
        self._touched = time.monotonic()

    def run(self) -> None:
        while not self.ended.wait(POLL_SECONDS):
            standstill = time.monotonic() - self._touched
            if standstill < POLL_SECONDS * 3:
                self._check_consuming()
            elif standstill > MAX_STANDSTILL and self._redis_answers():
                self._exit("worker.standstill", standstill)

    def _check_consuming(self) -> None:
        """The event loop runs: check whether it also reads messages."""
        try:
            consuming = self._is_consuming()
        except UNREACHABLE as error:
            log.warning("queues.unread", error=brief(error))
            consuming = True
        if not consuming:
            self._exit("worker.not_consuming", MAX_STANDSTILL)
        self._write_heartbeat()

    def _exit(self, event: str, seconds: float) -> None:
        """End at once; the batches in hand are not at fault."""
        log.critical(event, seconds=round(seconds), exit_status=EXIT_STATUS)
        with suppress(SQLAlchemyError, OSError):
            warm_shutdown.mark_batches(self._consumer.hostname)
        os._exit(EXIT_STATUS)

    def _is_consuming(self) -> bool:
        """False when messages have waited for long, a process is idle, and none was read."""
        now = time.monotonic()
        read = sum(state.total_count.values())
        idle = len(state.active_requests) < getattr(self._consumer.pool, "num_processes", 1)
        if read != self._read or not idle:
            self._read, self._consumed_at, self._next_count = read, now, now
        elif now >= self._next_count:
            self._next_count = now + min(COUNT_SECONDS, MAX_STANDSTILL / 4)
            if not self._waiting_messages():
                self._consumed_at = now
        return now - self._consumed_at <= MAX_STANDSTILL

    def _queues(self) -> list[str]:
        tasks = self._consumer.task_consumer
        return sorted(queue.name for queue in tasks.queues) if tasks else []

    def _waiting_messages(self) -> int:
        queues = self._queues()
        if not queues:
            return 0
        with self._consumer.app.connection_for_read() as connection:
            with no_fork():
                channel = connection.default_channel
            return sum(channel.queue_declare(queue=name).message_count for name in queues)

    def _write_heartbeat(self) -> None:
        consumer = self._consumer
        detail = {
            "pid": os.getpid(),
            "queues": self._queues(),
            "processes": getattr(consumer.pool, "num_processes", 1),
            # Says also that this worker knows doorbells.
            "slots": slots.count(),
            "idle_seconds": slot_watch.idleness.seconds,
        }
        slot_watch.tell_queues(consumer)
        scaler = getattr(consumer.controller, "autoscaler", None)
        if scaler is not None:
            detail.update(scaler.info())
        try:
            heartbeats.record(consumer.hostname, "worker", detail)
        except (SQLAlchemyError, OSError) as error:
            log.warning("heartbeat.unwritten", error=brief(error))

    def _redis_answers(self) -> bool:
        try:
            with self._consumer.app.connection_for_read() as connection, no_fork():
                connection.ensure_connection(max_retries=1, timeout=5)
        except UNREACHABLE:
            # A restart does not help while Redis is unreachable.
            self._touched = time.monotonic() - MAX_STANDSTILL / 2
            return False
        return True
