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


class Wakeup:
    """The ear of beat; without it (``listen = False``, or LISTEN refused) beat polls."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._not_before = 0.0

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

    def wait(self, seconds: float) -> bool:
        """Wait for news at most so long; True when there is some."""
        if self._connection is None:
            # An empty select is a sleep that a signal can end.
            select.select([], [], [], seconds)
            return False
        if seconds > 0:
            select.select([self._connection], [], [], seconds)
        try:
            return len(list(self._connection.notifies(timeout=0))) > 0
        except psycopg.Error as error:
            self._deaf(error)
            return False

    def _deaf(self, error: psycopg.Error) -> None:
        log.warning("listen.lost", error=str(error).strip().partition("\n")[0])
        self.close()
        self._not_before = time.monotonic() + REST

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
