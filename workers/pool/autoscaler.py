"""The pool's size follows what could run now, not what waits: ``--autoscale=max,min`` with our measure.

A thread reads the demand once a second; the worker's event loop only looks at what was read last, so
that a slow database never holds it.  While Postgres or Redis is away Celery's own measure (messages in
this worker's hands) decides.  A pool shrinks by idle processes alone: a running batch ends first.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import state
from celery.worker.autoscale import Autoscaler
from kombu.exceptions import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from workers.db import connect
from workers.pool import demand
from workers.pool.demand import Demand
from workers.pool.scaling import Peak, clamp

log = structlog.stdlib.get_logger(__name__)

#: Pause between two reads and between two looks at what was read (seconds).
PAUSE = 1.0
#: A reading older than this is no reading: Celery's own measure decides (seconds).
STALE = 5.0


class DemandScaler(Autoscaler):
    """Celery's autoscaler with another measure, another cool-down, and bounds that people edit."""

    pool: Any

    def __init__(
        self, pool: Any, high: int, low: int = 1, worker: Any = None, mutex: Any = None
    ) -> None:
        super().__init__(pool, high, low, worker=worker, keepalive=PAUSE, mutex=mutex)
        self._reader = _Reader(self)
        self._peak = Peak()
        self._applied: tuple[int, int] | None = None
        #: What the command line says, for when people take their bounds back.
        self._given = (high, low)
        self._wanted = 0

    def _maybe_scale(self, req: Any = None) -> bool:
        """Called by the event loop every second and with every message."""
        self._reader.start_once()
        reading = self._reader.latest()
        if reading is not None and reading.bounds != self._applied:
            self._obey(reading.bounds)
        self._wanted = reading.wanted if reading else self.qty
        peak = self._peak.of(self._wanted, time.monotonic())
        before = self.processes
        size = clamp(peak, self.min_concurrency, self.max_concurrency)
        if size > before:
            self.pool.grow(size - before)
        elif size < before:
            self._shrink(before - size)
        if self.processes != before:
            self._say(before, reading)
        return bool(self.processes != before)

    def _obey(self, bounds: tuple[int, int] | None) -> None:
        """Take the bounds that people wrote; without a row the command line's hold again."""
        self._applied = bounds
        high, low = self.update(*(bounds or self._given))
        log.info("pool.bounded", max=high, min=low)

    def _say(self, before: int, reading: Demand | None) -> None:
        log.info(
            "pool.scaled",
            before=before,
            after=self.processes,
            wanted=self._wanted,
            ready=reading.ready if reading else None,
            busy=reading.busy if reading else self.qty,
            measure=self.measure,
        )

    def _shrink(self, number: int) -> None:
        """End up to ``number`` idle processes."""
        pool = self.pool._pool  # noqa: SLF001 - what is idle only the pool knows
        busy = _busy(pool)
        idle = sum(process.pid not in busy for process in pool._pool)  # noqa: SLF001
        with suppress(ValueError):
            # Billiard takes a process for idle that was given a task and has not yet said so.
            pool._worker_active = lambda process: process.pid in busy  # noqa: SLF001
            self.pool.shrink(min(number, idle))

    @property
    def measure(self) -> str:
        """What decides now."""
        return "ledger" if self._reader.latest() else "messages in hand: Postgres or Redis is away"

    def appetite(self) -> int:
        """How many messages this worker may hold: one a process, and one to grow by when unsure."""
        return int(self.processes) + (self._reader.latest() is None)

    def info(self) -> dict[str, Any]:
        """For ``inspect stats``, Flower and the heartbeat."""
        reading = self._reader.latest()
        return {
            **super().info(),
            "wanted": self._wanted,
            "ready": reading.ready if reading else None,
            "measure": self.measure,
        }


def _busy(pool: Any) -> set[int]:
    """Processes that run a task, or to which one is on its way."""
    busy: set[int] = set()
    for job in list(pool._cache.values()):  # noqa: SLF001
        busy.update(pid for pid in job.worker_pids() if pid)
        for process in (job._write_to, job._scheduled_for):  # noqa: SLF001
            if process:
                busy.add(process.pid)
    return busy


class _Reader(threading.Thread):
    """Reads the demand once a second."""

    def __init__(self, scaler: DemandScaler) -> None:
        super().__init__(name="demand", daemon=True)
        self._scaler = scaler
        self._read: Demand | None = None
        self._at = 0.0
        self._away = ""

    def start_once(self) -> None:
        if self.ident is None:
            self.start()

    def latest(self) -> Demand | None:
        """What was read last, None when that is too long ago."""
        return self._read if time.monotonic() - self._at < STALE else None

    def run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                self._look()
                self._away = ""
            except (SQLAlchemyError, OperationalError, OSError) as error:
                if not self._away:
                    log.warning("demand.unread", error=type(error).__name__)
                self._away = type(error).__name__
            time.sleep(max(0.1, PAUSE - (time.monotonic() - began)))

    def _look(self) -> None:
        worker = self._scaler.worker
        consumer = getattr(worker, "consumer", None)
        tasks = getattr(consumer, "task_consumer", None)
        if tasks is None:
            # Not connected to Redis: nothing ready can come here.
            return
        queues = [queue.name for queue in tasks.queues]
        with connect() as connection:
            self._read = demand.read(connection, worker.hostname, queues, self._scaler.max_concurrency)
        self._at = time.monotonic()


class Appetite(bootsteps.StartStopStep):
    """Takes a message from Redis only when a process is free for it.

    What a worker holds in reserve no other worker can run, and it has lost its place by priority.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """The consumer has a new channel: ask us before it takes a message."""
        qos = consumer.task_consumer.channel.qos
        may_consume = qos.can_consume

        def can_consume() -> bool:
            scaler = getattr(consumer.controller, "autoscaler", None)
            if isinstance(scaler, DemandScaler):
                limit = scaler.appetite()
            else:
                limit = scaler.max_concurrency if scaler else consumer.pool.num_processes
            return len(state.reserved_requests) < limit and bool(may_consume())

        qos.can_consume = can_consume
