"""Keeps the leases of the plain tasks in this process alive: one thread for all of them.

It looks once a third of a lease; a task that ends sooner costs it nothing.  A run that is to stop is
revoked as Celery does it: the worker ends the process that works on it.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from workers.connections import places
from workers.ledger import renewed
from workers.ledger.calls import Call, Outcome
from workers.plain import background, ends
from workers.plain.kept_connection import kept_driver
from workers.processes.doorbells import UNREACHABLE
from workers.redaction import brief
from workers.settings import settings

log = structlog.stdlib.get_logger(__name__)


class _Keeper:
    def __init__(self) -> None:
        self.held: dict[Call, tuple[Any, str]] = {}
        self._thread: threading.Thread | None = None
        self._revoked: set[Call] = set()

    def start_once(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew_all, name="plain-leases", daemon=True)
            self._thread.start()

    def forget(self) -> None:
        """In a forked child: what is held, and the thread, are the parent's."""
        self.held.clear()
        self._thread = None

    def _renew_all(self) -> None:
        length = timedelta(seconds=settings().lease_seconds)
        pause = threading.Event()
        while True:
            pause.wait(length.total_seconds() / 3)
            self._revoked &= self.held.keys()
            for call in list(self.held):
                try:
                    self._renew(call, length)
                except SQLAlchemyError as error:
                    log.warning("lease.not_renewed", error=brief(error))
                except Exception:
                    # Without this thread every lease of the process would end.
                    log.exception("lease.not_renewed")

    def _renew(self, call: Call, length: timedelta) -> None:
        with kept_driver() as connection:
            (found,) = renewed.renew(connection, [call], length)
        given = self.held.get(call)
        if not found.stopping or given is None:
            return
        app, worker = given
        if call not in self._revoked:
            self._revoked.add(call)
            log.info("run.stopping", run_id=str(call.run_id))
            # Without Redis this waits, and the leases are renewed meanwhile.
            background.later(lambda: _revoke(app, call, worker))
        elif places.is_of_pool():
            _end_here(call, worker)


_keeper = _Keeper()
os.register_at_fork(after_in_child=_keeper.forget)


@contextmanager
def kept(call: Call, app: Any, worker: str) -> Iterator[None]:
    _keeper.held[call] = (app, worker)
    _keeper.start_once()
    try:
        yield
    finally:
        _keeper.held.pop(call, None)


def _revoke(app: Any, call: Call, worker: str) -> None:
    try:
        app.control.revoke(str(call.run_id), terminate=True, destination=[worker])
    except UNREACHABLE as error:
        log.warning("run.not_revoked", run_id=str(call.run_id), error=brief(error))


def _end_here(call: Call, worker: str) -> None:
    """The worker did not end this process: it forgets a task of which a second message came."""
    ends.write_all([ends.End(call, Outcome("stopped", error="terminated"), worker)])
    os.kill(os.getpid(), signal.SIGTERM)
