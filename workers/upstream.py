"""The only door to other people's servers: permit, deadline, retry, robots.txt, redaction, metrics.

Every HTTP call (an attempt, a redirect, robots.txt) takes a permit of its own at the instant it is
made and settles it when the answer is in.  A wait of up to two seconds is waited; anything longer
raises QuotaWait or QuotaSpent, and the engine gives the worker back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import structlog
from sqlalchemy import text

from workers import answers, doors, metrics, permits, retry, robots, transport
from workers.answers import Answer, Validators
from workers.db import transaction
from workers.errors import (
    Blocked,
    BrokenAnswer,
    QuotaSpent,
    QuotaWait,
    RateLimited,
    Unavailable,
    UpstreamError,
)
from workers.permits import Answered, Grant
from workers.redaction import redact, remember
from workers.requests import Check, Request
from workers.settings import settings

__all__ = ["Answer", "Door", "Validators"]

log = structlog.stdlib.get_logger(__name__)

ATTEMPTS = 3
REDIRECTS = 5
#: Waits of a day's window, or of an hour and more, end in deferral instead of waiting.
LONG_WINDOW = timedelta(days=1)
LONG_WAIT = 3600.0
#: How long the description of an upstream is believed (seconds).
FRESH = 1.0

_robots: dict[str, robots.Robots] = {}
_rules: dict[str, tuple[float, Any]] = {}


def reset(*, close: bool = True) -> None:
    """Forget what this process knows (after a fork with ``close=False``; between tests)."""
    _robots.clear()
    _rules.clear()
    transport.reset(close=close)


def _describe(upstream: str) -> Any:
    at, found = _rules.get(upstream, (0.0, None))
    if found is None or time.monotonic() - at > FRESH:
        with transaction() as connection:
            found = connection.execute(
                text("select base_url, obey_robots from upstream where name = :name"),
                {"name": upstream},
            ).first()
        if found is None:
            raise Unavailable(upstream, "there is no such row in table upstream")
        _rules[upstream] = (time.monotonic(), found)
    return found


class Door:
    """Calls made for one batch (or for nobody in particular)."""

    def __init__(
        self,
        *,
        run_id: UUID | None = None,
        seq: int | None = None,
        settle_later: bool = False,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._run_id = run_id
        self._seq = seq
        self._settle_later = settle_later
        self._check = check or (lambda: None)
        self._unsettled: list[Answered] = []

    def get(self, upstream: str, path: str, **how: Any) -> Answer:
        """GET ``path`` below the upstream's base URL; see ``call`` for ``how``."""
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
        secrets: Sequence[str] = (),
        timeout: float = 30.0,
        max_bytes: int = 5_000_000,
        conditional: Validators | None = None,
        check: Check | None = None,
    ) -> Answer:
        """One answer, after at most three attempts within ``timeout`` seconds of talking.

        ``secrets`` are masked in every error and log line.  ``check`` may raise a typed error for an
        answer that is one in disguise (a limit message inside a 200).  Raises NotFound, Blocked,
        BrokenAnswer, Unavailable; QuotaWait or QuotaSpent when there is no permit for a while.
        """
        remember(secrets)
        rules = _describe(upstream)
        url = rules.base_url.rstrip("/") + "/" + path.lstrip("/")
        if rules.obey_robots:
            self._obey_robots(upstream, rules.base_url, url)
        sent = {**(headers or {}), **(conditional.headers() if conditional else {})}
        request = Request(upstream, method, url, params, sent, body, max_bytes, check)
        budget = timeout
        attempt = 1
        while True:
            began = time.monotonic()
            try:
                return self._follow(request, budget)
            except RateLimited as error:
                # The door is closed; asking for the next permit waits, or says how long.
                self._shut(error)
            except Blocked as error:
                self._shut(error)
                raise
            except Unavailable as error:
                if attempt >= ATTEMPTS or budget <= 0:
                    self._count_outage(error)
                    raise
                time.sleep(min(retry.pause(attempt), max(budget, 0.0)))
                attempt += 1
            budget -= time.monotonic() - began
            self._check()

    def _follow(self, request: Request, budget: float) -> Answer:
        for _ in range(REDIRECTS + 1):
            answer = self._exchange(request, budget)
            location = answer.headers.get("location")
            if answer.status not in {301, 302, 303, 307, 308} or not location:
                answers.judge(answer)
                if request.check is not None and not answer.not_modified:
                    request.check(answer)
                return answer
            request = request.redirected(urljoin(request.url, location), answer.status)
        raise BrokenAnswer(request.upstream, f"redirects more than {REDIRECTS} times")

    def _exchange(self, request: Request, budget: float) -> Answer:
        upstream, shown = request.upstream, redact(urlsplit(request.url).path)
        grant, began = self._permit(upstream, budget, shown)
        permit = grant.id or 0
        status: int | None = None
        try:
            answer = transport.exchange(
                upstream,
                request.method,
                request.url,
                params=request.params,
                headers=request.headers,
                body=request.body,
                deadline=began + budget,
                max_bytes=request.max_bytes,
            )
            status = answer.status
        except transport.Overdue:
            # Left unsettled: the upstream may count it at any time until the lease ends.
            metrics.CALLS.labels(upstream, "timeout").inc()
            raise Unavailable(upstream, f"no whole answer within {budget:.1f} s") from None
        except (transport.NotSent, transport.Broken) as error:
            self._answered(permit, status)
            metrics.CALLS.labels(upstream, "broken").inc()
            raise Unavailable(upstream, redact(str(error))) from None
        except BrokenAnswer:
            self._answered(permit, status)
            metrics.CALLS.labels(upstream, "broken").inc()
            raise
        self._answered(permit, status)
        metrics.CALLS.labels(upstream, f"{status // 100}xx").inc()
        metrics.SECONDS.labels(upstream).observe(time.monotonic() - began)
        if grant.trying and status < 400:
            with transaction() as connection:
                doors.recover(connection, upstream)
        return answer

    def _permit(self, upstream: str, budget: float, path: str) -> tuple[Grant, float]:
        """Take a permit, waiting a little if need be; returns it and when it was asked for."""
        waited = 0.0
        while True:
            self._check()
            began = time.monotonic()
            with transaction() as connection:
                permits.settle(connection, self.take_unsettled())
                grant = permits.take(
                    connection,
                    upstream,
                    timedelta(seconds=max(budget, 0.0) + 1.0),
                    run_id=self._run_id,
                    seq=self._seq,
                    path=path,
                )
            if grant.id is not None:
                return grant, began
            if waited + grant.wait > settings().quota_wait_seconds:
                metrics.WAITS.labels(upstream, "yes").inc()
                raise _too_long(upstream, grant)
            metrics.WAITS.labels(upstream, "no").inc()
            time.sleep(grant.wait + 0.001)
            waited += time.monotonic() - began

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
            with transaction() as connection:
                permits.settle(connection, self.take_unsettled())

    def _obey_robots(self, upstream: str, base_url: str, url: str) -> None:
        known = _robots.get(upstream)
        if known is None or known.until < time.monotonic():
            request = Request(upstream, "GET", urljoin(base_url, "/robots.txt"), max_bytes=500_000)
            answer = self._exchange(request, 15.0)
            known = _robots[upstream] = robots.parse(answer.status, answer.text)
            with transaction() as connection:
                doors.set_crawl_delay(connection, upstream, known.delay(settings().user_agent))
        if not known.allows(url, settings().user_agent):
            raise Blocked(upstream, f"robots.txt does not allow {redact(urlsplit(url).path)}")

    def _shut(self, error: UpstreamError) -> None:
        """Close the door for everybody until the time named, or for a growing while."""
        with transaction() as connection:
            failures = doors.count_failure(connection, error.upstream)
            pause = error.retry_after
            if pause is None:
                pause = retry.closing(failures)
            until = doors.close(connection, error.upstream, timedelta(seconds=pause), error.detail)
        metrics.CLOSINGS.labels(error.upstream).inc()
        log.warning("door.closed", upstream=error.upstream, until=str(until), reason=error.detail)

    def _count_outage(self, error: Unavailable) -> None:
        with transaction() as connection:
            failures = doors.count_failure(connection, error.upstream)
            if failures < retry.OUTAGES_TO_CLOSE:
                return
            pause = retry.closing(failures - retry.OUTAGES_TO_CLOSE + 1)
            doors.close(connection, error.upstream, timedelta(seconds=pause), error.detail)
        log.warning("door.closed", upstream=error.upstream, seconds=pause, reason=error.detail)


def _too_long(upstream: str, grant: Grant) -> QuotaWait | QuotaSpent:
    reason = f"{grant.reason}, {grant.wait:.0f} s"
    if (grant.window or timedelta(0)) >= LONG_WINDOW or grant.wait >= LONG_WAIT:
        until = datetime.now(UTC) + timedelta(seconds=grant.wait)
        return QuotaSpent(upstream, until, reason)
    return QuotaWait(upstream, grant.wait, reason)
