"""Scales the pool by the batches that are ready to run: ``--autoscale=max,min`` with another measure.

A thread reads the demand once a second; the worker's event loop uses the last reading, so that a slow
database never blocks it.  While Postgres or Redis is unreachable, Celery's measure (messages in this
worker's hands) decides.  A pool shrinks by idle processes alone: a running batch ends first.
"""

import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import state
from celery.worker.autoscale import Autoscaler
from sqlalchemy.exc import SQLAlchemyError

from workers.connections import places
from workers.db import driver_connect
from workers.pool import demand
from workers.pool.demand import Demand
from workers.pool.scaling import Peak, clamp
from workers.processes import slots
from workers.redaction import brief

log = structlog.stdlib.get_logger(__name__)

#: Seconds between two reads of the demand, and between two adjustments.
POLL_SECONDS = 1.0
#: An older reading is ignored: Celery's own measure decides (seconds).
MAX_AGE = 5.0


class DemandScaler(Autoscaler):
    """Celery's autoscaler with another measure, another cool-down, and bounds from `worker_group`."""

    pool: Any

    def __init__(
        self, pool: Any, high: int, low: int = 1, worker: Any = None, mutex: Any = None
    ) -> None:
        super().__init__(pool, high, low, worker=worker, keepalive=POLL_SECONDS, mutex=mutex)
        self._reader = _Reader(self)
        self._peak = Peak()
        self._applied: tuple[int, int] | None = None
        #: Bounds of the command line, for when the row is deleted.
        self._given = (high, low)
        self._wanted = 0

    def _maybe_scale(self, req: Any = None) -> bool:
        """Called by the event loop every second and with every message."""
        self._reader.start_once()
        reading = self._reader.latest()
        if reading is not None and reading.bounds != self._applied:
            self._apply_bounds(reading.bounds)
        self._wanted = reading.wanted if reading else self.qty
        peak = self._peak.of(self._wanted, time.monotonic())
        before = self.processes
        size = clamp(peak, self.min_concurrency, self.max_concurrency)
        if size > before:
            size = min(size, before + places.room())
        if size > before:
            self.pool.grow(size - before)
        elif size < before:
            self._shrink(before - size)
        if self.processes != before:
            self._log(before, reading)
        return bool(self.processes != before)

    def _apply_bounds(self, bounds: tuple[int, int] | None) -> None:
        """Use the bounds of the row; without a row those of the command line."""
        self._applied = bounds
        high, low = self.update(*(bounds or self._given))
        places.set_pool_size(high, slots.count())
        log.info("pool.bounded", max=high, min=low)

    def _log(self, before: int, reading: Demand | None) -> None:
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
        pool = self.pool._pool  # noqa: SLF001 - only the pool knows which are idle
        busy = _busy(pool)
        idle = sum(process.pid not in busy for process in pool._pool)  # noqa: SLF001
        with suppress(ValueError):
            # Billiard counts a process as idle until it has acknowledged its task.
            pool._worker_active = lambda process: process.pid in busy  # noqa: SLF001
            self.pool.shrink(min(number, idle))

    @property
    def measure(self) -> str:
        return (
            "ledger" if self._reader.latest() else "messages in hand: Postgres or Redis is unreachable"
        )

    def max_held(self) -> int:
        """How many messages this worker may hold: one per process, one more without a reading."""
        return int(self.processes) + (self._reader.latest() is None)

    def info(self) -> dict[str, Any]:
        """For ``inspect stats``, Flower and the heartbeat."""
        reading = self._reader.latest()
        return {
            **super().info(),
            "wanted": self._wanted,
            "slots": slots.count(),
            "ready": reading.ready if reading else None,
            "measure": self.measure,
        }


def _busy(pool: Any) -> set[int]:
    """Processes that run a task, or to which one was sent."""
    busy: set[int] = set()
    for job in list(pool._cache.values()):  # noqa: SLF001
        busy.update(pid for pid in job.worker_pids() if pid)
        for process in (job._write_to, job._scheduled_for):  # noqa: SLF001
            if process:
                busy.add(process.pid)
    return busy


class _Reader(threading.Thread):
    def __init__(self, scaler: DemandScaler) -> None:
        super().__init__(name="demand", daemon=True)
        self._scaler = scaler
        self._read: Demand | None = None
        self._at = 0.0
        self._error = ""

    def start_once(self) -> None:
        if self.ident is None:
            self.start()

    def latest(self) -> Demand | None:
        return self._read if time.monotonic() - self._at < MAX_AGE else None

    def run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                self._read_demand()
                self._error = ""
            except (SQLAlchemyError, OSError) as error:
                if not self._error:
                    log.warning("demand.unread", error=brief(error))
                self._error = type(error).__name__
            time.sleep(max(0.1, POLL_SECONDS - (time.monotonic() - began)))

    def _read_demand(self) -> None:
        worker = self._scaler.worker
        consumer = getattr(worker, "consumer", None)
        tasks = getattr(consumer, "task_consumer", None)
        if tasks is None:
            # Not connected to Redis: no ready batch can reach this worker.
            return
        queues = [queue.name for queue in tasks.queues]
        with driver_connect() as connection:
            self._read = demand.read(
                connection, worker.hostname, queues, self._scaler.max_concurrency, slots.count()
            )
        self._at = time.monotonic()


class ConsumeLimit(bootsteps.StartStopStep):
    """Takes a message from Redis only when a process is free for it.

    A message held in reserve cannot run on another worker, and has lost its place by priority.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        qos = consumer.task_consumer.channel.qos
        may_consume = qos.can_consume

        def can_consume() -> bool:
            scaler = getattr(consumer.controller, "autoscaler", None)
            if isinstance(scaler, DemandScaler):
                limit = scaler.max_held()
            else:
                limit = scaler.max_concurrency if scaler else consumer.pool.num_processes
            return len(state.reserved_requests) < limit and bool(may_consume())

        qos.can_consume = can_consume
