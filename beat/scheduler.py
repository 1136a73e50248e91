"""`DatabaseScheduler`: Celery's beat, driven by the tables alone.

Any number of beats share the work by SKIP LOCKED; there is no leader.  ``tick`` does every step that is
ready, sends what they committed, then waits for an edit or the next due time.  It never raises: while
Postgres or the broker is away it logs that once, and tries again.
"""

import math
import time
from datetime import datetime, timedelta
from typing import Any

import psycopg
import structlog
from celery import signals
from celery.backends.base import DisabledBackend
from celery.beat import Scheduler, beat_nodename  # type: ignore[attr-defined]

from beat.entries import sync
from beat.gauges import Gauges
from beat.tick import outbox, readiness, steps
from beat.tick.context import ROUND, TickContext
from beat.tick.heartbeat import Heartbeat
from beat.tick.reading import connect
from beat.tick.wakeup import Wakeup
from workers import metrics
from workers.backoff import backoff
from workers.db import reset
from workers.ledger import sent
from workers.ledger.sent import Message
from workers.processes.doorbells import UNREACHABLE
from workers.settings import settings

log = structlog.stdlib.get_logger("beat")

#: Pause between two attempts while something is away: the first and the longest (seconds).
INITIAL_BACKOFF = 0.1
MAX_BACKOFF = 2.0


class DatabaseScheduler(Scheduler):
    """Reads `schedule`, writes `run` and `batch`, sends messages."""

    max_interval = 5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.node = beat_nodename(None)
        self._context: TickContext | None = None
        #: Entries of the code as the table has them.
        self._entries: dict[str, Any] = {}
        self._steps = steps.steps()
        self._wakeup = Wakeup()
        self._in_tick = self._closing = False
        self._postgres = Outage("Postgres")
        self._broker = Outage("the broker")
        self.gauges = Gauges()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Collect the entries of the code and prepare; does not connect: Postgres may be away."""
        self.merge_inplace(self.app.conf.beat_schedule)
        self.install_default_entries(self.schedule)
        self._outbox = outbox.Outbox(self.app)
        self._heartbeat = Heartbeat(self._outbox)

    def install_default_entries(self, data: Any) -> None:
        """Celery's own, `celery.backend_cleanup`; without a result backend there is nothing to do."""
        if not isinstance(self.app.backend, DisabledBackend):
            super().install_default_entries(data)

    def merge_inplace(self, b: Any) -> None:
        """Take the entries of ``beat_schedule``; one that is wrong is logged, and stops no other."""
        read: dict[str, Any] = {}
        for name, entry in b.items():
            try:
                self.Entry(**dict(entry, name=name, app=self.app))
            except Exception as error:
                log.error("entry.refused", name=name, error=f"{type(error).__name__}: {error}")
            else:
                read[name] = entry
        super().merge_inplace(read)

    @property
    def info(self) -> str:
        return "    . db -> Postgres, table schedule"

    def tick(self, *_: Any, **__: Any) -> float:
        """Do what is ready, then wait for an edit or the next due time; never raises."""
        self._in_tick = True
        try:
            if self.work():
                self._wakeup.was_useful()
            elif self._context is not None and not self._closing:
                self._wakeup.wait(steps.pause(self._context))
        except Exception as error:
            self._release()
            self._pause(self._postgres.failed(error))
        finally:
            self._in_tick = False
            if self._closing:
                self._release()
        if self._closing:
            # The exit of the signal's handler got lost in a library that catches everything.
            raise SystemExit
        return 0.0

    def work(self, now: datetime | None = None) -> bool:
        """Every step that is ready, once; True when there may be more to do at once.

        ``now`` replaces the database's clock in tests.
        """
        context = self._begin(now)
        if now is not None:
            # A time that is passed in stands still.
            context.now_at = math.inf
        busy = steps.take_all(self._steps, context)
        busy &= not context.is_gathering()
        busy |= self._send(context)
        self._postgres.answered()
        self.gauges.ticked_at = time.time()
        return busy

    def _begin(self, now: datetime | None = None) -> TickContext:
        """Connect if need be, and ask what is ready: by the database's clock, for the whole tick."""
        # LISTEN before reading: a notification in between is not lost.
        self._wakeup.open()
        if self._context is None:
            connection = connect()
            sync.synchronize(connection, self.app, self.schedule)
            self._entries = dict(self.schedule)
            ready = readiness.ask(connection, now)
            self._context = TickContext(connection, ready, settings().claim_limit)
        else:
            if self._entries != self.schedule:
                # Somebody has called `add` or `set_schedule` since.
                sync.synchronize(self._context.connection, self.app, self.schedule)
                self._entries = dict(self.schedule)
            context = self._context
            context.begin(readiness.ask(context.connection, now, context.marks))
        return self._context

    def _send(self, context: TickContext) -> bool:
        """Announce what this tick committed and what the ledger has ready; True when there was any."""
        messages, context.messages = context.messages, []
        if self._broker.is_pausing():
            sent.take_back(context.connection, messages)
            return False
        try:
            more = self._announce(context, messages)
            if not steps.are_stuck(self._steps):
                self._heartbeat.beat(self.node)
                context.rate.beats = self._heartbeat.beats
        except UNREACHABLE as error:
            self._broker.failed(error)
            return False
        self._broker.answered()
        return more

    def _announce(self, context: TickContext, messages: list[Message]) -> bool:
        connection, old = context.connection, context.ready.old_queues
        lost = False
        if time.monotonic() > context.next_loss_check:
            context.next_loss_check = time.monotonic() + ROUND
            lost = self._outbox.has_lost()
        if lost:
            sent.look_for_all(connection, context.now)
        # In a burst new batches go before those that are only looked for again.
        limit = max(context.limit // 5 if messages else context.limit, 1)
        ready, again = list[Message](), list[Message]()
        if lost or context.is_sending():
            # All that was sent is looked for when the broker has lost something.
            low = None if lost else context.marks.send
            ready = sent.announce(connection, context.now, limit, low)
            again = outbox.find_lost(connection, self._outbox, context.now, limit, low)
        outbox.send(connection, self._outbox, messages + ready, old)
        outbox.send(connection, self._outbox, again, {*old, *(one.queue for one in again)})
        context.rings *= context.ready.is_left
        if lost or (context.ready.is_left and time.monotonic() > context.next_ring):
            context.rings += 1
            context.next_ring = time.monotonic() + self._outbox.ring_pause(context.rings)
            age = timedelta(seconds=0 if lost else settings().resend_after_seconds)
            outbox.ring_again(connection, self._outbox, context.now - age, limit, old)
        metrics.MESSAGES.labels("claimed").inc(len(messages))
        metrics.MESSAGES.labels("ready").inc(len(ready) + len(again))
        self._heartbeat.count(len(messages) + len(ready) + len(again))
        return len(ready) + len(again) > 0

    def _pause(self, seconds: float) -> None:
        if not self._closing:
            time.sleep(seconds)

    def _release(self) -> None:
        context, self._context = self._context, None
        self._wakeup.close()
        if context is not None:
            context.connection.close()
        reset()

    def close(self) -> None:
        """Close all connections; Celery calls this twice, once in the middle of a tick."""
        self._closing = True
        if self._in_tick:
            return
        try:
            super().close()
        finally:
            if hasattr(self, "_outbox"):
                self._heartbeat.end(self.node)
                self._outbox.close()
            self.gauges.close()
            self._release()


class Outage:
    """A server that is away: logged once when it begins and once when it ends."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since: float | None = None
        self._until = 0.0
        self._failures = 0

    def failed(self, error: Exception) -> float:
        """Note a failure; returns the pause before the next attempt (seconds)."""
        if self._since is None:
            self._since = time.monotonic()
            said = f"{type(error).__name__}: {str(error).strip()[:300]}"
            known = isinstance(getattr(error, "orig", error), (psycopg.Error, *UNREACHABLE))
            log.error("beat.away", what=self._what, error=said, exc_info=None if known else error)
        self._failures += 1
        rest = backoff(self._failures, INITIAL_BACKOFF, MAX_BACKOFF)
        self._until = time.monotonic() + rest
        return rest

    def is_pausing(self) -> bool:
        return time.monotonic() < self._until

    def answered(self) -> None:
        if self._since is not None:
            lasted = round(time.monotonic() - self._since, 1)
            log.info("beat.back", what=self._what, after_seconds=lasted)
        self._since, self._until, self._failures = None, 0.0, 0


@signals.beat_init.connect
def _named(sender: Any, **_: Any) -> None:
    """Take beat's node name from its service, which alone knows it; export its gauges."""
    if isinstance(sender.scheduler, DatabaseScheduler):
        sender.scheduler.node = beat_nodename(sender.hostname)
        metrics.collectors.append(sender.scheduler.gauges)
