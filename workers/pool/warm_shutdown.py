"""A worker that shuts down marks its batches in the ledger, then ends within its time limit.

Celery's warm shutdown waits for Redis, and processes that wait for Postgres.  Threads beside it mark
the worker's batches, so that a kill at the end of the grace period counts as no death, and end the
process when waiting longer is useless.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from billiard import active_children
from celery import bootsteps
from sqlalchemy.exc import SQLAlchemyError

from workers.db import driver_transaction
from workers.ledger import heartbeats, renewed
from workers.processes import shutdown
from workers.settings import settings

log = structlog.stdlib.get_logger(__name__)

#: Seconds between two checks.
POLL_SECONDS = 0.5
#: Time that Celery gets to stop by itself while no process has a batch (seconds).
MAX_IDLE = 5.0
#: Time that Postgres gets to answer; without it nothing can be handed back (seconds).
MAX_SILENCE = 10.0

_started = threading.Lock()
#: The worker's main process.  One that was just forked has its signal handlers for a moment.
_main: int | None = None


class WarmShutdown(bootsteps.StartStopStep):
    """Bootstep of the worker: also a stop that no signal asked for is marked."""

    def close(self, worker: Any) -> None:
        begin(worker.hostname)


def begin(hostname: str) -> None:
    """Ask the pool to hand back what it has not begun, and make sure that the process ends.

    A process of the pool that is told so before it has begun is to end alone.
    """
    if _main not in (None, os.getpid()):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    shutdown.request()
    if _started.acquire(blocking=False):
        _Marker(hostname).start()
        _Limit(hostname).start()


def reset() -> None:
    """A worker begins in this process; an earlier one is forgotten (tests start several)."""
    global _main  # noqa: PLW0603 - a process's memory
    _main = os.getpid()
    shutdown.reset()
    if _started.locked():
        _started.release()


def mark_batches(hostname: str) -> None:
    with driver_transaction() as connection:
        renewed.leave(connection, hostname)


class _Marker(threading.Thread):
    """Marks batches until the process ends, because one may still be claimed; blocks with Postgres."""

    marked_at = float("-inf")

    def __init__(self, hostname: str) -> None:
        super().__init__(name="batch-marker", daemon=True)
        self._hostname = hostname

    def run(self) -> None:
        pause = threading.Event()
        while True:
            with suppress(SQLAlchemyError, OSError):
                mark_batches(self._hostname)
                _Marker.marked_at = time.monotonic()
            pause.wait(POLL_SECONDS)


class _Limit(threading.Thread):
    def __init__(self, hostname: str) -> None:
        super().__init__(name="shutdown-limit", daemon=True)
        self._hostname = hostname

    def run(self) -> None:
        pause = threading.Event()
        began = busy_at = time.monotonic()
        while True:
            pause.wait(POLL_SECONDS)
            now = time.monotonic()
            if shutdown.anybody_busy():
                busy_at = now
            reason = self._reason(now, began, busy_at)
            if reason is not None:
                log.warning("worker.ended_early", reason=reason, seconds=round(now - began, 1))
                self._end()

    @staticmethod
    def _reason(now: float, began: float, busy_at: float) -> str | None:
        if now - busy_at > MAX_IDLE:
            return "no batch is running, and the broker connection does not close"
        if now - max(began, _Marker.marked_at) > MAX_SILENCE:
            return "Postgres is unreachable, so nothing can be handed back"
        if now - began > settings().stop_seconds:
            return "the current calls took too long"
        return None

    def _end(self) -> None:
        last = threading.Thread(target=self._write_end, daemon=True)
        last.start()
        last.join(POLL_SECONDS)
        for child in active_children():
            if child.pid is not None:
                with suppress(OSError):
                    os.kill(child.pid, signal.SIGKILL)
        os._exit(0)

    def _write_end(self) -> None:
        with suppress(SQLAlchemyError, OSError):
            mark_batches(self._hostname)
            heartbeats.end(self._hostname, "worker")
