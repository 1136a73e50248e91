"""What the steps of one beat share, and what this tick found ready."""

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from beat.tick.claim_rate import ClaimRate
from beat.tick.readiness import Marks, Ready
from beat.tick.session_cache import SessionCache
from beat.time.timetable import Sessions
from workers.db import Driver
from workers.ledger.sent import Message
from workers.settings import settings

#: Pause between two looks at what need not happen at once (seconds).
ROUND = 1.0
#: After so long a tick looks again for edits (seconds).
LONG_TICK = 0.05
#: Due times wait no longer than this where they are claimed in time.
BEHIND = timedelta(seconds=5)


@dataclass(slots=True)
class TickContext:
    connection: Driver
    ready: Ready
    marks: Marks = field(init=False, default_factory=Marks)
    #: Rows that one step takes at once.
    limit: int = 1000
    connected_at: float = field(default_factory=time.monotonic)
    #: When it was last seen that neither Postgres nor this beat stands still.
    seen_at: float = field(default_factory=time.monotonic)
    #: When `now` was so late.
    now_at: float = field(default_factory=time.monotonic)
    #: When to ask again whether the broker has lost anything.
    next_loss_check: float = 0.0
    #: When to look for announced batches that nobody takes, and how often in a row some were left.
    next_ring: float = 0.0
    rings: int = 0
    #: When ended runs were counted last, but for those that were left for the next tick.
    concluded_at: float = 0.0
    session_cache: SessionCache = field(default_factory=SessionCache)
    next_reconcile: float = 0.0
    #: The minute of the last sample.
    sampled_at: datetime | None = None
    #: The name after which the next slice begins, and what this round has cost so far (seconds).
    reconciled_to: str = ""
    reconcile_cost: float = 0.0
    #: Committed by a step of this tick, still to be sent.
    messages: list[Message] = field(default_factory=list)
    #: Edited schedules whose active runs do not follow the edit yet.
    edited: set[str] = field(default_factory=set)
    #: Something was locked by others, so the wait after this tick is short.
    retry_soon: bool = False
    rate: ClaimRate = field(default_factory=ClaimRate)
    #: The last claim found fewer due times than it may.
    claims_all: bool = True
    #: Steps of this tick that had something to do.
    busy: set[str] = field(default_factory=set)

    @property
    def now(self) -> datetime:
        return self.ready.now

    def sessions(self, calendar: str | None) -> Sessions | None:
        return self.session_cache.sessions(self.connection, calendar)

    def is_sending(self) -> bool:
        return self.ready.by_now(self.ready.send_at) or bool(self.busy - {"claim_due"})

    def is_behind(self) -> bool:
        """Whether more comes due than is claimed in time.

        By age alone, each due time that may expire would have expired once it is claimed.
        """
        return not self.claims_all and self.ready.by_now(self.ready.claim_at, BEHIND)

    def is_due(self) -> bool:
        """Whether due times are to be claimed now: many a second are gathered first."""
        due = self.ready.by_now(self.ready.claim_at)
        return due and self.rate.wait(time.monotonic()) <= 0

    def rest_of_ends(self) -> float:
        """Seconds until ended runs are to be counted: many that nothing follows are gathered first."""
        if not self.ready.ended or self.ready.followed:
            return 0.0
        return self.rate.wait_for_ends(self.concluded_at, time.monotonic())

    def has_ended(self) -> bool:
        return self.ready.ended and self.rest_of_ends() <= 0

    def may_stop(self) -> bool:
        """Whether runs were asked to stop or are overdue, or a claim of this tick may have asked."""
        ready = self.ready
        return ready.stopping or ready.overdue or ready.by_now(ready.claim_at)

    def is_gathering(self) -> bool:
        """Whether this tick did nothing but claim, and the next due times are gathered first."""
        claimed_all = len(self.messages) < self.limit
        return self.busy == {"claim_due"} and claimed_all and self.rate.wait(time.monotonic()) > 0

    def lasts_long(self) -> bool:
        """Whether there may be edits by now that this tick knows nothing of; then `now` is moved on.

        An edit that is planned by a time before it might run for a due time that had passed.
        """
        passed = time.monotonic() - self.now_at
        if passed < LONG_TICK:
            return False
        self.ready = replace(self.ready, now=self.ready.now + timedelta(seconds=passed))
        self.now_at += passed
        return True

    def begin(self, ready: Ready) -> None:
        """A new tick.  After a standstill of Postgres or of this beat all heartbeats are old."""
        self.ready, self.retry_soon = ready, False
        self.busy.clear()
        before, self.seen_at = self.seen_at, time.monotonic()
        self.now_at = self.seen_at
        if self.seen_at - before > ROUND + settings().lease_seconds / 3:
            self.connected_at = self.seen_at
