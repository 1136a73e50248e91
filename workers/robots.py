"""robots.txt (RFC 9309): what a site asks programs to leave alone, kept for a day."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from protego import Protego

#: How long a robots.txt is believed, and how long its absence by failure (seconds).
KEPT = 24 * 3600.0
KEPT_FAILURE = 900.0


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of one site for us."""

    rules: Protego | None
    until: float

    def allows(self, url: str, agent: str) -> bool:
        """Whether we may fetch ``url``; without rules (server error) nothing is allowed."""
        return bool(self.rules and self.rules.can_fetch(url, agent))

    def delay(self, agent: str) -> timedelta | None:
        """The pause between two calls that the site asks for."""
        seconds = self.rules.crawl_delay(agent) if self.rules else None
        return timedelta(seconds=min(float(seconds), 3600.0)) if seconds else None


def parse(status: int, body: str) -> Robots:
    """Rules from the answer: 4xx means no rules, 5xx means nothing is allowed for the moment."""
    now = time.monotonic()
    if status < 400:
        return Robots(Protego.parse(body), now + KEPT)
    if status < 500:
        return Robots(Protego.parse(""), now + KEPT)
    return Robots(None, now + KEPT_FAILURE)
