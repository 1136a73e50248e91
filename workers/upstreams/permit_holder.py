"""The permits of one caller: taken when a call is made, settled when its response is in."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from uuid import UUID

from workers import metrics
from workers.db import Driver, driver_connect, holds_connection
from workers.errors import Unavailable
from workers.settings import settings
from workers.upstreams import permits
from workers.upstreams.bundles import Abandoned, Bundles
from workers.upstreams.permits import Answered, Grant, Question

#: A question, and calls of the same caller that are over.
Asked = tuple[Question, Sequence[Answered]]


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
        if holds_connection():
            raise RuntimeError("a call inside a transaction would hold a connection: end it first")
        waited = 0.0
        while True:
            self._check()
            began = time.monotonic()
            if began >= deadline:
                break
            grant = self._ask(upstream, path, deadline)
            if grant is None:
                break
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
        raise NoPermit(upstream, "the deadline passed before a permit was granted")

    def _ask(self, upstream: str, path: str, deadline: float) -> Grant | None:
        """Settle the calls that are over and ask for a permit; None when there was no time for it."""
        self.called = True
        answered, self._unsettled = self._unsettled, []
        question = Question(self._lease, self._run_id, self._seq, path)
        try:
            grant = _desk(upstream).ask((question, answered), deadline)
        except Abandoned:
            self._unsettled[:0] = answered
            return None
        except BaseException:
            self._unsettled[:0] = answered
            raise
        if grant.id is not None and time.monotonic() >= deadline:
            # Too late to call: nothing was sent, and nothing will be.
            self._answered(grant.id, None)
            return None
        return grant

    def _answered(self, permit: int, status: int | None) -> None:
        self._unsettled.append(Answered(permit, time.monotonic(), status))
        if not self._settle_later:
            self.close()

    @property
    def unsettled(self) -> bool:
        return bool(self._unsettled)

    def settle(self, connection: Driver) -> None:
        answered, self._unsettled = self._unsettled, []
        permits.settle(connection, answered)

    def close(self) -> None:
        """Settle the calls that are over, in a transaction that other threads may share."""
        answered, self._unsettled = self._unsettled, []
        try:
            if answered:
                _settling.ask(answered)
        except BaseException:
            self._unsettled[:0] = answered
            raise


def _take(upstream: str, asked: Sequence[Asked]) -> list[Grant]:
    answered = [one for _, calls in asked for one in calls]
    with driver_connect() as connection:
        return permits.take_many(connection, upstream, [question for question, _ in asked], answered)


def _give_back(_: Asked, grant: Grant) -> None:
    """Settle a permit whose caller was gone before it came: it made no call."""
    if grant.id is not None:
        _settling.ask([Answered(grant.id, time.monotonic(), None)])


def _settle(asked: Sequence[Sequence[Answered]]) -> list[None]:
    with driver_connect() as connection:
        permits.settle(connection, [one for calls in asked for one in calls])
    return [None] * len(asked)


#: By upstream: questions of all threads of this process, one statement at a time.
_desks: dict[str, Bundles[Asked, Grant]] = {}
_settling: Bundles[Sequence[Answered], None] = Bundles(_settle)


def _desk(upstream: str) -> Bundles[Asked, Grant]:
    found = _desks.get(upstream)
    if found is None:
        found = _desks.setdefault(upstream, Bundles(partial(_take, upstream), _give_back))
    return found


def forget() -> None:
    """Forget what threads ask (after a fork; between tests)."""
    global _settling  # noqa: PLW0603 - a process's memory
    _desks.clear()
    _settling = Bundles(_settle)
