"""What every imitation does: arrive, count, refuse, misbehave on order, keep a log."""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import tornado.httputil
import tornado.web

from sandbox.upstreams.faults import SLOW, Faults
from sandbox.upstreams.log import ArrivalLog
from sandbox.upstreams.strict import Window, judge

Reply = tuple[int, dict[str, str], bytes]
#: A configured limit: calls, seconds, and the part of the upstream it holds for (see ``Site.group``).
Limit = tuple[int, float] | tuple[int, float, str]
#: ``{"advance": true}`` moves an imitation's world so far (seconds).
STEP = 60.0


def as_json(body: Any, status: int = 200, **headers: str) -> Reply:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


def too_many(_request: Request, _window: Window | None, wait: float) -> Reply:
    """The usual refusal: 429 with Retry-After."""
    return 429, {"Retry-After": str(max(1, math.ceil(wait)))}, b"too many requests"


@dataclass(frozen=True)
class Site:
    """What one imitation is: its answers, its words for "too much", its limits.

    ``pages``: a web site, which may show a challenge.  ``extra``: what GET /_NAME gives besides the
    usual.
    """

    name: str
    respond: Callable[[Request], Reply]
    limits: Sequence[Limit] = ()
    refuse: Callable[[Request, Window | None, float], Reply] = too_many
    group: Callable[[str], str | None] = lambda _path: None
    pages: bool = False
    extra: dict[str, Callable[[], Any]] = field(default_factory=dict)


@dataclass
class Imitation:
    site: Site
    windows: list[Window] = field(default_factory=list)
    concurrency: int | None = None
    latency: tuple[float, float, float] | None = None
    faults: Faults = field(default_factory=Faults)
    log: ArrivalLog = field(default_factory=ArrivalLog)
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    in_flight: int = 0
    calls: int = 0
    ahead: float = 0.0

    def now(self) -> float:
        """The time in the imitated world, in seconds since 1970."""
        return time.time() + self.ahead

    def one_way(self) -> float:
        """Seconds until a call is counted here, or its answer is there: log-normal with a cap."""
        if self.latency is None:
            return 0.0
        median, sigma, cap = self.latency
        return min(self.rng.lognormvariate(math.log(median), sigma), cap)

    def judged(self) -> dict[str, Any]:
        """Every window and the concurrency, judged over the whole log."""
        return self.log.judged(self.windows, self.concurrency)

    def order(self, what: dict[str, Any]) -> None:
        """Follow an order: faults, ``limits`` [[calls, seconds], …], ``concurrency``, ``advance``, ``forget``."""
        self.faults.order(what)
        if "limits" in what:
            self.windows = windows_of(what["limits"])
        if "concurrency" in what:
            self.concurrency = what["concurrency"]
        if "advance" in what:
            step = what["advance"]
            self.ahead += STEP if step is True else float(step)
        if what.get("forget"):
            self.log.rows.clear()


def windows_of(limits: Sequence[Limit]) -> list[Window]:
    """Empty windows for configured limits."""
    return [Window(int(one[0]), float(one[1]), one[2] if len(one) > 2 else None) for one in limits]


@dataclass(frozen=True, slots=True)
class Request:
    """A call as an imitation sees it; ``now`` is the time in its world."""

    method: str
    path: str
    query: dict[str, str]
    headers: tornado.httputil.HTTPHeaders
    body: bytes
    now: float
    number: int


CHALLENGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head>"
    b"<body><h1>Checking your browser</h1></body></html>"
)


class Handler(tornado.web.RequestHandler):
    def initialize(self, imitation: Imitation) -> None:
        self.imitation = imitation

    def compute_etag(self) -> None:
        """No ETag but the imitation's own."""

    async def _handle(self) -> None:
        imitation = self.imitation
        await asyncio.sleep(imitation.one_way())
        imitation.in_flight += 1
        try:
            (status, headers, body), dwell = self._judge(time.monotonic())
            if dwell:
                await asyncio.sleep(dwell)
        finally:
            imitation.in_flight -= 1
        await asyncio.sleep(imitation.one_way())
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name, value)
        self.finish(body if status not in {204, 304} else None)

    def _judge(self, now: float) -> tuple[Reply, float]:
        """The answer, and how long it takes; the arrival is in the log before it is given."""
        imitation, faults = self.imitation, self.imitation.faults
        imitation.calls += 1
        group = imitation.site.group(self.request.path)
        broken = judge([one for one in imitation.windows if one.holds_for(group)], now)
        over = imitation.concurrency is not None and imitation.in_flight > imitation.concurrency
        accident = faults.accident(pages=imitation.site.pages)
        request = self._request()
        reply = self._fault(request, now, accident)
        if reply is None and (broken or over):
            reply = imitation.site.refuse(request, *(broken or (None, 1.0)))
        if reply is None:
            reply = imitation.site.respond(request)
        verdict = "allowed"
        if broken:
            verdict = f"over {broken[0].calls} in {broken[0].seconds:g} s"
        elif over:
            verdict = f"over {imitation.concurrency} at once"
        imitation.log.add(now, request.path, reply[0], verdict, imitation.in_flight, group)
        return reply, faults.slow + (SLOW if accident == "slow" else 0.0)

    def _fault(self, request: Request, now: float, accident: str | None) -> Reply | None:
        """The answer of a fault, or None when there is none."""
        faults, site = self.imitation.faults, self.imitation.site
        if faults.left("down", now) or accident == "error":
            return 500, {}, b"something broke"
        if faults.left("challenge", now) or accident == "challenge":
            return 403, {"Content-Type": "text/html"}, CHALLENGE
        if left := faults.left("retry_after", now):
            return 429, {"Retry-After": str(math.ceil(left))}, b"too many requests"
        if (left := faults.left("refuse", now)) or accident == "busy":
            return site.refuse(request, None, left or 1.0)
        return None

    def _request(self) -> Request:
        raw = self.request
        query = {name: values[-1].decode(errors="replace") for name, values in raw.arguments.items()}
        return Request(
            raw.method or "", raw.path, query, raw.headers, raw.body, self.imitation.now(),
            self.imitation.calls,
        )  # fmt: skip

    get = post = _handle


class Meta(tornado.web.RequestHandler):
    """/_ready, /_log, /_violations, /_control and the like: for tests and people, never counted."""

    def initialize(self, imitation: Imitation) -> None:
        self.imitation = imitation

    def get(self, what: str) -> None:
        """What the imitation knows of itself."""
        site = self.imitation.site
        if what == "ready":
            self.finish({"ready": site.name})
        elif what == "violations":
            self.finish(self.imitation.judged())
        elif what == "log":
            # One array, for whoever reads it at once; with ?lines as the file has it.
            lines = self.get_query_argument("lines", None, strip=True) is not None
            texts = self.imitation.log.lines()
            self.set_header("Content-Type", "application/jsonl" if lines else "application/json")
            self.finish("".join(f"{t}\n" for t in texts) if lines else f"[{','.join(texts)}]")
        elif what in site.extra:
            self.finish(json.dumps(site.extra[what]()))
        else:
            self.send_error(404)

    def post(self, what: str) -> None:
        """An order (``/_control``)."""
        if what != "control":
            self.send_error(404)
            return
        try:
            self.imitation.order(json.loads(self.request.body or b"{}"))
        except (TypeError, ValueError, AttributeError) as error:
            self.set_status(400)
            self.finish({"error": f"no such order: {error}"})
            return
        self.finish({"done": True})


def application(imitation: Imitation) -> tornado.web.Application:
    shared = {"imitation": imitation}
    return tornado.web.Application(
        [(r"/_([a-z]+)", Meta, shared), (r"/.*", Handler, shared)],
        log_function=lambda _handler: None,
    )
