"""A worker that no longer consumes is dead although it runs: it says so, then restarts itself.

The consumer's event loop touches a clock; a thread outside the loop looks at that clock. While it is
fresh, the thread writes the process's heartbeat (row and file). When it has stood still for a minute
although Redis answers, or when for a minute messages lie in its queues and it reads none although a
process is idle, the worker ends with status 70, and whoever runs it starts it again.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import state
from kombu.exceptions import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from workers.ledger import heartbeats
from workers.pool import farewell

log = structlog.stdlib.get_logger(__name__)

#: Event loop stands still for longer than this: the worker is useless (seconds).
STANDSTILL = 60.0
#: Pause between two looks (seconds).
PAUSE = 2.0
#: Pause between two looks into the queues of a worker that reads nothing (seconds).
LISTEN = 10.0
#: EX_SOFTWARE of sysexits.h: "internal software error".
EXIT_STATUS = 70


class Watchdog(bootsteps.StartStopStep):
    """Bootstep of the consumer: started again with every connection to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self._tick: Any = None
        self._watch: _Watch | None = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        """The consumer is ready: touch the clock from its event loop, and watch it."""
        if consumer.hub is None or consumer.pool.__class__.__module__.endswith(".solo"):
            # Without an event loop of its own (solo) a long task stands still by nature.
            return
        if self._watch is None:
            self._watch = _Watch(consumer)
            self._watch.start()
        self._watch.touch()
        self._tick = consumer.timer.call_repeatedly(1.0, self._watch.touch)

    def stop(self, consumer: Any) -> None:
        """The connection is gone: the clock stands until the consumer is back."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def shutdown(self, consumer: Any) -> None:
        """The worker ends on purpose."""
        self.stop(consumer)
        if self._watch is None:
            return
        self._watch.ended.set()
        self._watch.join(PAUSE)
        try:
            heartbeats.ended(consumer.hostname, "worker")
        except (SQLAlchemyError, OSError) as error:
            log.warning("heartbeat.unwritten", error=type(error).__name__)


class _Watch(threading.Thread):
    def __init__(self, consumer: Any) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.ended = threading.Event()
        self._consumer = consumer
        self._touched = time.monotonic()
        self._read = 0
        self._heard = self._next_listen = time.monotonic()

    def touch(self) -> None:
        self._touched = time.monotonic()

    def run(self) -> None:
        while not self.ended.wait(PAUSE):
            still = time.monotonic() - self._touched
            if still < PAUSE * 3:
                self._look()
            elif still > STANDSTILL and self._redis_answers():
                log.critical("worker.standstill", seconds=round(still), exit_status=EXIT_STATUS)
                self._exit()

    def _look(self) -> None:
        """The event loop runs; whether it reads, too."""
        try:
            deaf = self._is_deaf()
        except (OperationalError, OSError) as error:
            log.warning("queues.unread", error=type(error).__name__)
            deaf = False
        if deaf:
            log.critical("worker.deaf", seconds=round(STANDSTILL), exit_status=EXIT_STATUS)
            self._exit()
        self._beat()

    def _exit(self) -> None:
        """End at once; what the pool has in hand did nothing wrong."""
        with suppress(SQLAlchemyError, OSError):
            farewell.say(self._consumer.hostname)
        os._exit(EXIT_STATUS)

    def _is_deaf(self) -> bool:
        """Whether messages have lain in its queues for long, a process is idle, and none was read."""
        now = time.monotonic()
        read = sum(state.total_count.values())
        idle = len(state.active_requests) < getattr(self._consumer.pool, "num_processes", 1)
        if read != self._read or not idle:
            self._read, self._heard, self._next_listen = read, now, now
        elif now >= self._next_listen:
            self._next_listen = now + min(LISTEN, STANDSTILL / 4)
            if not self._messages():
                self._heard = now
        return now - self._heard > STANDSTILL

    def _messages(self) -> int:
        """Messages in the queues that this worker serves."""
        tasks = self._consumer.task_consumer
        if tasks is None:
            return 0
        names = [queue.name for queue in tasks.queues]
        with self._consumer.app.connection_for_read() as connection:
            channel = connection.default_channel
            return sum(channel.queue_declare(queue=name).message_count for name in names)

    def _beat(self) -> None:
        consumer = self._consumer
        detail = {
            "pid": os.getpid(),
            "queues": sorted(queue.name for queue in consumer.task_consumer.queues)
            if consumer.task_consumer
            else [],
            "processes": getattr(consumer.pool, "num_processes", 1),
        }
        scaler = getattr(consumer.controller, "autoscaler", None)
        if scaler is not None:
            detail.update(scaler.info())
        try:
            heartbeats.beat(consumer.hostname, "worker", detail)
        except (SQLAlchemyError, OSError) as error:
            log.warning("heartbeat.unwritten", error=type(error).__name__)

    def _redis_answers(self) -> bool:
        try:
            with self._consumer.app.connection_for_read() as connection:
                connection.ensure_connection(max_retries=1, timeout=5)
        except (OperationalError, OSError):
            # While Redis is away a restart would change nothing.
            self._touched = time.monotonic() - STANDSTILL / 2
            return False
        return True
