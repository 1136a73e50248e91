"""A connection that a process keeps for single statements that come in quick succession.

Nothing is checked out or in, and each statement commits by itself: half the cost of a pooled one.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from workers.connections import places
from workers.connections.forks import no_fork
from workers.connections.postgres import connect_args, ends_connection
from workers.db import Driver, counted, prove, translated
from workers.settings import settings

#: A few rows are found by their keys, however few a table seems to have.
BY_KEY = " -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off"


class _Kept:
    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a forked child: the connection is the parent's, and psycopg leaves it open."""
        self.lock = threading.RLock()
        self._driver: Driver | None = None
        self._used_at = 0.0

    def get(self, patience: float) -> Driver:
        if self._driver is not None:
            try:
                prove(self._driver, self._used_at)
            except psycopg.Error:
                self.close()
        if self._driver is None:
            places.reserve("kept", 1, patience)
            arguments = connect_args("watchkeeper")
            arguments["options"] += BY_KEY
            with no_fork():
                self._driver = psycopg.connect(settings().libpq_dsn, autocommit=True, **arguments)
        self._used_at = time.monotonic()
        return self._driver

    def close(self) -> None:
        with self.lock:
            if self._driver is not None:
                self._driver.close()
            self._driver = None

    def lose(self) -> bool:
        """Whether there is no connection any more."""
        if self._driver is not None and self._driver.closed:
            self._driver = None
        return self._driver is None


_kept = _Kept()
os.register_at_fork(after_in_child=_kept.forget)


@contextmanager
def kept_driver(patience: float = 0.0) -> Iterator[Driver]:
    """The process's kept connection, whose statements commit one by one; threads take turns.

    ``patience``: so long its first one waits for a place among those of the host (seconds).
    """
    with counted(), _kept.lock:
        try:
            yield _kept.get(patience)
        except psycopg.Error as error:
            if ends_connection(error):
                _kept.close()
            lost = _kept.lose()
            raise translated(error, lost=lost) from error


def reset() -> None:
    """Give the connection up; the next statement has a new one."""
    _kept.close()
