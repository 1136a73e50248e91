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

from workers import metrics
from workers.db import transaction
from workers.errors import (
    AddressRefused,
    Blocked,
    BrokenAnswer,
    ControlFlow,
    NotFound,
    QuotaSpent,
    QuotaWait,
    RateLimited,
    Unavailable,
)
from workers.redaction import redact, remember
from workers.upstreams import (
    allowed_networks,
    circuit_breaker,
    network,
    responses,
    retry,
    robots_files,
    transport,
    upstream_states,
    upstreams,
)
from workers.upstreams.deadline import until
from workers.upstreams.permit_holder import NoPermit, PermitHolder
from workers.upstreams.permits import LONG_WAIT
from workers.upstreams.redirects import Redirects
from workers.upstreams.requests import Check, Request, address
from workers.upstreams.responses import Response, Validators
from workers.upstreams.robots import Disallowed
from workers.upstreams.transport import Lost, Unanswered, Unreached

__all__ = ["LONG_WAIT", "Response", "UpstreamClient", "Validators"]

log = structlog.stdlib.get_logger(__name__)

ATTEMPTS = 3
#: What an attempt gets of the time left while another may follow.
SHARE = 0.5
REDIRECTS = 5


def reset(*, close: bool = True) -> None:
    """Forget what this process knows (after a fork with ``close=False``; between tests)."""
    robots_files.forget()
    upstreams.forget()
    allowed_networks.forget()
    transport.reset(close=close)


class UpstreamClient(PermitHolder):
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
        super().__init__(run_id, seq, settle_later=settle_later, check=check)
        self._redirects = Redirects(run_id, seq, resumed=resumed)
        #: How much of the time left the present attempt may take.
        self._share = 1.0

    def get(self, upstream: str, path: str, **how: Any) -> Response:
        """GET ``path`` below the upstream's base URL, or an address there; see ``call`` for ``how``."""
        return self.call("GET", upstream, path, **how)

    def post(self, upstream: str, path: str, body: Any, **how: Any) -> Response:
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
    ) -> Response:
        """One answer, after at most three attempts, all within ``timeout`` seconds.

        ``body`` is sent as JSON, ``content`` as it is (``headers`` say what it is).
        What is not GET or HEAD is sent again only when the upstream cannot have seen it, or refused it.

        ``secrets`` are masked in every error and log line.  ``check`` may raise a typed error for an
        answer that is one in disguise (a limit message inside a 200).  ``obey_robots``: whatever the
        upstream's row says.  Raises NotFound, Blocked, BrokenAnswer, AddressRefused, Unavailable;
        QuotaWait or QuotaSpent when there is no permit for a while.
        """
        remember(secrets)
        rules = upstreams.described(upstream)
        url = address(upstream, rules.base_url, path)
        sent = {**(headers or {}), **(conditional.headers() if conditional else {})}
        request = Request(upstream, method, url, params, sent, body, max_bytes, check, content=content)
        polite = rules.base_url if rules.obey_robots or obey_robots else None
        deadline, self._lease = time.monotonic() + timeout, timedelta(seconds=timeout + 1.0)
        return self._answer(request, deadline, polite, repeats=rules.repeats and request.repeatable)

    def _answer(
        self, request: Request, deadline: float, polite: str | None, *, repeats: bool
    ) -> Response:
        """Attempt by attempt; one that hangs gives way to the next when another may go beside it."""
        attempt, unanswered = 1, None
        while True:
            self._check()
            self._share = SHARE if repeats and attempt < ATTEMPTS else 1.0
            try:
                answer = self._follow(request, deadline, polite)
                self._proven(request.upstream)
                return answer
            except NotFound:
                self._proven(request.upstream)
                raise
            except RateLimited as error:
                # The door is closed; asking for the next permit waits, or says how long.
                circuit_breaker.shut(error)
                unanswered = None
            except Disallowed:
                raise
            except Blocked as error:
                circuit_breaker.shut(error)
                raise
            except (QuotaWait, QuotaSpent, NoPermit):
                if unanswered is None:
                    raise
                # There is no second permit in time: the call had no answer, whoever waits now.
                circuit_breaker.count_outage(unanswered)
                raise unanswered from None
            except Unavailable as error:
                self._pause(request, error, attempt, deadline)
                unanswered = error if isinstance(error, Unanswered) else None
                attempt += 1

    def _pause(self, request: Request, error: Unavailable, attempt: int, deadline: float) -> None:
        """Wait before the next attempt; raise ``error`` when there is none."""
        again = attempt < ATTEMPTS and (request.repeatable or isinstance(error, Unreached))
        left = deadline - time.monotonic()
        pause = retry.pause(attempt) if again else left
        if isinstance(error, Unanswered):
            # It has waited already.
            pause = min(pause, left / 10)
        if not again or pause >= left:
            circuit_breaker.count_outage(error)
            raise error
        time.sleep(pause)

    @contextmanager
    def passing(self, upstream: str, what: str, *, timeout: float = 30.0) -> Iterator[float]:
        """One permit for a call that is no HTTP; yields its seconds; OSError becomes Unavailable."""
        deadline, self._lease = time.monotonic() + timeout, timedelta(seconds=timeout + 1.0)
        permit = self._permit(upstream, deadline, what)
        try:
            with until(deadline):
                yield deadline - time.monotonic()
            self._proven(upstream)
        except network.Refused as refused:
            raise AddressRefused(upstream, str(refused)) from None
        except OSError as broken:
            error = Unavailable(upstream, str(broken) or "no whole answer in time")
            circuit_breaker.count_outage(error)
            raise error from None
        finally:
            # What ran out of time may still be in flight: its permit is left to its lease.
            if time.monotonic() < deadline:
                self._answered(permit, None)

    def _follow(self, request: Request, deadline: float, site: str | None = None) -> Response:
        """Exchange, redirect by redirect, until an answer that is none; raise what it stands for.

        ``site``: the address whose robots.txt is obeyed at every hop.
        """
        first, request = request, self._redirects.resume(request)
        for _ in range(REDIRECTS + 1):
            try:
                if site is not None:
                    robots_files.obey(request, site, lambda file: self._follow(file, deadline))
                answer = self._exchange(request, deadline)
            except ControlFlow:
                self._redirects.keep(first, request)
                raise
            location = answer.headers.get("location")
            if answer.status not in {301, 302, 303, 307, 308} or not location:
                responses.judge(answer)
                if request.check is not None and not answer.not_modified:
                    request.check(answer)
                return answer
            request = request.redirected(location, answer.status)
        raise BrokenAnswer(request.upstream, f"redirects more than {REDIRECTS} times")

    def _exchange(self, request: Request, deadline: float) -> Response:
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
                until=began + (deadline - began) * self._share,
                max_bytes=request.max_bytes,
            )
            status, outcome = answer.status, f"{answer.status // 100}xx"
        except (Unanswered, Lost) as error:
            # Left unsettled: the upstream may count it until the lease ends.
            outcome = "timeout" if isinstance(error, Unanswered) else "lost"
            raise
        finally:
            if outcome not in {"timeout", "lost"}:
                self._answered(permit, status)
            metrics.CALLS.labels(upstream, outcome).inc()
            metrics.SECONDS.labels(upstream).observe(time.monotonic() - began)
        return answer

    def _proven(self, upstream: str) -> None:
        """The upstream serves again: forget its failures."""
        if self._on_trial:
            with transaction() as connection:
                upstream_states.recover(connection, upstream)
