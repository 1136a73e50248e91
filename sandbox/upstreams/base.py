"""What every imitation does: arrive, count, refuse, misbehave on order, keep a log."""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tornado.web

from sandbox.upstreams.strict import Window, worst

#: Mild faults begin so long after the start, so that a first run meets none (seconds).
PEACE = 90.0


@dataclass(slots=True)
class Faults:
    """What goes wrong, and until when (monotonic seconds); 0: nothing."""

    profile: str = "none"
    retry_after_until: float = 0.0
    challenge_until: float = 0.0
    down_until: float = 0.0
    slow: float = 0.0


@dataclass(slots=True)
class Imitation:
    """State that the handlers of one imitation share."""

    name: str
    windows: list[Window] = field(default_factory=list)
    concurrency: int | None = None
    latency: tuple[float, float, float] | None = None
    faults: Faults = field(default_factory=Faults)
    log_file: Path | None = None
    seed: int = 1
    started: float = field(default_factory=time.monotonic)
    arrivals: list[dict[str, Any]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    calls: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def one_way(self) -> float:
        """Seconds until a call is counted here, or its answer is there: log-normal with a cap."""
        if self.latency is None:
            return 0.0
        median, sigma, cap = self.latency
        return min(self.rng.lognormvariate(math.log(median), sigma), cap)

    def note(self, path: str, status: int, at: float) -> None:
        """Keep one arrival, also in the file, flushed: a kill loses nothing."""
        row = {"at": at, "wall": time.time(), "path": path, "status": status}
        self.arrivals.append(row)
        if self.log_file is not None:
            with self.log_file.open("a") as lines:
                lines.write(json.dumps(row) + "\n")

    def violations(self) -> dict[str, Any]:
        """Every window and the concurrency, judged over the whole log."""
        stamps = [row["at"] for row in self.arrivals]
        judged = [worst(stamps, one.calls, one.seconds) for one in self.windows]
        return {
            "calls": len(stamps),
            "windows": [
                {"calls": w.calls, "seconds": w.seconds, "most": w.most, "violations": w.violations}
                for w in judged
            ],
            "concurrency": {"limit": self.concurrency, "most": self.most_in_flight},
        }

    def accident(self) -> str | None:
        """A mild fault now and then, never in the first minute and a half."""
        if self.faults.profile == "none" or time.monotonic() - self.started < PEACE:
            return None
        often = 3 if self.faults.profile == "wild" else 1
        chance = self.rng.random() / often
        if chance < 0.01:
            return "error"
        if chance < 0.02:
            return "slow"
        return "challenge" if chance < 0.023 and self.name == "head_fi" else None


Reply = tuple[int, dict[str, str], bytes]


def as_json(body: Any, status: int = 200) -> Reply:
    """A JSON answer."""
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body><h1>Checking your browser</h1></body></html>"


class Handler(tornado.web.RequestHandler):
    """Counts a call, then lets the imitation answer it."""

    imitation: Imitation
    respond: Callable[[Handler], Reply | Awaitable[Reply]]
    refuse: Callable[[float], Reply]

    def initialize(self, imitation: Imitation, respond: Any, refuse: Any) -> None:
        self.imitation, self.respond, self.refuse = imitation, respond, refuse

    def compute_etag(self) -> None:
        return None

    async def _handle(self) -> None:
        imitation = self.imitation
        await asyncio.sleep(imitation.one_way())
        imitation.in_flight += 1
        imitation.most_in_flight = max(imitation.most_in_flight, imitation.in_flight)
        try:
            status, headers, body = await self._judge(time.monotonic())
        finally:
            imitation.in_flight -= 1
        await asyncio.sleep(imitation.one_way())
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name, value)
        self.finish(body if status not in {204, 304} else None)

    async def _judge(self, now: float) -> Reply:
        imitation, faults = self.imitation, self.imitation.faults
        imitation.calls += 1
        waits = [wait for one in imitation.windows if (wait := one.arrive(now)) is not None]
        reply: Reply
        over = imitation.concurrency is not None and imitation.in_flight > imitation.concurrency
        accident = imitation.accident()
        if faults.slow or accident == "slow":
            await asyncio.sleep(faults.slow or 3.0)
        if now < faults.down_until or accident == "error":
            reply = 500, {}, b"something broke"
        elif now < faults.challenge_until or accident == "challenge":
            reply = 403, {"Content-Type": "text/html"}, CHALLENGE
        elif now < faults.retry_after_until:
            left = faults.retry_after_until - now
            reply = 429, {"Retry-After": str(math.ceil(left))}, b"too many requests"
        elif waits or over:
            reply = self.refuse(max(waits, default=1.0))
        else:
            made = self.respond(self)
            reply = await made if isinstance(made, Awaitable) else made
        imitation.note(self.request.path, reply[0], now)
        return reply

    get = post = _handle


class Meta(tornado.web.RequestHandler):
    """/_ready, /_log, /_violations, /_control: for tests and the supervisor, never counted."""

    def initialize(self, imitation: Imitation) -> None:
        self.imitation = imitation

    def get(self, what: str) -> None:
        if what == "ready":
            self.finish({"ready": self.imitation.name})
        elif what == "violations":
            self.finish(self.imitation.violations())
        elif what == "log":
            self.finish(json.dumps(self.imitation.arrivals))
        else:
            self.send_error(404)

    def post(self, what: str) -> None:
        order = json.loads(self.request.body or b"{}")
        faults, now = self.imitation.faults, time.monotonic()
        for name in ("retry_after", "challenge", "down"):
            if name in order:
                setattr(faults, f"{name}_until", now + float(order[name]))
        faults.slow = float(order.get("slow", faults.slow))
        faults.profile = str(order.get("profile", faults.profile))
        if "limits" in order:
            self.imitation.windows = [Window(int(n), float(s)) for n, s in order["limits"]]
        if order.get("forget"):
            self.imitation.arrivals.clear()
            self.imitation.most_in_flight = 0
        self.finish({"done": True})


def too_many(wait: float) -> Reply:
    """The usual refusal: 429 with Retry-After."""
    return 429, {"Retry-After": str(max(1, math.ceil(wait)))}, b"too many requests"


def application(
    imitation: Imitation, respond: Any, refuse: Callable[[float], Reply] = too_many
) -> tornado.web.Application:
    """The web application of one imitation."""
    shared = {"imitation": imitation, "respond": respond, "refuse": refuse}
    return tornado.web.Application(
        [
            (r"/_(ready|log|violations|control)", Meta, {"imitation": imitation}),
            (r"/.*", Handler, shared),
        ]
    )
