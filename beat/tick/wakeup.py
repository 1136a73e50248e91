"""LISTENs for edits on a connection of its own, so that a tick's wait ends at once."""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
import structlog

from workers.db import connect_args
from workers.settings import settings

log = structlog.stdlib.get_logger("beat")

CHANNEL = "watchkeeper"
#: Delay before LISTEN is tried again where it is refused, as by a transaction pooler (seconds).
RETRY_DELAY = 5.0
#: Notifications are ignored for so long after one that brought nothing to do (seconds).
IGNORE_SECONDS = 0.1
#: Interval of polling without LISTEN (seconds).
POLL_INTERVAL = 0.1
#: Longest time spent on reading notifications that have piled up (seconds).
MAX_READING = 0.05


class Wakeup:
    """The LISTEN connection; polls when LISTEN is unavailable."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._not_before = 0.0
        self._notified = False
        self._ignore_until = 0.0

    def open(self) -> None:
        """Begin to listen; the caller then looks for what was notified before."""
        if not settings().listen or self._connection or time.monotonic() < self._not_before:
            return
        try:
            self._connection = psycopg.connect(
                settings().libpq_dsn, autocommit=True, **connect_args("beat (listening)")
            )
            self._connection.execute(f"listen {CHANNEL}")
        except psycopg.Error as error:
            self._lost(error)

    def was_useful(self) -> None:
        self._notified = False

    def wait(self, seconds: float) -> bool:
        """Wait for a notification, at most ``seconds``; True when there was one.

        However often somebody notifies in vain, it causes at most ten ticks a second.
        """
        if self._notified:
            self._notified, self._ignore_until = False, time.monotonic() + IGNORE_SECONDS
        if self._connection is None:
            _sleep(min(seconds, POLL_INTERVAL))
            return False
        until = time.monotonic() + seconds
        _sleep(min(seconds, self._ignore_until - time.monotonic()))
        select.select([self._connection], [], [], max(0.0, until - time.monotonic()))
        try:
            self._notified = self._read(self._connection)
        except psycopg.Error as error:
            self._lost(error)
        return self._notified

    def _read(self, connection: psycopg.Connection[Any]) -> bool:
        """Read all notifications: unread ones fill Postgres's queue, and then it refuses edits."""
        until = time.monotonic() + MAX_READING
        found = False
        while list(connection.notifies(timeout=0)):
            found = True
            if time.monotonic() > until:
                break
        return found

    def _lost(self, error: psycopg.Error) -> None:
        log.warning("listen.lost", error=str(error).strip().partition("\n")[0])
        self.close()
        self._not_before = time.monotonic() + RETRY_DELAY

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _sleep(seconds: float) -> None:
    """An empty select is a sleep that a signal can end."""
    if seconds > 0:
        select.select([], [], [], seconds)
