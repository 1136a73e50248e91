"""LISTENs for edits and other news on a connection of its own, so that a tick's wait ends at once."""

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
#: Where LISTEN is refused (a transaction pooler), it is tried again after so long (seconds).
REST = 5.0
#: News that brought nothing to do (anybody may NOTIFY) are not heard for so long after (seconds).
QUIET = 0.1
#: Without LISTEN, news are looked for so often (seconds).
POLL = 0.1
#: Longest time spent on reading news that have piled up (seconds).
MOST_READING = 0.05


class Wakeup:
    """The ear of beat; without it (``listen = False``, or LISTEN refused) beat polls."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._not_before = 0.0
        self._told = False
        self._quiet_until = 0.0

    def open(self) -> None:
        """Begin to listen; what was said before is for the caller's next look to find."""
        if not settings().listen or self._connection or time.monotonic() < self._not_before:
            return
        try:
            self._connection = psycopg.connect(
                settings().libpq_dsn, autocommit=True, **connect_args("beat (listening)")
            )
            self._connection.execute(f"listen {CHANNEL}")
        except psycopg.Error as error:
            self._deaf(error)

    def was_useful(self) -> None:
        """There was something to do after the last wait."""
        self._told = False

    def wait(self, seconds: float) -> bool:
        """Wait for news at most so long; True when there is some.

        However often somebody notifies, no more than ten ticks a second find that it was for nothing.
        """
        if self._told:
            self._told, self._quiet_until = False, time.monotonic() + QUIET
        if self._connection is None:
            _sleep(min(seconds, POLL))
            return False
        until = time.monotonic() + seconds
        _sleep(min(seconds, self._quiet_until - time.monotonic()))
        select.select([self._connection], [], [], max(0.0, until - time.monotonic()))
        try:
            self._told = self._read(self._connection)
        except psycopg.Error as error:
            self._deaf(error)
        return self._told

    def _read(self, connection: psycopg.Connection[Any]) -> bool:
        """Read all news: unread ones fill Postgres's queue, and then it takes no edit any more."""
        until = time.monotonic() + MOST_READING
        told = False
        while list(connection.notifies(timeout=0)):
            told = True
            if time.monotonic() > until:
                break
        return told

    def _deaf(self, error: psycopg.Error) -> None:
        log.warning("listen.lost", error=str(error).strip().partition("\n")[0])
        self.close()
        self._not_before = time.monotonic() + REST

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _sleep(seconds: float) -> None:
    """An empty select is a sleep that a signal can end."""
    if seconds > 0:
        select.select([], [], [], seconds)
