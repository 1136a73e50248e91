"""What a session finds ready: it looks in the ledger, and goes on with what the last look left."""

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
#: Time that is too short to take a run (seconds).
ABOUT_TO_EXPIRE = 1.0
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
            low = _mark.behind
            ready = taken.candidates(connection, *served, limit, patience, low=low)
        _mark.note(ready, limit, low)
        self._more = len(ready) >= limit
        hogs = _hogs(ready, limit, free)
        if hogs:
            ready += taken.candidates(connection, *served, limit, patience, besides=hogs, low=low)
        if any(one.shut for one in ready):
            taken.park_shut(connection, *served, limit=500, patience=patience)
            ready = [one for one in ready if not one.shut]
        late = sum(one.is_late for one in ready)
        if late:
            newest = taken.newest(connection, *served, limit, patience)
            ready = _without_old(ready, newest)
        # Beat ends late ones too.  A worker does so where they hide what it could work on, and many at
        # once: more would become late meanwhile than it ends one by one.
        self._gave_up = late > len(ready)
        if self._gave_up:
            finished.expire_late(connection, None, finished.EXPIRED_AT_ONCE)
        if self._raced:
            # Another process looks at the same: each goes by an order of its own.
            random.shuffle(ready)
        return ready


def _without_old(oldest: Sequence[Candidate], newest: Sequence[Candidate]) -> list[Candidate]:
    """What to work on where more comes due than is begun in time: by age, all would be given up.

    A run that will be given up within a moment would be so before it is taken.
    """
    steady = [one for one in oldest if one.expires_in is None or one.expires_in > ABOUT_TO_EXPIRE]
    fresh = [one for one in newest if not (one.shut or one.is_late)]
    return list({one.key: one for one in (*steady, *fresh)}.values())


def _hogs(ready: Sequence[Candidate], limit: int, wanted: int) -> list[UUID]:
    """Runs that leave no place for others in what was read."""
    if len(ready) < limit or len({one.run_id for one in ready}) >= wanted:
        return []
    return list({one.run_id for one in ready})
