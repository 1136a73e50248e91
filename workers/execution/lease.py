"""Keeps the leases of the batches in hand alive: one thread a process, all leases in one statement.

The thread does not decide: it renews the leases and notes what it learned of each (lost, stop
requested, deadline over).  A batch looks at its notes at its next call.  When Postgres is away the
thread keeps trying and notes nothing: the fence decides later who owns the batch.
"""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Self

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from workers.db import driver_connect, is_lost
from workers.errors import DeadlineReached, HandBack, LeaseLost, Stopped
from workers.ledger import renewed
from workers.ledger.claimed import BatchLease
from workers.ledger.finished import not_finished
from workers.ledger.renewed import Renewal
from workers.processes import shutdown
from workers.redaction import brief

#: A batch has its worker for so long, then it is queued again (seconds).
TIME_SLICE = 300.0

log = structlog.stdlib.get_logger(__name__)


class LeaseKeeper:
    def __init__(self, lease: BatchLease, length: timedelta) -> None:
        self.lease = lease
        self.length = length
        run = lease.run
        self._found = Renewal(held=True, stopping=run["stop_requested_at"] is not None)
        self._slice_ends = time.monotonic() + TIME_SLICE
        self._leaves: str | None = None
        timeout = run["timeout"]
        deadline = run["deadline_at"] or (lease.claimed_at + timeout if timeout else None)
        #: On the monotonic clock, so that a stepped clock ends no run.
        self.deadline = (
            time.monotonic() + (deadline - lease.claimed_at).total_seconds() if deadline else None
        )

    def __enter__(self) -> Self:
        _renewals.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _renewals.remove(self)

    def note(self, found: Renewal) -> None:
        self._found = found
        if not found.held:
            log.warning(
                "lease.lost", run_id=str(self.lease.run_id), seq=self.lease.seq, fence=self.lease.fence
            )

    @property
    def is_lost(self) -> bool:
        return not self._found.held

    def _is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def may_renew(self) -> bool:
        """A hung task must not live on its thread's renewals: its lease ends with its time."""
        return self._found.held and not self._is_late()

    def stop(self) -> None:
        self._found = replace(self._found, stopping=True)

    def leave(self, reason: str) -> None:
        """Hand the batch back at its next call."""
        self._leaves = reason

    def end_slice(self) -> None:
        """Hand the batch back at a point where nothing is lost, because its process is needed."""
        self._slice_ends = 0.0

    def yield_worker(self) -> None:
        """Hand the batch back when its time slice is used up; called where nothing is lost."""
        if time.monotonic() > self._slice_ends:
            raise HandBack("time slice used up; queued again")

    def check(self) -> None:
        if not self._found.held:
            raise LeaseLost("the lease ended while the worker was silent")
        if self._found.stopping:
            raise Stopped("stopped on request")
        if self._found.late or self._is_late():
            raise DeadlineReached(not_finished(self.lease.run["timeout"]))
        if self._leaves is not None:
            raise HandBack(self._leaves)
        if shutdown.requested():
            raise HandBack("the worker is shutting down")


class _Renewals:
    """The leases of this process, and the thread that renews them three times a lease."""

    def __init__(self) -> None:
        self._keepers: dict[int, LeaseKeeper] = {}
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, keeper: LeaseKeeper) -> None:
        with self._lock:
            self._keepers[id(keeper)] = keeper
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()
        self._some.set()

    def remove(self, keeper: LeaseKeeper) -> None:
        with self._lock:
            self._keepers.pop(id(keeper), None)
            if not self._keepers:
                self._some.clear()

    def all(self) -> list[LeaseKeeper]:
        with self._lock:
            return list(self._keepers.values())

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._some.wait()
            with self._lock:
                lengths = [keeper.length.total_seconds() for keeper in self._keepers.values()]
            pause.wait(min(lengths, default=1.0) / 3)
            with self._lock:
                keepers = [keeper for keeper in self._keepers.values() if keeper.may_renew()]
            if keepers:
                self._renew(keepers)

    def _renew(self, keepers: Sequence[LeaseKeeper]) -> None:
        try:
            with driver_connect() as connection:
                found = renewed.renew(
                    connection, [keeper.lease for keeper in keepers], keepers[0].length
                )
        except SQLAlchemyError as error:
            log.warning("lease.not_renewed", error=brief(error), leases=len(keepers))
            if len(keepers) > 1 and isinstance(error, DBAPIError) and not is_lost(error):
                for keeper in keepers:
                    self._renew([keeper])
            return
        with self._lock:
            # One that has ended meanwhile is not lost.
            for keeper, what in zip(keepers, found, strict=True):
                if id(keeper) in self._keepers:
                    keeper.note(what)


_renewals = _Renewals()
#: A forked child has none of its parent's threads.
os.register_at_fork(after_in_child=lambda: globals().update(_renewals=_Renewals()))


def in_hand() -> list[LeaseKeeper]:
    return _renewals.all()
