"""Beat's own sign of use: given only after Postgres took it and the broker answered."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from beat.tick.outbox import Outbox
from workers.ledger import heartbeats

#: Pause between two signs (seconds).
PAUSE = 4.0


class Beating:
    """Says every few seconds that this beat is useful."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._next = 0.0
        self._messages = 0
        self._given = False

    def sent(self, messages: int) -> None:
        """So many messages more were sent."""
        self._messages += messages

    def beat(self, node: str) -> None:
        """Write the sign of ``node`` when it is time to; raises what a broken round trip raises."""
        if time.monotonic() < self._next:
            return
        self._outbox.ping()
        heartbeats.record(node, "beat", {"pid": os.getpid(), "sent": self._messages})
        self._next = time.monotonic() + PAUSE
        self._given = True

    def end(self, node: str) -> None:
        """Say that this beat ends on purpose, if it can still be said."""
        if self._given:
            self._given = False
            with suppress(SQLAlchemyError, OSError):
                heartbeats.end(node, "beat")
