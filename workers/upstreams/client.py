"""The client for servers of somebody else: permits, deadlines, retries, robots.txt, metrics.

Every HTTP request (an attempt, a redirect, robots.txt) takes a permit of its own when it is made and
settles it when the response is in.  A short wait for a permit is waited here; a longer one raises
QuotaWait or QuotaSpent, and the engine gives the worker back.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from workers import metrics
from workers.db import driver_transaction
from workers.errors import (
    AddressRefused,
    Blocked,
    BrokenResponse,
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
    permit_holder,
    responses,
    retry,
    robots_files,
    transport,
    upstream_states,
    upstreams,
)
from workers.upstreams.deadline import until
from workers.upstreams.permit_holder import NoPermit, PermitHolder
from workers.upstreams.redirects import Memo, Redirects
from workers.upstreams.requests import DEFAULT_OPTIONS, CallOptions, Request, address
from workers.upstreams.responses import Response
from workers.upstreams.robots import Disallowed
from workers.upstreams.transport import ConnectionLost, NotConnected, TimedOut

MAX_ATTEMPTS = 3
MAX_REDIRECTS = 5
#: The part of the time left that an attempt gets while another may follow.
ATTEMPT_SHARE = 0.5


def reset(*, close: bool = True) -> None:
    """Forget what this process knows (after a fork with ``close=False``; between tests)."""
    permit_holder.forget()
    robots_files.forget()
    upstreams.known.forget()
    allowed_networks.listed.forget()
    transport.reset(close=close)


class UpstreamClient(PermitHolder):
    """Makes the calls of one batch, or of a caller without one."""

    def __init__(
        self,
        *,
        run_id: UUID | None = None,
        seq: int | None = None,
        settle_later: bool = False,
        check: Callable[[], None] | None = None,
        memo: Memo | None = None,
    ) -> None:
        super().__init__(run_id, seq, settle_later=settle_later, check=check)
        self._redirects = Redirects(memo)
        #: How much of the time left the present attempt may take.
        self._share = 1.0
        #: The longest time that an attempt of this call had, and what is enough to blame the upstream.
        self._given = self._enough = 0.0

    def get(self, upstream: str, path: str, options: CallOptions = DEFAULT_OPTIONS) -> Response:
        """GET ``path`` below the upstream's base URL, or a whole address there."""
        return self.call("GET", upstream, path, options)

    def post(
        self, upstream: str, path: str, body: Any, options: CallOptions = DEFAULT_OPTIONS
    ) -> Response:
        return self.call("POST", upstream, path, replace(options, body=body))

    def call(
        self, method: str, upstream: str, path: str, options: CallOptions = DEFAULT_OPTIONS
    ) -> Response:
        """One response, after at most three attempts, all within ``options.timeout``.

        Methods other than GET and HEAD are repeated only when the upstream refused the call or cannot
        have seen it.  Raises NotFound, Blocked, BrokenResponse, AddressRefused or Unavailable;
        QuotaWait or QuotaSpent when no permit is free soon.
        """
        remember(options.secrets)
        rules = upstreams.described(upstream)
        request = Request(upstream, method, address(upstream, rules.base_url, path), options)
        site = rules.base_url if rules.obey_robots or options.obey_robots else None
        deadline = self._begin(options.timeout)
        return self._attempts(request, deadline, site, repeats=rules.repeats and request.repeatable)

    def _begin(self, timeout: float) -> float:
        """The deadline of a call that begins now (monotonic clock)."""
        self._lease = timedelta(seconds=timeout + 1.0)
        self._enough, self._given = timeout * ATTEMPT_SHARE**2, 0.0
        return time.monotonic() + timeout

    def _attempts(
        self, request: Request, deadline: float, site: str | None, *, repeats: bool
    ) -> Response:
        """Attempt by attempt; with ``repeats`` one that hangs leaves time for another."""
        attempt, timed_out = 1, None
        while True:
            self._check()
            self._share = ATTEMPT_SHARE if repeats and attempt < MAX_ATTEMPTS else 1.0
            try:
                answer = self._follow(request, deadline, site)
                self._recovered(request.upstream)
                return answer
            except NotFound:
                self._recovered(request.upstream)
                raise
            except RateLimited as error:
                # The upstream is blocked now: the next permit is waited for, or refused with a time.
                circuit_breaker.block(error)
                timed_out = None
            except Disallowed:
                raise
            except Blocked as error:
                circuit_breaker.block(error)
                raise
            except (QuotaWait, QuotaSpent, NoPermit):
                if timed_out is None:
                    raise
                # No second permit in time: the call has failed by its first attempt.
                self._count_outage(timed_out)
                raise timed_out from None
            except Unavailable as error:
                self._pause(request, error, attempt, deadline)
                timed_out = error if isinstance(error, TimedOut) else None
                attempt += 1

    def _pause(self, request: Request, error: Unavailable, attempt: int, deadline: float) -> None:
        again = attempt < MAX_ATTEMPTS and (request.repeatable or isinstance(error, NotConnected))
        left = deadline - time.monotonic()
        pause = retry.pause(attempt) if again else left
        if isinstance(error, TimedOut):
            # It has waited already.
            pause = min(pause, left / 10)
        if not again or pause >= left:
            self._count_outage(error)
            raise error
        time.sleep(pause)

    def _count_outage(self, error: Unavailable) -> None:
        """Unless the wait for permits left the upstream too little time to answer."""
        if not (isinstance(error, TimedOut) and self._given < self._enough):
            circuit_breaker.count_outage(error)

    @contextmanager
    def permit(self, upstream: str, what: str, *, timeout: float = 30.0) -> Iterator[float]:
        """Acquire a permit for a call that is not HTTP; yields the seconds left.

        Inside it an OSError becomes Unavailable. What ends without an error counts as answered, as 200.
        """
        deadline = self._begin(timeout)
        permit = self._acquire(upstream, deadline, what)
        status: int | None = None
        try:
            with until(deadline):
                yield deadline - time.monotonic()
            status = 200
            self._recovered(upstream)
        except network.Refused as refused:
            raise AddressRefused(upstream, str(refused)) from None
        except OSError as broken:
            error = Unavailable(upstream, str(broken) or "the response was not complete in time")
            circuit_breaker.count_outage(error)
            raise error from None
        finally:
            # A call that ran out of time may still be in flight: its permit ends with its lease.
            if time.monotonic() < deadline:
                self._answered(permit, status)

    def _follow(self, request: Request, deadline: float, site: str | None = None) -> Response:
        """Follow redirects to the final response; raise the error that it stands for.

        ``site`` is the address whose robots.txt is obeyed at every redirect.
        """
        first, request = request, self._redirects.resume(request)
        for _ in range(MAX_REDIRECTS + 1):
            try:
                if site is not None:
                    robots_files.obey(
                        request, site, deadline, lambda file: self._follow(file, deadline)
                    )
                answer = self._exchange(request, deadline)
            except ControlFlow:
                self._redirects.keep(first, request)
                raise
            location = answer.headers.get("location")
            if answer.status not in {301, 302, 303, 307, 308} or not location:
                responses.raise_for_status(answer)
                if request.options.check is not None and not answer.not_modified:
                    request.options.check(answer)
                return answer
            request = request.redirected(location, answer.status)
        raise BrokenResponse(request.upstream, f"redirects more than {MAX_REDIRECTS} times")

    def _exchange(self, request: Request, deadline: float) -> Response:
        upstream = request.upstream
        permit = self._acquire(upstream, deadline, redact(urlsplit(request.url).path))
        began = time.monotonic()
        # The call that tries after a block has no other beside it: one attempt has all of the time.
        given = (deadline - began) * (1.0 if self._on_trial else self._share)
        self._given = max(self._given, given)
        status: int | None = None
        outcome = "broken"
        try:
            answer = transport.exchange(request, began + given)
            status, outcome = answer.status, f"{answer.status // 100}xx"
        except (TimedOut, ConnectionLost) as error:
            # Left unsettled: the upstream may count it until the lease ends.
            outcome = "timeout" if isinstance(error, TimedOut) else "lost"
            raise
        finally:
            if outcome not in {"timeout", "lost"}:
                self._answered(permit, status)
            metrics.CALLS.labels(upstream, outcome).inc()
            metrics.SECONDS.labels(upstream).observe(time.monotonic() - began)
        return answer

    def _recovered(self, upstream: str) -> None:
        """The upstream serves again: forget its failures."""
        if self._on_trial:
            with driver_transaction() as connection:
                upstream_states.recover(connection, upstream)
