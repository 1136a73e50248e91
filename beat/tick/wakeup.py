"""LISTENs for edits on a connection of its own, so that a tick's wait ends at once."""

import select
import time
from typing import Any

import psycopg
import structlog

from workers.connections.postgres import connect_args
from workers.settings import settings

log = structlog.stdlib.get_logger("beat")

CHANNEL = "watchkeeper"
#: Delay before LISTEN is tried again where it is refused, as by a transaction pooler (seconds).
RETRY_DELAY = 5.0
#: Notifications in vain that wake beat at once, and how many more do each second.
MAX_VAIN = 5
VAIN_A_SECOND = 5.0
#: Interval of polling without LISTEN (seconds).
POLL_INTERVAL = 0.1
#: Longest time spent on reading notifications that have piled up (seconds).
MAX_READING = 0.05


class Vain:
    """How many notifications in vain still wake beat at once: few in a row, then so many a second.

    A useful one allows for all of them again: of two beats that hear of an edit one comes in vain.
    """

    def __init__(self, now: float) -> None:
        self._left, self._at = float(MAX_VAIN), now

    def forget(self) -> None:
        self._left = float(MAX_VAIN)

    def count(self, now: float) -> None:
        self._left, self._at = self._allowed(now) - 1, now

    def wait(self, now: float) -> float:
        """Seconds until a notification may wake beat."""
        return max(0.0, (1 - self._allowed(now)) / VAIN_A_SECOND)

    def _allowed(self, now: float) -> float:
        return min(MAX_VAIN, self._left + (now - self._at) * VAIN_A_SECOND)


class Wakeup:
    """The LISTEN connection; polls when LISTEN is unavailable."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._not_before = 0.0
        self._notified = False
        self._vain = Vain(time.monotonic())

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
        if self._notified:
            self._notified = False
            self._vain.forget()

    def wait(self, seconds: float) -> bool:
        """Wait for a notification, at most ``seconds``; True when there was one.

        However often somebody notifies in vain, it causes at most ten ticks a second.
        """
        if self._notified:
            self._notified = False
            self._vain.count(time.monotonic())
        if self._connection is None:
            _sleep(min(seconds, POLL_INTERVAL))
            return False
        until = time.monotonic() + seconds
        _sleep(min(seconds, self._vain.wait(time.monotonic())))
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
