"""What a session finds ready: it looks in the ledger, and goes on with what the last look left."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Sequence
from uuid import UUID

from workers.db import Driver
from workers.ledger import finished, taken
from workers.ledger.taken import Candidate
from workers.settings import settings

#: What a look left is taken later without another look, for so long (seconds).
FRESH = 0.05
#: Of all sessions of this process.
_mark = taken.LowMark()


class Looking:
    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = kinds
        self._left: list[Candidate] = []
        #: When it looked, and what had been heard of doorbells by then.
        self._at, self._heard = float("-inf"), -1
        #: Others took what this session had chosen; the last look found as many as it may; runs among
        #: them were given up.
        self._raced = self._more = self._gave_up = False

    def ready(
        self, connection: Driver, queues: Sequence[str], free: int, heard: int
    ) -> list[Candidate]:
        """Batches for ``free`` slots and some more, the most urgent and oldest first.

        It does not look again when the last look left enough, and nobody rang since.
        """
        fresh = heard == self._heard and time.monotonic() - self._at < FRESH
        if not fresh or not self._left or (self._more and len(self._left) < free):
            self._at, self._heard = time.monotonic(), heard
            self._left = self._look(connection, queues, free)
        return self._left

    def took(self, chosen: Collection[int], number: int) -> bool:
        """``number`` of those at the ``chosen`` places were taken; True when more may be ready."""
        self._raced = number < len(chosen)
        self._left = [one for place, one in enumerate(self._left) if place not in chosen]
        return bool(self._left) or self._raced or self._gave_up

    def _look(self, connection: Driver, queues: Sequence[str], free: int) -> list[Candidate]:
        limit = 2 * free + 8
        patience = settings().quota_wait_seconds
        served = (queues, self._kinds)
        low = _mark.begin()
        ready = taken.candidates(connection, *served, limit, patience, low=low)
        if low is not None and _mark.was_cut and len(ready) < limit:
            low = None
            ready = taken.candidates(connection, *served, limit, patience)
        _mark.note(ready, limit)
        self._more = len(ready) >= limit
        hogs = _hogs(ready, limit, free)
        if hogs:
            ready += taken.candidates(connection, *served, limit, patience, besides=hogs, low=low)
        if any(one.shut for one in ready):
            taken.park_shut(connection, *served, limit=500, patience=patience)
            ready = [one for one in ready if not one.shut]
        late = {one.run_id for one in ready if one.late}
        if late:
            finished.expire(connection, late)
            ready = [one for one in ready if not one.late]
        self._gave_up = bool(late)
        if self._raced:
            # Another process looks at the same: each goes by an order of its own.
            random.shuffle(ready)
        return ready


def _hogs(ready: Sequence[Candidate], limit: int, wanted: int) -> list[UUID]:
    """Runs that leave no place for others in what was read."""
    if len(ready) < limit or len({one.run_id for one in ready}) >= wanted:
        return []
    return list({one.run_id for one in ready})
