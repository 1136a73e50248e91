"""LISTENs for edits and other news on a connection of its own, so that a tick's wait ends at once."""

from __future__ import annotations

import select
from typing import Any

import psycopg

from workers.db import connect_args
from workers.settings import settings

CHANNEL = "watchkeeper"


class Wakeup:
    """The ear of beat; without it (``listen = False``) beat polls."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None

    def open(self) -> None:
        """Begin to listen; what was said before is for the caller's next look to find."""
        if settings().listen and self._connection is None:
            self._connection = psycopg.connect(
                settings().libpq_dsn, autocommit=True, **connect_args("beat (listening)")
            )
            self._connection.execute(f"listen {CHANNEL}")

    def wait(self, seconds: float) -> bool:
        """Wait for news at most so long; True when there is some."""
        if self._connection is None:
            # An empty select is an interruptible sleep.
            select.select([], [], [], seconds)
            return False
        if seconds > 0:
            select.select([self._connection], [], [], seconds)
        heard = False
        for _ in self._connection.notifies(timeout=0):
            heard = True
        return heard

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
