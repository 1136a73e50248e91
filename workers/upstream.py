"""The only door to other people's servers: permit, deadline, retry, robots.txt, redaction, metrics.

Every HTTP call (an attempt, a redirect, robots.txt) takes a permit of its own at the instant it is made
and settles it when the answer is in.  A wait of up to two seconds is waited; anything longer raises
QuotaWait or QuotaSpent, and the engine gives the worker back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from workers import answers, breaker, doors, metrics, permits, retry, robots_files, transport, upstreams
from workers.answers import Answer, Validators
from workers.db import connect, transaction
from workers.detours import Detours
from workers.errors import Blocked, BrokenAnswer, ControlFlow, NotFound, RateLimited, Unavailable
from workers.permits import LONG_WAIT, Answered, Grant
from workers.redaction import redact, remember
from workers.requests import Check, Request, address
from workers.robots import Disallowed
from workers.settings import settings

__all__ = ["LONG_WAIT", "Answer", "Door", "Validators"]

log = structlog.stdlib.get_logger(__name__)

ATTEMPTS = 3
REDIRECTS = 5


def reset(*, close: bool = True) -> None:
    """Forget what this process knows (after a fork with ``close=False``; between tests)."""
    robots_files.forget()
    upstreams.forget()
    transport.reset(close=close)


class _Unreached(Unavailable):
    """No connection: the upstream saw nothing, so that anything may be asked again."""


class _NoTurn(Unavailable):
    """The time of the call was over before there was a permit: no failure of the upstream."""


class Door:
    """Calls made for one batch (or for nobody in particular)."""

    def __init__(
        self,
        *,
        run_id: UUID | None = None,
        seq: int | None = None,
        settle_later: bool = False,
        check: Callable[[], None] | None = None,
        resumed: bool = False,
    ) -> None:
        self._run_id = run_id
        self._seq = seq
        self._settle_later = settle_later
        self._detours = Detours(run_id, seq, resumed=resumed)
        self._check = check or (lambda: None)
        self._patience: float | None = None
        #: The whole time of a call and a second: an upstream may go on with one that we have given up.
        self._lease = timedelta(0)
        self._unsettled: list[Answered] = []
        self._on_trial = False
        #: Whether a permit was ever asked for.
        self.called = False

    def get(self, upstream: str, path: str, **how: Any) -> Answer:
        """GET ``path`` below the upstream's base URL, or an address there; see ``call`` for ``how``."""
        return self.call("GET", upstream, path, **how)

    def post(self, upstream: str, path: str, body: Any, **how: Any) -> Answer:
        """POST ``body`` as JSON; see ``call`` for ``how``."""
        return self.call("POST", upstream, path, body=body, **how)

    def call(
        self,
        method: str,
        upstream: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        content: bytes | None = None,
        secrets: Sequence[str] = (),
        timeout: float = 30.0,
        max_bytes: int = 5_000_000,
        conditional: Validators | None = None,
        check: Check | None = None,
        obey_robots: bool = False,
    ) -> Answer:
        """One answer, after at most three attempts, all within ``timeout`` seconds.

        ``body`` is sent as JSON, ``content`` as it is (``headers`` say what it is).
        What is not GET or HEAD is sent again only when the upstream cannot have seen it, or refused it.

        ``secrets`` are masked in every error and log line.  ``check`` may raise a typed error for an
        answer that is one in disguise (a limit message inside a 200).  ``obey_robots``: whatever the
        upstream's row says.  Raises NotFound, Blocked, BrokenAnswer, Unavailable; QuotaWait or
        QuotaSpent when there is no permit for a while.
        """
        remember(secrets)
        rules = upstreams.described(upstream)
        url = address(upstream, rules.base_url, path)
        sent = {**(headers or {}), **(conditional.headers() if conditional else {})}
        request = Request(upstream, method, url, params, sent, body, max_bytes, check, content=content)
        polite = rules.base_url if rules.obey_robots or obey_robots else None
        deadline, self._lease = time.monotonic() + timeout, timedelta(seconds=timeout + 1.0)
        attempt = 1
        while True:
            self._check()
            try:
                answer = self._follow(request, deadline, polite)
                self._proven(upstream)
                return answer
            except NotFound:
                self._proven(upstream)
                raise
            except RateLimited as error:
                # The door is closed; asking for the next permit waits, or says how long.
                breaker.shut(error)
            except Disallowed:
                raise
            except Blocked as error:
                breaker.shut(error)
                raise
            except _NoTurn:
                raise
            except Unavailable as error:
                again = request.repeatable or isinstance(error, _Unreached)
                pause = retry.pause(attempt) if again and attempt < ATTEMPTS else None
                if pause is None or time.monotonic() + pause >= deadline:
                    breaker.count_outage(error)
                    raise
                time.sleep(pause)
                attempt += 1

    @contextmanager
    def passing(self, upstream: str, what: str, *, timeout: float = 30.0) -> Iterator[float]:
        """One permit for a call that is no HTTP; yields its seconds; OSError becomes Unavailable."""
        deadline, self._lease = time.monotonic() + timeout, timedelta(seconds=timeout + 1.0)
        permit = self._permit(upstream, deadline, what)
        answered = True
        try:
            yield deadline - time.monotonic()
            self._proven(upstream)
        except OSError as broken:
            answered = not isinstance(broken, TimeoutError)
            error = Unavailable(upstream, redact(str(broken) or "no whole answer in time"))
            breaker.count_outage(error)
            raise error from None
        finally:
            if answered:
                self._answered(permit, None)

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Calls made inside wait so long for a permit: giving the worker back would lose them."""
        before, self._patience = self._patience, seconds
        try:
            yield
        finally:
            self._patience = before

    def _follow(self, request: Request, deadline: float, site: str | None = None) -> Answer:
        """Exchange, redirect by redirect, until an answer that is none; raise what it stands for.

        ``site``: the address whose robots.txt is obeyed at every hop.
        """
        first, request = request, self._detours.resume(request)
        for _ in range(REDIRECTS + 1):
            try:
                if site is not None:
                    robots_files.obey(request, site, lambda file: self._follow(file, deadline))
                answer = self._exchange(request, deadline)
            except ControlFlow:
                self._detours.keep(first, request)
                raise
            location = answer.headers.get("location")
            if answer.status not in {301, 302, 303, 307, 308} or not location:
                answers.judge(answer)
                if request.check is not None and not answer.not_modified:
                    request.check(answer)
                return answer
            request = request.redirected(location, answer.status)
        raise BrokenAnswer(request.upstream, f"redirects more than {REDIRECTS} times")

    def _exchange(self, request: Request, deadline: float) -> Answer:
        """One HTTP call under one permit."""
        upstream, shown = request.upstream, redact(urlsplit(request.url).path)
        permit = self._permit(upstream, deadline, shown)
        began = time.monotonic()
        status: int | None = None
        outcome = "broken"
        try:
            answer = transport.exchange(
                upstream,
                request.method,
                request.url,
                params=request.params,
                headers=request.headers,
                body=request.body,
                raw=request.content,
                deadline=deadline,
                max_bytes=request.max_bytes,
            )
            status, outcome = answer.status, f"{answer.status // 100}xx"
        except transport.Overdue:
            # Left unsettled, as is a lost one: the upstream may count it until the lease ends.
            outcome = "timeout"
            raise Unavailable(upstream, "no whole answer in time") from None
        except transport.NotSent as error:
            raise _Unreached(upstream, redact(str(error))) from None
        except transport.Broken as error:
            outcome = "lost"
            raise Unavailable(upstream, redact(str(error))) from None
        finally:
            if outcome not in {"timeout", "lost"}:
                self._answered(permit, status)
            metrics.CALLS.labels(upstream, outcome).inc()
            metrics.SECONDS.labels(upstream).observe(time.monotonic() - began)
        return answer

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
        raise _NoTurn(upstream, "no permit within the time of the call")

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

    def _proven(self, upstream: str) -> None:
        """The upstream serves again: forget its failures."""
        if self._on_trial:
            with transaction() as connection:
                doors.recover(connection, upstream)
