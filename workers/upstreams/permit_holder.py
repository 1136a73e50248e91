"""The permits of one caller: asked for at the instant of each call, settled when its answer is in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from workers import metrics
from workers.db import connect
from workers.errors import Unavailable
from workers.settings import settings
from workers.upstreams import permits
from workers.upstreams.permits import Answered, Grant


class NoPermit(Unavailable):
    """The deadline passed before a permit was granted: no failure of the upstream."""


class PermitHolder:
    """Takes permits for one batch (or for nobody in particular) and settles them."""

    def __init__(
        self,
        run_id: UUID | None,
        seq: int | None,
        *,
        settle_later: bool,
        check: Callable[[], None] | None,
    ) -> None:
        self._run_id = run_id
        self._seq = seq
        self._settle_later = settle_later
        self._check = check or (lambda: None)
        self._patience: float | None = None
        #: The whole time of a call and a second, for each attempt: an upstream may go on with one that
        #: we have given up.
        self._lease = timedelta(0)
        self._unsettled: list[Answered] = []
        self._on_trial = False
        #: Whether a permit was ever asked for.
        self.called = False

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Calls made inside wait so long for a permit: giving the worker back would lose them."""
        before, self._patience = self._patience, seconds
        try:
            yield
        finally:
            self._patience = before

    def _permit(self, upstream: str, deadline: float, path: str) -> int:
        """Take a permit, waiting a little if need be."""
        waited = 0.0
        while True:
            self._check()
            began = time.monotonic()
            if began >= deadline:
                break
            grant = self._ask(upstream, path)
            if grant.id is not None:
                self._on_trial = grant.trying
                return grant.id
            patience = settings().quota_wait_seconds if self._patience is None else self._patience
            late = began + grant.wait >= deadline
            if waited + grant.wait > patience or (late and self._patience is None):
                metrics.WAITS.labels(upstream, "yes").inc()
                raise permits.refusal(upstream, grant)
            if late:
                break
            metrics.WAITS.labels(upstream, "no").inc()
            time.sleep(grant.wait + 0.001)
            waited += time.monotonic() - began
        raise NoPermit(upstream, "no permit within the time of the call")

    def _ask(self, upstream: str, path: str) -> Grant:
        """Settle what is answered and ask for a permit, in one short transaction of its own."""
        self.called = True
        answered = self.take_unsettled()
        try:
            with connect() as connection:
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

    def take_unsettled(self) -> list[Answered]:
        """Calls answered and not yet settled; the caller settles them in its transaction."""
        taken, self._unsettled = self._unsettled, []
        return taken

    def close(self) -> None:
        """Settle what is left, in a transaction of its own."""
        if self._unsettled:
            with connect() as connection:
                permits.settle(connection, self.take_unsettled())
