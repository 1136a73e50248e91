"""Keeps the lease of the batch in hand alive: one thread, and what it learns from each renewal.

The thread does not decide: it renews the lease and notes what it learned (lost, stop requested,
deadline over).  The batch looks at these notes at its next call.  When Postgres is away the thread
keeps trying and notes nothing: the fence decides later who owns the batch.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from workers import shutdown
from workers.db import driver_transaction
from workers.errors import DeadlineReached, HandBack, LeaseLost, Stopped
from workers.ledger import renewed
from workers.ledger.claimed import BatchLease
from workers.ledger.renewed import Renewal

#: A batch has its worker for so long, then it is queued again (seconds).
TIME_SLICE = 300.0

log = structlog.stdlib.get_logger(__name__)


class LeaseKeeper:
    def __init__(self, lease: BatchLease, length: timedelta) -> None:
        self._lease = lease
        self._length = length
        self._ended = threading.Event()
        run = lease.run
        self._found = Renewal(held=True, stopping=run["stop_requested_at"] is not None)
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._slice_ends = time.monotonic() + TIME_SLICE
        timeout = run["timeout"]
        deadline = run["deadline_at"] or (lease.claimed_at + timeout if timeout else None)
        #: On the monotonic clock, so that a stepped clock ends no run.
        self._deadline = (
            time.monotonic() + (deadline - lease.claimed_at).total_seconds() if deadline else None
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def _renew(self) -> None:
        pause = self._length.total_seconds() / 3
        while not self._ended.wait(pause):
            if self._is_late():
                # A hung task must not live on its thread's renewals: its lease ends with its time.
                return
            try:
                with driver_transaction() as connection:
                    self._found = renewed.renew(connection, self._lease, self._length)
            except SQLAlchemyError as error:
                log.warning("lease.not_renewed", error=type(error).__name__)
                continue
            if not self._found.held:
                log.warning("lease.lost", seq=self._lease.seq, fence=self._lease.fence)
                return

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline

    def stop(self) -> None:
        self._found = replace(self._found, stopping=True)

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
            raise DeadlineReached(f"not finished within its timeout of {self._lease.run['timeout']}")
        if shutdown.requested():
            raise HandBack("the worker is shutting down")
