"""A session: one process of the pool works batches of its worker's queues, many at once, for a while.

A doorbell starts it.  It takes what is ready as long as it has slots free, for at most `LENGTH`, lets
what it has in hand end, and gives the message back, so that the pool may shrink, recycle its process or
shut down.  Each batch is worked in a thread of its own.
"""

import contextvars
import os
import queue
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from workers.backoff import backoff
from workers.db import driver_connect, driver_transaction
from workers.execution import choice, lease
from workers.execution.choice import Load
from workers.execution.looking import Looking
from workers.execution.task import Task
from workers.ledger import claimed, handed_back, taken
from workers.ledger.claimed import BatchLease
from workers.ledger.taken import Candidate
from workers.processes import doorbells, shutdown, slots
from workers.processes.doorbells import Doorbells
from workers.redaction import brief
from workers.settings import settings

log = structlog.stdlib.get_logger(__name__)

#: It takes batches for so long (seconds).
LENGTH = 60.0
#: With nothing in hand it waits so long for more, before it gives its message back (seconds).
LINGER = 0.2
#: Pause between two looks at the clock, at its slots and at the request to shut down (seconds).
TICK = 0.2
#: The same while it has slots free, at what its parent has heard (seconds).
LISTEN = 0.01
#: It looks for ready batches so often although nobody rang (seconds).
LOOK = 1.0
#: Slots that become free are filled together, after so long at most (seconds).
GATHER = 0.01
#: Time that the other batches get to be handed back when one hangs (seconds).
LAST = 10.0
#: Before the limit of a worker's shutdown (seconds).
BEFORE_LIMIT = 5.0


@dataclass(slots=True)
class InHand:
    slot: int
    lease: BatchLease
    batch: Candidate
    until: float
    hung: bool = False


@cache
def _threads() -> ThreadPoolExecutor:
    """The threads of this process; the first use is after the fork."""
    return ThreadPoolExecutor(slots.count(), thread_name_prefix="slot")


@cache
def _region() -> slots.Region:
    return slots.own()


class Session:
    def __init__(self, app: Any, hostname: str, queues: Sequence[str]) -> None:
        self._app, self._hostname, self._queues = app, hostname, queues
        self._length = timedelta(seconds=settings().lease_seconds)
        self._kinds = {name: task for name, task in app.tasks.items() if isinstance(task, Task)}
        self._load = Load(slots.count())
        self._free = list(range(slots.count()))
        self._in_hand: dict[int, InHand] = {}
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._region = _region()
        self._ends_at = time.monotonic() + LENGTH
        #: A batch that runs alone is in hand; a batch that hangs.
        self._alone = False
        self._hung_at: float | None = None
        #: When slots became free, when it was looked last, what was heard then, whether more was ready.
        self._free_since = self._looked_at = 0.0
        self._heard = slots.news() - 1
        self._more = False
        self._looking = Looking(list(self._kinds))
        self._failures = 0
        self._rung_at = float("-inf")
        self.worked = 0

    @cached_property
    def _doorbells(self) -> Doorbells:
        return Doorbells(self._app, doorbells.client(self._app))

    def run(self) -> None:
        self._region.begin(session=True)
        idle_since = time.monotonic()
        try:
            while True:
                self._region.tick()
                if self._may_take() and self._should_take():
                    self._take()
                if self._in_hand:
                    idle_since = time.monotonic()
                elif not self._may_take() or time.monotonic() - idle_since > LINGER:
                    break
                self._wait()
                self._watch()
                if self._must_leave():
                    break
        finally:
            self._region.begin(session=False)
        if self._more and not shutdown.requested():
            self._ring()

    def _may_take(self) -> bool:
        over = time.monotonic() > self._ends_at or shutdown.requested()
        return not (over or self._alone or self._hung_at is not None) and bool(self._free)

    def _should_take(self) -> bool:
        now = time.monotonic()
        if self._heard != slots.news() or (not self._in_hand and self._more):
            return True
        if self._more:
            waited = now - max(self._free_since, self._looked_at)
            return waited >= GATHER or 2 * len(self._free) >= self._load.slots
        return now - self._looked_at >= LOOK

    def _take(self) -> None:
        self._heard, self._looked_at = slots.news(), time.monotonic()
        if self._failures and time.monotonic() < self._not_before:
            return
        try:
            leases = self._lease_some()
            self._failures = 0
        except SQLAlchemyError as error:
            # What was leased and not heard of ends with its lease, in an outage that is nobody's death.
            log.warning("session.not_taken", error=brief(error))
            self._failures += 1
            self._not_before = time.monotonic() + backoff(self._failures, 0.1, 2.0)
            return
        for batch, leased in leases:
            self._begin(batch, leased)
        if self._more:
            self._ring()

    _not_before = 0.0

    def _lease_some(self) -> list[tuple[Candidate, BatchLease]]:
        with driver_connect() as connection:
            ready = self._looking.ready(connection, self._queues_now(), len(self._free), self._heard)
            # At once not more than half of its slots: another process that is free takes some too.
            places = choice.choose(ready, self._load)[: max(1, self._load.slots // 2)]
            chosen = [ready[place] for place in places]
            self._alone = any(one.suspect for one in chosen)
            alone = self._alone or self._load.slots == 1
            together = {one.key: one for one in chosen if not self._is_limited(one)}
            leases = (
                taken.take(connection, list(together), self._hostname, self._length, alone=alone)
                if together
                else []
            )
        found = [(together[one.run_id, one.seq], one) for one in leases]
        limited = [(one, self._claim(one, alone=alone)) for one in chosen if self._is_limited(one)]
        found += [(one, leased) for one, leased in limited if leased is not None]
        self._alone = self._alone and bool(found)
        self._more = self._looking.took(set(places), len(found))
        return found

    def _is_limited(self, one: Candidate) -> bool:
        return one.limited or (one.seq > 0 and self._kinds[one.task].batch_delay > timedelta(0))

    def _queues_now(self) -> list[str]:
        return slots.queues() or list(self._queues)

    def _claim(self, one: Candidate, *, alone: bool) -> BatchLease | None:
        """A batch whose run has limits of its own, by itself."""
        delay = self._kinds[one.task].batch_delay
        with driver_transaction() as connection:
            return claimed.claim(
                connection, one.run_id, one.seq, self._hostname, self._length, delay, alone
            )

    def _begin(self, batch: Candidate, leased: BatchLease) -> None:
        slot = self._free.pop()
        until = time.monotonic() + (self._kinds[batch.task].time_limit or LENGTH)
        self._region.enter(slot, leased.run_id, leased.seq, leased.fence, until)
        self._in_hand[slot] = InHand(slot, leased, batch, until)
        self._load.add(batch)
        self.worked += 1
        _threads().submit(self._work, slot, self._kinds[batch.task], leased)

    def _work(self, slot: int, kind: Task, leased: BatchLease) -> None:
        """In a slot's thread, with context variables of its own."""
        try:
            contextvars.Context().run(kind.work_reported, leased, self._length)
        finally:
            self._region.leave(slot)
            self._ended.put(slot)

    def _wait(self) -> None:
        """Until a slot is free again, somebody rings, or it is time to look around."""
        listens = self._may_take()
        until = time.monotonic() + TICK
        while True:
            pause = LISTEN if listens else TICK
            with suppress(queue.Empty):
                self._leave(self._ended.get(timeout=pause))
                while True:
                    self._leave(self._ended.get_nowait())
            if self._should_take() and self._may_take():
                return
            if not self._in_hand or time.monotonic() > until:
                return

    def _leave(self, slot: int) -> None:
        one = self._in_hand.pop(slot)
        self._load.add(one.batch, -1)
        self._alone = self._alone and bool(self._in_hand)
        if not self._free:
            self._free_since = time.monotonic()
        self._free.append(slot)
        if self._hung_at is not None and one.hung:
            self._hung_at = (
                None if not any(other.hung for other in self._in_hand.values()) else self._hung_at
            )

    def _watch(self) -> None:
        """Look after the batches in hand: their time, and that of this session."""
        now = time.monotonic()
        for one in self._in_hand.values():
            if now > one.until and not one.hung:
                one.hung = True
                self._region.mark_hung(one.slot)
                self._hung_at = self._hung_at or now
                log.error("batch.hung", run_id=str(one.lease.run_id), seq=one.lease.seq)
        if self._hung_at is not None:
            for keeper in lease.in_hand():
                keeper.leave("another batch of its process hangs")
            others = any(not one.hung for one in self._in_hand.values())
            if not others or now > self._hung_at + LAST:
                # The parent takes back what is left: only what hangs has died.
                os._exit(1)
        elif now > self._ends_at:
            for keeper in lease.in_hand():
                keeper.end_slice()

    _asked_at: float | None = None

    def _must_leave(self) -> bool:
        """A worker that shuts down waits for the current calls, and no longer than it may."""
        if not shutdown.requested():
            return False
        now = time.monotonic()
        self._asked_at = self._asked_at or now
        if now < self._asked_at + max(1.0, settings().stop_seconds - BEFORE_LIMIT):
            return False
        with suppress(SQLAlchemyError), driver_transaction() as connection:
            left = [one.lease for one in self._in_hand.values()]
            handed_back.hand_back_all(connection, left, "the worker is shutting down")
        return True

    def _ring(self) -> None:
        """More is ready than this process took: the next one is rung, at most once a second."""
        if time.monotonic() - self._rung_at < LOOK:
            return
        self._rung_at = time.monotonic()
        try:
            self._doorbells.ring(dict.fromkeys(self._queues[:1], 5))
        except doorbells.UNREACHABLE as error:
            log.warning("session.not_rung", error=brief(error))
