"""No process is forked while a thread connects to a server.

OpenSSL, which logins and TLS need, locks what it sets up, and Python what it imports.  A process that
is forked meanwhile finds those locks locked for ever, and its first connection waits for them.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, event

from workers.connections.postgres import KEEPALIVE

#: A fork waits no longer than a connection may take to come about (seconds).
MAX_WAIT = float(KEEPALIVE["connect_timeout"])


class _Connecting:
    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a forked process: its other threads are not there."""
        self._changed = threading.Condition()
        self._threads = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._changed:
            self._threads += 1
        try:
            yield
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()

    def wait(self) -> None:
        """Until no thread connects; none begins to before `go_on`."""
        self._changed.acquire()
        self._changed.wait_for(lambda: not self._threads, MAX_WAIT)

    def go_on(self) -> None:
        self._changed.release()


_connecting = _Connecting()
os.register_at_fork(
    before=_connecting.wait, after_in_parent=_connecting.go_on, after_in_child=_connecting.forget
)


@contextmanager
def no_fork() -> Iterator[None]:
    """Let the other threads of this process fork none until this ends."""
    with _connecting.counted():
        yield


def create_engine(**arguments: Any) -> Engine:
    with no_fork():
        made = sqlalchemy.create_engine(**arguments)
    event.listen(made, "do_connect", _connect)
    return made


def _connect(dialect: Any, _: Any, args: Any, parameters: Any) -> Any:
    with no_fork():
        return dialect.connect(*args, **parameters)
