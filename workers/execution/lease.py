"""Keeps the lease of the batch in hand alive: one thread a process, and the signs it brings back.

The thread does not decide: it prolongs the lease and notes what it learned (lost, stop asked for,
deadline over). The batch looks at these notes at its next call. When Postgres is away the thread
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
from workers.db import transaction
from workers.errors import DeadlineReached, HandBack, LeaseLost, Stopped
from workers.ledger import claims
from workers.ledger.claims import Claim, Sign

#: So long a batch has its worker, then others have their turn; Celery's hard limit is far (seconds).
TURN = 300.0

log = structlog.stdlib.get_logger(__name__)


class Lease:
    """The lease of one batch, beaten from entering the block to leaving it."""

    def __init__(self, hold: Claim, length: timedelta) -> None:
        self._hold = hold
        self._length = length
        self._ended = threading.Event()
        stopping = hold.run["stop_requested_at"] is not None
        self._sign = Sign(held=True, stopping=stopping, late=False)
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._turn_ends = time.monotonic() + TURN
        run = hold.run
        timeout = run["timeout"]
        deadline = run["deadline_at"] or (hold.claimed_at + timeout if timeout else None)
        #: On the monotonic clock, so that a stepped clock ends no run.
        self._deadline = (
            time.monotonic() + (deadline - hold.claimed_at).total_seconds() if deadline else None
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def _beat(self) -> None:
        pause = self._length.total_seconds() / 3
        while not self._ended.wait(pause):
            if self._over():
                # A hung task must not live on its thread's beats: its lease ends with its time.
                return
            try:
                with transaction() as connection:
                    self._sign = claims.beat(connection, self._hold, self._length)
            except SQLAlchemyError as error:
                log.warning("lease.unbeaten", error=type(error).__name__)
                continue
            if not self._sign.held:
                log.warning("lease.lost", seq=self._hold.seq, fence=self._hold.fence)
                return

    def _over(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline

    def stop(self) -> None:
        """Somebody else learned that the run is asked to stop."""
        self._sign = replace(self._sign, stopping=True)

    def rest(self) -> None:
        """Hand the batch back when it has had its worker for long; called where nothing is lost."""
        if time.monotonic() > self._turn_ends:
            raise HandBack("others have their turn")

    def check(self) -> None:
        """End the batch here if it must end; called before every item and every call."""
        if not self._sign.held:
            raise LeaseLost("the lease ended while the worker was silent")
        if self._sign.stopping:
            raise Stopped("stopped on request")
        if self._sign.late or self._over():
            raise DeadlineReached(f"not finished within its timeout of {self._hold.run['timeout']}")
        if shutdown.requested():
            raise HandBack("the worker is shutting down")
