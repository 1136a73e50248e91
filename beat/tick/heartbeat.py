"""Beat's heartbeat: written only while both Postgres and the broker answer."""

import os
import time
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from beat.tick.outbox import Outbox
from workers.ledger import heartbeats

#: Pause between two heartbeats (seconds).
PAUSE = 4.0


class Heartbeat:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._next = 0.0
        self._messages = 0
        self._written = False
        #: Beats that lived at the last heartbeat.
        self.beats = 1

    def count(self, messages: int) -> None:
        self._messages += messages

    def beat(self, node: str) -> None:
        """Write the heartbeat of ``node`` when it is due; raises what a broken round trip raises."""
        if time.monotonic() < self._next:
            return
        self._outbox.ping()
        detail = {"pid": os.getpid(), "sent": self._messages}
        self.beats = heartbeats.record(node, "beat", detail)
        self._next = time.monotonic() + PAUSE
        self._written = True

    def end(self, node: str) -> None:
        if self._written:
            self._written = False
            with suppress(SQLAlchemyError, OSError):
                heartbeats.end(node, "beat")
