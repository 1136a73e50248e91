"""Claims what is due: locks, decides, writes runs and the next due times, commits.

Lock order: schedule_state, run, batch.  Every overlap decision is made while the schedule's
``schedule_state`` row is locked, so two beats never decide about one schedule at once.
"""

import time
from datetime import datetime
from typing import Any

import psycopg
import structlog

from beat.tick import schedule_states
from beat.tick.admission import Admission
from beat.tick.context import TickContext
from beat.tick.plan import claim_time, plan, timing_of
from beat.tick.reading import Row, Unreadable, lock_due
from beat.time.catchup import Outcome, missed, settle
from workers import metrics
from workers.db import array
from workers.ledger import faults, finished, planned
from workers.ledger.planned import NewRun
from workers.ledger.sent import Message

log = structlog.stdlib.get_logger("beat.claim")

#: Runs that one claim writes, so that a tick stays short whatever has to be caught up.
MAX_RUNS = 1000


class ClaimPlan:
    """Decisions about locked schedules, gathered row by row, written with few statements."""

    def __init__(self, context: TickContext) -> None:
        self._context = context
        self._connection = context.connection
        self._now = context.now
        self._runs: list[NewRun] = []
        self._advanced: list[tuple[Any, ...]] = []
        self._followed: list[tuple[Any, ...]] = []
        self._replanned: list[tuple[Any, ...]] = []
        self._aside: list[tuple[str, int, str]] = []
        self.admission = Admission(self._connection, self._runs)
        #: By schedule: its task, for the metrics.
        self._kinds: dict[str, str] = {}

    def consider(self, rows: list[Row], *, replan: bool = False) -> None:
        """Account for what is due of ``rows``; those edited since their plan are planned instead."""
        self.count(rows)
        for row in rows:
            if len(self._runs) >= MAX_RUNS:
                # After a long outage: the rest stays due for the next tick.
                break
            try:
                if replan or row.planned_revision != row.revision:
                    self._replan(row)
                else:
                    self._decide(row)
            except psycopg.Error:
                raise
            except Exception as error:
                self.set_aside(row, error)

    def count(self, rows: list[Row]) -> None:
        self._kinds.update((row.name, row.task) for row in rows)
        self.admission.count(rows)

    def _replan(self, row: Row) -> None:
        timing = timing_of(row, self._context.sessions(row.calendar))
        new = plan(row, timing, self._now)
        if new.lost is not None:
            lost = missed(new.lost, "the schedule was edited before it was claimed")
            self._runs.append(self._run_of(row, lost))
        self._replanned.append((row.name, row.revision, new.anchor_at, new.next_run_at, new.claim_at))

    def _decide(self, row: Row) -> None:
        timing = timing_of(row, self._context.sessions(row.calendar))
        last = due = row.next_run_at
        made = settle(timing, row.anchor_at, due, self._now, row.catch_up, row.catch_up_window)
        mine: list[NewRun] = []
        if len(made.outcomes) == 1 and made.outcomes[0].count == 1:
            late = (self._now - row.claim_at).total_seconds()
            metrics.LATENESS.labels(row.task).observe(max(late, 0.0))
        for outcome in made.outcomes:
            if _is_spent(row, _started(mine)):
                break
            run = self._run_of(row, outcome, claim_time(timing, row.anchor_at, outcome.due_at))
            mine.append(run)
            self._runs.append(run)
            last = outcome.due_at
        started = _started(mine)
        following = None if _is_spent(row, started) else made.following
        claim_at = claim_time(timing, row.anchor_at, following)
        self._advanced.append((row.place, following, claim_at, last, started))

    def _run_of(self, row: Row, outcome: Outcome, startable_at: datetime | None = None) -> NewRun:
        state, reason = "missed", outcome.missed
        late = self._now - (startable_at or outcome.due_at)
        if outcome.missed is None and row.expires is not None and late > row.expires:
            state, reason = "expired", finished.not_started(late)
        elif outcome.missed is None:
            state, reason = self.admission.admit(row, row.overlap)
        return NewRun(
            row.name,
            outcome.due_at,
            state,
            reason=reason,
            covers_from=outcome.covers_from,
            covers_count=outcome.count,
            exclusive=row.overlap != "allow_all",
            startable_at=startable_at,
        )

    def add(
        self, row: Row, due_at: datetime, trigger: str, policy: str | None = None, **columns: Any
    ) -> NewRun:
        """One more run of ``row`` that no timing asked for; admitted like any other."""
        policy = policy or row.overlap
        state, reason = self.admission.admit(row, policy, backfill=trigger == "backfill")
        exclusive = policy != "allow_all"
        run = NewRun(row.name, due_at, state, trigger, reason, exclusive=exclusive, **columns)
        self._runs.append(run)
        return run

    def follow(self, row: Row, ended: list[datetime]) -> None:
        """Runs of ``row``, which comes after another schedule, for each success of that one."""
        mine: list[NewRun] = []
        for finished_at in ended:
            if _is_spent(row, _started(mine)):
                break
            mine.append(self.add(row, finished_at, "after"))
        self._followed.append((row.name, None, None, ended[-1], _started(mine)))

    def set_aside(self, row: Row | Unreadable, error: Exception) -> None:
        """Keep a row that beat cannot read or plan, with its error, until somebody edits it."""
        sentence = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        log.error("schedule.set_aside", schedule=row.name, error=sentence)
        self._aside.append((row.name, row.revision, sentence[:1000]))

    def write(self) -> list[Message]:
        self.admission.drop_held(self._now)
        messages = planned.insert_runs(self._connection, self._runs, self._now)
        self.admission.cancel_active(self._now)
        columns = "nexts claims lasts runs"
        self._many(schedule_states.ADVANCE_IN_PLACE, self._advanced, f"places {columns}")
        self._many(schedule_states.ADVANCE, self._followed, f"names {columns}")
        self._many(schedule_states.SET_PLAN, self._replanned, "names revisions anchors nexts claims")
        self._many(schedule_states.SET_ASIDE, self._aside, "names revisions errors")
        self._measure()
        return messages

    def _measure(self) -> None:
        """Count the due times without a run; runs are counted when they end."""
        for run in self._runs:
            if run.state in {"skipped", "missed"}:
                kind = self._kinds[run.schedule]
                metrics.RUNS.labels(kind, run.state).inc(run.covers_count)
                if run.state == "missed":
                    metrics.MISSED.labels(kind).inc(run.covers_count)

    def _many(self, statement: str, rows: list[tuple[Any, ...]], columns: str) -> None:
        if rows:
            arrays: dict[str, Any] = {
                name: array(column)
                for name, column in zip(columns.split(), zip(*rows, strict=True), strict=True)
            }
            self._connection.execute(statement, {**arrays, "now": self._now})


def _started(runs: list[NewRun]) -> int:
    return sum(run.state in {"due", "held", "expired"} for run in runs)


def _is_spent(row: Row, started: int) -> bool:
    return row.max_runs is not None and row.runs_counted + started >= row.max_runs


def claim_due(context: TickContext) -> bool:
    with context.connection.transaction():
        rows, unreadable = lock_due(
            context.connection,
            context.now,
            context.limit,
            context.marks.claim,
            both_ends=context.is_behind(),
        )
        context.claims_all = len(rows) < context.limit // 2
        messages = claim_or_plan(context, rows, unreadable)
    if messages:
        faults.point("after-claim-commit")
        context.rate.add(len(messages), time.monotonic())
    context.messages += messages
    return bool(messages)


def claim_or_plan(
    context: TickContext, rows: list[Row], unreadable: list[Unreadable], *, replan: bool = False
) -> list[Message]:
    """Claim or plan locked ``rows`` within the caller's transaction.

    All at once when Postgres takes them; else one by one, so that only the one it refuses is set aside,
    and only the one that would wait for a lock is left for the next tick.
    """
    if not rows and not unreadable:
        return []
    try:
        return _write(context, rows, [(row, row.error) for row in unreadable], replan=replan)
    except psycopg.errors.LockNotAvailable as error:
        log.warning("claim.one_by_one", rows=len(rows), error=str(error).partition("\n")[0])
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        if context.connection.closed:
            raise
        log.warning("claim.one_by_one", rows=len(rows), error=str(error).partition("\n")[0])
    messages = _write(context, [], [(row, row.error) for row in unreadable], replan=replan)
    for row in rows:
        try:
            messages += _write(context, [row], [], replan=replan)
        except psycopg.errors.LockNotAvailable:
            # Somebody has locked a run that this one replaces: the due time stays due.
            context.retry_soon = True
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            messages += _write(context, [], [(row, error)], replan=replan)
    return messages


def _write(
    context: TickContext,
    rows: list[Row],
    aside: list[tuple[Row | Unreadable, Exception]],
    *,
    replan: bool,
) -> list[Message]:
    with context.connection.transaction():
        claim = ClaimPlan(context)
        for row, error in aside:
            claim.set_aside(row, error)
        claim.consider(rows, replan=replan)
        return claim.write()
