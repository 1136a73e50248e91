"""A worker that is told to end says so to the ledger, and ends, whatever is away.

Celery's warm shutdown waits for Redis, and for processes that wait for Postgres.  A thread beside it
marks the worker's batches first, so that a kill at the end of the grace is nobody's death, and ends the
process itself when nothing more can come of waiting.
"""

from __future__ import annotations

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

from workers import shutdown
from workers.db import transaction
from workers.ledger import claims, heartbeats
from workers.settings import settings

log = structlog.stdlib.get_logger(__name__)

#: Pause between two looks (seconds).
PAUSE = 0.5
#: No process has a batch in hand: so long Celery may take to end by itself (seconds).
TIDYING = 5.0
#: Nothing can be handed back while Postgres is away: so long it may take to answer (seconds).
DEAF = 10.0

_said = threading.Lock()


class Farewell(bootsteps.StartStopStep):
    """Bootstep of the worker: also an end that no signal asked for is said."""

    def close(self, worker: Any) -> None:
        """The worker begins to end."""
        begin(worker.hostname)


def begin(hostname: str) -> None:
    """Ask the pool to hand back what it has not begun, and see to it that the process ends."""
    shutdown.request()
    if _said.acquire(blocking=False):
        _Speaker(hostname).start()
        _Warden(hostname).start()


def forget() -> None:
    """A worker starts in a process that had one (as tests do)."""
    shutdown.reset()
    if _said.locked():
        _said.release()


def say(hostname: str) -> None:
    """Mark what ``hostname`` has in hand."""
    with transaction() as connection:
        claims.leave(connection, hostname)


class _Speaker(threading.Thread):
    """Says it until the process ends: a batch may still be claimed.  Hangs when Postgres hangs."""

    heard_at = float("-inf")

    def __init__(self, hostname: str) -> None:
        super().__init__(name="farewell", daemon=True)
        self._hostname = hostname

    def run(self) -> None:
        pause = threading.Event()
        while True:
            with suppress(SQLAlchemyError, OSError):
                say(self._hostname)
                _Speaker.heard_at = time.monotonic()
            pause.wait(PAUSE)


class _Warden(threading.Thread):
    """Ends the process when nothing more can come of waiting."""

    def __init__(self, hostname: str) -> None:
        super().__init__(name="warden", daemon=True)
        self._hostname = hostname

    def run(self) -> None:
        pause = threading.Event()
        began = busy_at = time.monotonic()
        while True:
            pause.wait(PAUSE)
            now = time.monotonic()
            if shutdown.anybody_busy():
                busy_at = now
            reason = self._reason(now, began, busy_at)
            if reason is not None:
                log.warning("worker.ended_early", reason=reason, seconds=round(now - began, 1))
                self._end()

    @staticmethod
    def _reason(now: float, began: float, busy_at: float) -> str | None:
        if now - busy_at > TIDYING:
            return "nothing is in hand, and the broker does not let go"
        if now - max(began, _Speaker.heard_at) > DEAF:
            return "Postgres is away, nothing can be handed back"
        if now - began > settings().stop_seconds:
            return "the current calls took too long"
        return None

    def _end(self) -> None:
        last = threading.Thread(target=self._say_ended, daemon=True)
        last.start()
        last.join(PAUSE)
        for child in active_children():
            if child.pid is not None:
                with suppress(OSError):
                    os.kill(child.pid, signal.SIGKILL)
        os._exit(0)

    def _say_ended(self) -> None:
        with suppress(SQLAlchemyError, OSError):
            say(self._hostname)
            heartbeats.ended(self._hostname, "worker")
