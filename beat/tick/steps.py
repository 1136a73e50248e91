"""What beat does in a tick: steps, each a short transaction of its own that any beat may share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import text

from beat.tick import (
    apply_edits,
    claim,
    conclude,
    release,
    replan,
    request_handlers,
)
from beat.tick.context import ROUND, TickContext
from beat.tick.reading import FAVOUR_INDEXES_LOCALLY
from workers.backoff import backoff
from workers.db import transaction
from workers.ledger import claims
from workers.ledger.faults import point
from workers.settings import settings

log = structlog.stdlib.get_logger("beat")

#: A permit is free, but batches let go before may have it (seconds).
PATIENCE = 0.2
#: A step that fails for so long makes beat useless (seconds).
STUCK = 60.0
#: A process is silent after so long without a sign, as view trouble has it (seconds).
SILENCE = 30.0
#: Pause between two looks at what is broken (seconds).
INCIDENTS = 10.0
#: What some other beat holds for a moment is tried again after so long (seconds).
MOMENT = 0.05


def plan(context: TickContext) -> bool:
    """Plan what people have edited."""
    consumed, waits, names = replan.plan_edited(
        context.connection, context.now, context.limit, context.session_cache
    )
    context.soon |= waits
    context.edited.update(names)
    return consumed > 0


def reshape(context: TickContext) -> bool:
    """Let active runs obey the edits of their schedules."""
    context.edited = apply_edits.reshape(context.connection, sorted(context.edited))
    return False


def claim_due(context: TickContext) -> bool:
    """Account for what is due."""
    claimed = claim.claim_due(context.connection, context.now, context.limit, context.session_cache)
    if claimed:
        point("after-claim-commit")
        context.rate.add(len(claimed), time.monotonic())
    context.messages += claimed
    return bool(claimed)


def answer(context: TickContext) -> bool:
    """Do what people asked for."""
    done, messages = request_handlers.answer_some(
        context.connection, context.now, context.session_cache
    )
    context.messages += messages
    return done > 0


def conclude_ended(context: TickContext) -> bool:
    """Count failures, trip schedules, start followers."""
    messages = conclude.conclude(context.connection, context.now, context.limit, context.session_cache)
    context.messages += messages
    return bool(messages)


def release_ready(context: TickContext) -> bool:
    """Let go held runs and batches that waited for an upstream."""
    messages = release.release_held(context.connection, context.now, context.limit)
    context.messages += messages
    return release.release_waiting(context.connection, context.now) > 0 or bool(messages)


def tell(context: TickContext) -> bool:
    """Let runs know that their upstream is shut for long."""
    return release.notify_blocked_runs(context.connection, context.now) > 0


def stop(context: TickContext) -> bool:
    """End what was asked to stop and what took too long."""
    stopped = conclude.stop_asked(context.connection, context.limit)
    return stopped + conclude.end_overdue(context.connection, context.now, context.limit) > 0


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
    since = row[1]
    with transaction() as connection:
        connection.execute(text(FAVOUR_INDEXES_LOCALLY))
        rescued = claims.rescue(connection, context.now, context.limit, since)
    for run_id, seq, state in rescued:
        log.warning("batch.rescued", run_id=str(run_id), seq=seq, state=state)
    return bool(rescued)


def follow_incidents(context: TickContext) -> bool:
    """Tell people what breaks and what is over; beat does it, so that no queue's death hides itself.

    Not before beat and Postgres were well for as long as silence takes to be noticed: after an outage
    all signs of life are old.
    """
    if time.monotonic() - context.connected_at < SILENCE:
        return False
    row = context.connection.execute("select opened, closed from follow_incidents()").fetchone()
    if row and any(row):
        log.info("incidents.followed", opened=row[0], closed=row[1])
    return False


def sweep(context: TickContext) -> bool:
    """Compare all plans with their schedules, a slice a tick: a lost notification costs no more."""
    began = time.monotonic()
    done = context.sweep.step(context.connection, context.now, context.limit, context.session_cache)
    context.sweep.cost += time.monotonic() - began
    if done:
        # A large table is swept less often: never more than a part in 200 of beat.
        context.next_sweep = time.monotonic() + max(settings().sweep_seconds, 200 * context.sweep.cost)
        context.sweep.cost = 0.0
    return not done


def _always(_: TickContext) -> bool:
    return True


@dataclass(slots=True)
class Step:
    """A step, when it is entered, and its rest after a failure: no failure stops the other steps."""

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

    def take(self, context: TickContext) -> bool:
        """Do it when it is ready; True when there may be more to do at once."""
        if time.monotonic() < self.not_before:
            return False
        # One that failed is tried again whatever was asked, so that it can be seen to work.
        failed = self.failed_at is not None
        if not (failed or self.is_ready(context) or self.after & context.busy):
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
        self.not_before = time.monotonic() + backoff(self.failures, ROUND, 30.0)


def are_stuck(steps: Iterable[Step]) -> bool:
    """Whether a step has failed again and again for so long that this beat is of no use."""
    now = time.monotonic()
    return any(step.failed_at is not None and now - step.failed_at > STUCK for step in steps)


def steps() -> list[Step]:
    """The steps of a tick, in their order."""
    return [
        Step(plan, lambda c: c.ready.edits),
        Step(claim_due, TickContext.is_due, frozenset({"plan"})),
        Step(reshape, lambda c: bool(c.edited)),
        Step(answer, lambda c: c.ready.requests),
        Step(conclude_ended, lambda c: c.ready.ended, frozenset({"answer"})),
        Step(
            release_ready,
            lambda c: c.ready.held or c.ready.by_now(c.ready.permit_at),
            frozenset({"plan", "answer", "conclude_ended"}),
        ),
        Step(tell, lambda c: c.ready.parked, every=ROUND),
        # A claim or a request of this tick may ask a run to stop.
        Step(stop, TickContext.may_stop, frozenset({"answer"}), every=ROUND),
        Step(rescue, lambda c: c.ready.lost, every=ROUND),
        Step(follow_incidents, every=INCIDENTS),
        Step(sweep, lambda c: time.monotonic() >= c.next_sweep),
    ]


def pause(context: TickContext) -> float:
    """Seconds until something may be due: at most a round, and a moment for what others hold."""
    ready = context.ready
    gathering = context.rate.wait(time.monotonic())
    claim = ready.seconds_until(ready.claim_at, ROUND)
    send = ready.seconds_until(ready.send_at, ROUND)
    if context.soon or send <= 0 or (claim <= 0 and not gathering):
        # Ready, and yet this tick did nothing: somebody holds it.
        return MOMENT
    permit = ready.seconds_until(ready.permit_at, ROUND)
    return min(max(claim, gathering), send, PATIENCE if permit <= 0 else permit, ROUND)
