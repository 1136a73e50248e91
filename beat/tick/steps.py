"""What beat does in a tick: steps, each a short transaction of its own that any beat may share."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import structlog

from beat.tick import claim, conclude, release, replan, request_handlers, samples
from beat.tick.context import ROUND, TickContext
from workers.backoff import backoff
from workers.ledger import rescued
from workers.settings import settings

log = structlog.stdlib.get_logger("beat")

#: Pause while a permit is free but released batches may still take it (seconds).
RELEASED_PAUSE = 0.2
#: A step that fails for so long makes beat useless (seconds).
STUCK_AFTER = 60.0
#: A process is silent after so long without a heartbeat, as in view trouble (seconds).
SILENT_AFTER = 30.0
#: Runs that expire are gathered for so long (seconds).
EXPIRE_EVERY = 0.2
#: Pause between two looks at what is broken (seconds).
INCIDENTS_EVERY = 10.0
#: Pause before rows that another beat has locked are tried again (seconds).
LOCKED_PAUSE = 0.05
#: Longest pause before a step that failed is tried again (seconds).
MAX_BACKOFF = 30.0
PASSING = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


def rescue(context: TickContext) -> bool:
    """Take back batches whose lease ended.

    Not before one lease has passed since Postgres or this beat came back: an outage expires no living
    worker, and is nobody's death.
    """
    lease = settings().lease_seconds
    if time.monotonic() - context.connected_at < lease:
        return False
    row = context.connection.execute(
        "select clock_timestamp() - pg_postmaster_start_time() > %s * interval '1 second',"
        " greatest(pg_postmaster_start_time(), %s)",
        (lease, context.now - timedelta(seconds=context.seen_at - context.connected_at)),
    ).fetchone()
    if not row or not row[0]:
        return False
    with context.connection.transaction():
        taken = rescued.rescue(
            context.connection, context.now, context.limit, row[1], context.marks.lease
        )
    for run_id, seq, state in taken:
        log.warning("batch.rescued", run_id=str(run_id), seq=seq, state=state)
    return bool(taken)


#: View trouble reads no due time of before ``low``, when it was told so in the same transaction.
FOLLOW_INCIDENTS = """
select opened, closed
  from (select set_config('watchkeeper.none_due_before',
                          coalesce(%(low)s::timestamptz::text, ''), true) as low) said
 cross join lateral (
    select opened, closed from follow_incidents() where low is not null offset 0) followed
"""


def follow_incidents(context: TickContext) -> bool:
    """Open and close incidents; beat does it, so that no queue's death hides itself.

    Not before beat and Postgres were well for as long as silence takes to be noticed: after an outage
    all heartbeats are old.
    """
    if time.monotonic() - context.connected_at < SILENT_AFTER:
        return False
    row = context.connection.execute(FOLLOW_INCIDENTS, {"low": context.marks.claim}).fetchone()
    if row and any(row):
        log.info("incidents.followed", opened=row[0], closed=row[1])
    return False


def _always(_: TickContext) -> bool:
    return True


@dataclass(slots=True)
class Step:
    """A step, when it is entered, and its back-off after a failure: no failure stops the others."""

    act: Callable[[TickContext], bool]
    #: Whether it has something to do, by what was asked at the beginning of the tick.
    is_ready: Callable[[TickContext], bool] = _always
    #: Steps whose work in the same tick may make it ready.
    after: frozenset[str] = frozenset()
    every: float = 0.0
    not_before: float = 0.0
    failure: str = ""
    failed_at: float | None = None
    failures: int = 0

    @property
    def name(self) -> str:
        return self.act.__name__

    def take(self, context: TickContext, *, asks_itself: bool = False) -> bool:
        """Do it when it is ready or asks itself; True when there may be more to do at once."""
        if time.monotonic() < self.not_before:
            return False
        # One that failed is tried again whatever was asked, so that it can be seen to work.
        failed = self.failed_at is not None
        if not (failed or asks_itself or self.is_ready(context) or self.after & context.busy):
            return False
        try:
            busy = self.act(context)
        except Exception as error:
            if context.connection.closed:
                raise
            self._failed(error)
            return False
        self.not_before = 0.0 if busy else time.monotonic() + self.every
        if busy:
            context.busy.add(self.name)
        if failed:
            log.info("step.recovered", step=self.name)
            self.failure, self.failed_at, self.failures = "", None, 0
        return busy

    def _failed(self, error: Exception) -> None:
        said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        if said != self.failure:
            log.error("step.failed", step=self.name, error=said, exc_info=error)
        self.failure = said
        if self.failed_at is None:
            self.failed_at = time.monotonic()
        self.failures += 1
        # What somebody has locked for a moment is tried again soon.
        longest = ROUND if isinstance(error, PASSING) else MAX_BACKOFF
        self.not_before = time.monotonic() + backoff(self.failures, ROUND, longest)


def are_stuck(steps: Iterable[Step]) -> bool:
    """Whether a step has failed again and again for so long that this beat is of no use."""
    now = time.monotonic()
    return any(step.failed_at is not None and now - step.failed_at > STUCK_AFTER for step in steps)


def steps() -> list[Step]:
    return [
        Step(replan.replan, lambda c: c.ready.edits),
        Step(claim.claim_due, TickContext.is_due, frozenset({"replan"})),
        Step(replan.apply_edits, lambda c: bool(c.edited)),
        Step(request_handlers.answer_requests, lambda c: c.ready.requests),
        Step(conclude.conclude, TickContext.has_ended, frozenset({"answer_requests"})),
        Step(
            release.release,
            lambda c: c.ready.held or c.ready.by_now(c.ready.permit_at),
            frozenset({"replan", "answer_requests", "conclude"}),
        ),
        Step(release.notify_blocked_runs, lambda c: c.ready.parked, every=ROUND),
        # A claim or a request of this tick may ask a run to stop.
        Step(conclude.stop, TickContext.may_stop, frozenset({"answer_requests"}), every=ROUND),
        Step(conclude.expire, lambda c: c.ready.expired, every=EXPIRE_EVERY),
        Step(rescue, lambda c: c.ready.lost, every=ROUND),
        Step(follow_incidents, every=INCIDENTS_EVERY),
        Step(samples.sample, samples.is_due),
        Step(replan.reconcile, lambda c: time.monotonic() >= c.next_reconcile),
    ]


def take_all(steps: Iterable[Step], context: TickContext) -> bool:
    """Do all that are ready; True when there may be more to do at once.

    Edits come first, and again where the tick lasts long: they wait for one step, not for all.
    """
    edits, *others = steps
    busy = edits.take(context)
    for step in others:
        busy |= step.take(context)
        if context.lasts_long():
            busy |= edits.take(context, asks_itself=True)
    return busy


def pause(context: TickContext) -> float:
    """Seconds until something may be due, at most a round."""
    ready = context.ready
    gathering = context.rate.wait(time.monotonic())
    claim = ready.seconds_until(ready.claim_at, ROUND)
    send = ready.seconds_until(ready.send_at, ROUND)
    if context.retry_soon or send <= 0 or (claim <= 0 and not gathering):
        # Ready, and yet this tick did nothing: somebody has locked it.
        return LOCKED_PAUSE
    permit = ready.seconds_until(ready.permit_at, ROUND)
    ends = context.rest_of_ends() or ROUND
    return min(max(claim, gathering), send, RELEASED_PAUSE if permit <= 0 else permit, ends, ROUND)
