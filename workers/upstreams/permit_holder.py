"""The permits of one caller: taken when a call is made, settled when its response is in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from workers import metrics
from workers.db import Driver, driver_connect, holds_connection
from workers.errors import Unavailable
from workers.settings import settings
from workers.upstreams import permits
from workers.upstreams.permits import Answered, Grant


class NoPermit(Unavailable):
    """The deadline passed before a permit was granted; the upstream has not failed."""


class PermitHolder:
    """Takes permits for one batch, or for a caller without one, and settles them."""

    def __init__(
        self,
        run_id: UUID | None,
        seq: int | None,
        *,
        settle_later: bool,
        check: Callable[[], None] | None,
    ) -> None:
        self._run_id, self._seq = run_id, seq
        self._settle_later = settle_later
        self._check = check or (lambda: None)
        self._max_wait: float | None = None
        #: Of each attempt's permit: the time of the whole call and a second, because an upstream may
        #: go on with an attempt that we have given up.
        self._lease = timedelta(0)
        self._unsettled: list[Answered] = []
        self._on_trial = False
        #: Whether a permit was ever asked for.
        self.called = False

    @contextmanager
    def max_wait(self, seconds: float) -> Iterator[None]:
        """Calls made inside wait up to ``seconds`` for a permit instead of giving the worker back."""
        before, self._max_wait = self._max_wait, seconds
        try:
            yield
        finally:
            self._max_wait = before

    def _acquire(self, upstream: str, deadline: float, path: str) -> int:
        """Take a permit, waiting a little if need be."""
        if holds_connection():
            raise RuntimeError("a call inside a transaction would hold a connection: end it first")
        waited = 0.0
        while True:
            self._check()
            began = time.monotonic()
            if began >= deadline:
                break
            grant = self._ask(upstream, path)
            if grant.id is not None:
                self._on_trial = grant.trying
                metrics.PERMITS.labels(upstream, "granted").inc()
                return grant.id
            limit = settings().quota_wait_seconds if self._max_wait is None else self._max_wait
            late = began + grant.wait >= deadline
            if waited + grant.wait > limit or (late and self._max_wait is None):
                metrics.PERMITS.labels(upstream, "refused").inc()
                raise permits.refusal(upstream, grant)
            if late:
                break
            metrics.PERMITS.labels(upstream, "waited").inc()
            time.sleep(grant.wait + 0.001)
            waited += time.monotonic() - began
        raise NoPermit(upstream, "no permit within the time of the call")

    def _ask(self, upstream: str, path: str) -> Grant:
        """Settle the calls that are over and ask for a permit, in one short transaction."""
        self.called = True
        answered, self._unsettled = self._unsettled, []
        try:
            with driver_connect() as connection:
                return permits.take(
                    connection,
                    upstream,
                    self._lease,
                    run_id=self._run_id,
                    seq=self._seq,
                    path=path,
                    answered=answered,
                )
        except BaseException:
            self._unsettled[:0] = answered
            raise

    def _answered(self, permit: int, status: int | None) -> None:
        self._unsettled.append(Answered(permit, time.monotonic(), status))
        if not self._settle_later:
            self.close()

    def settle(self, connection: Driver) -> None:
        """Settle the calls that are over, in the caller's transaction."""
        answered, self._unsettled = self._unsettled, []
        permits.settle(connection, answered)

    def close(self) -> None:
        """Settle the calls that are over, in a transaction of its own."""
        if self._unsettled:
            with driver_connect() as connection:
                self.settle(connection)
