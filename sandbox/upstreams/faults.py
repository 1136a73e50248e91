"""What goes wrong in an imitation: on order (`/_control`, `--fault`) or now and then (a profile)."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: A profile's faults begin so long after the start, so that a first run meets none (seconds).
PEACE = 90.0
#: How long an accidental "slow" answer takes (seconds).
SLOW = 3.0
#: Chance of each accident a call, under ``mild``; ``wild`` has ten times as many.
CHANCES = {"error": 0.01, "slow": 0.01, "busy": 0.01, "challenge": 0.002}
ON_ORDER = ("retry_after", "challenge", "down", "refuse")


@dataclass(slots=True)
class Faults:
    """Faults ordered with their ends, and the profile of accidents.

    Orders, in seconds from now: ``down`` (500), ``challenge`` (403 and a page), ``retry_after`` (429
    with what is left), ``refuse`` (the upstream's own words for "too much").  ``slow``: each answer
    takes so much longer.
    """

    profile: str = "none"
    slow: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    started: float = field(default_factory=time.monotonic)
    until: dict[str, float] = field(default_factory=dict)

    def order(self, what: Mapping[str, Any]) -> None:
        """Take the faults named in an order; an unknown name is ignored."""
        now = time.monotonic()
        for name in ON_ORDER:
            if name in what:
                self.until[name] = now + float(what[name])
        self.slow = float(what.get("slow", self.slow))
        self.profile = str(what.get("profile", self.profile))

    def left(self, name: str, now: float) -> float:
        """Seconds that an ordered fault goes on; 0 when it does not."""
        return max(0.0, self.until.get(name, 0.0) - now)

    def accident(self, *, pages: bool) -> str | None:
        """What a profile does to this call; challenge pages only where there are ``pages``."""
        if self.profile == "none" or time.monotonic() - self.started < PEACE:
            return None
        chance = self.rng.random() / (10 if self.profile == "wild" else 1)
        for name, share in CHANCES.items():
            if chance < share:
                return name if name != "challenge" or pages else None
            chance -= share
        return None
