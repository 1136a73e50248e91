"""Beat's own sign of use: written only after Postgres took it and the broker answered."""

from __future__ import annotations

import os
import time

from beat.outbox import Outbox
from workers import health

#: Pause between two signs (seconds).
PAUSE = 4.0


class Beating:
    """Says every few seconds that this beat is useful."""

    def __init__(self, name: str, outbox: Outbox) -> None:
        self._name = name
        self._outbox = outbox
        self._next = 0.0
        self._messages = 0

    def count(self, messages: int) -> None:
        """So many messages more were sent."""
        self._messages += messages

    def beat(self) -> None:
        """Write the sign when it is time to; raises what a broken round trip raises."""
        if time.monotonic() < self._next:
            return
        self._outbox.ping()
        health.beat(self._name, "beat", {"pid": os.getpid(), "sent": self._messages})
        self._next = time.monotonic() + PAUSE
