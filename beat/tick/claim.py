"""Claims what is due: locks, decides, writes runs and the next due times, commits.

Lock order: schedule_state, run, batch.  Every overlap decision is made while the schedule's
``schedule_state`` row is locked, so two beats never decide about one schedule at once.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import structlog

from beat.tick import ledger, schedule_states
from beat.tick.ledger import Message, NewRun, array
from beat.tick.plan import claim_time, plan, timing_of
from beat.tick.reading import Connection, Row, Unreadable, lock_due
from beat.tick.session_cache import SessionCache
from beat.time.catchup import Outcome, settle
from beat.time.overlap import Act, decide

log = structlog.stdlib.get_logger("beat.claim")

#: Runs that one claim writes, so that a tick stays short whatever has to be caught up.
MOST_RUNS = 1000


class Claim:
    """Decisions about locked schedules, gathered row by row, written with few statements."""

    def __init__(self, connection: Connection, now: datetime, session_cache: SessionCache) -> None:
        self._connection = connection
        self._now = now
        self._session_cache = session_cache
        self._runs: list[NewRun] = []
        self._advanced: list[tuple[Any, ...]] = []
        self._replanned: list[tuple[Any, ...]] = []
        self._aside: list[tuple[str, int, str]] = []
        self._cancelled: list[str] = []
        self._dropped: list[str] = []
        self._active: dict[str, list[int]] = {}
        self._tasks: Counter[str] = Counter()

    def consider(self, rows: list[Row], *, replan: bool = False) -> None:
        """Account for what is due of ``rows``; those edited since their plan are planned instead."""
        self.count(rows)
        for row in rows:
            if len(self._runs) >= MOST_RUNS:
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
        """Count the active and held runs that decisions about ``rows`` depend on."""
        names = [row.name for row in rows if row.overlap != "allow_all"]
        if names:
            for name, active, held in self._connection.execute(ledger.COUNT_ACTIVE, {"names": names}):
                self._active[name] = [active, held]
        tasks = list({row.task for row in rows if row.max_running is not None})
        if tasks:
            ledger.lock_tasks(self._connection, tasks)
            counted = self._connection.execute(ledger.COUNT_TASKS, {"tasks": tasks})
            self._tasks.update(dict(counted.fetchall()))

    def _replan(self, row: Row) -> None:
        timing = timing_of(row, self._session_cache.sessions(self._connection, row.calendar))
        planned = plan(row, timing, self._now)
        if planned.lost is not None:
            reason = "the schedule was edited before it was claimed"
            self._runs.append(NewRun(row.name, planned.lost, "missed", reason=reason))
        self._replanned.append(
            (row.name, row.revision, planned.anchor_at, planned.next_run_at, planned.claim_at)
        )

    def _decide(self, row: Row) -> None:
        timing = timing_of(row, self._session_cache.sessions(self._connection, row.calendar))
        due = row.next_run_at
        made = settle(timing, row.anchor_at, due, self._now, row.catch_up, row.catch_up_window)
        started, following = 0, made.following
        last = due
        for outcome in made.outcomes:
            if row.max_runs is not None and row.runs_counted + started >= row.max_runs:
                break
            run = self._row(row, outcome)
            started += run.state in {"due", "held"}
            self._runs.append(run)
            last = outcome.due_at
        if row.max_runs is not None and row.runs_counted + started >= row.max_runs:
            following = None
        claim_at = claim_time(timing, row.anchor_at, following)
        self._advanced.append((row.name, following, claim_at, last, started))

    def _row(self, row: Row, outcome: Outcome) -> NewRun:
        state, reason = (
            self._admit(row, row.overlap) if outcome.missed is None else ("missed", outcome.missed)
        )
        return NewRun(
            row.name,
            outcome.due_at,
            state,
            reason=reason,
            covers_from=outcome.covers_from,
            covers_count=outcome.count,
            exclusive=row.overlap != "allow_all",
        )

    def add(
        self,
        row: Row,
        due_at: datetime,
        *,
        trigger: str,
        policy: str | None = None,
        options: str | None = None,
        requested_by: str | None = None,
        retry_of: UUID | None = None,
    ) -> NewRun:
        """One more run of ``row`` that no timing asked for; admitted like any other."""
        policy = policy or row.overlap
        state, reason = self._admit(row, policy)
        run = NewRun(
            row.name,
            due_at,
            state,
            trigger,
            reason,
            options=options,
            exclusive=policy != "allow_all",
            requested_by=requested_by,
            retry_of=retry_of,
        )
        self._runs.append(run)
        return run

    def follow(self, row: Row, ended: list[datetime]) -> None:
        """Runs of ``row``, which comes after another schedule, for each success of that one."""
        started = 0
        for finished_at in ended:
            if row.max_runs is not None and row.runs_counted + started >= row.max_runs:
                break
            run = self.add(row, finished_at, trigger="after")
            started += run.state in {"due", "held"}
        self._advanced.append((row.name, None, None, ended[-1], started))

    def _admit(self, row: Row, policy: str) -> tuple[str, str | None]:
        """State and reason of one new run, by overlap policy and the kind's ``max_running``."""
        counts = self._active.setdefault(row.name, [0, 0])
        decision = decide(policy, *counts)
        if decision.act is Act.SKIP:
            return "skipped", decision.reason
        if decision.cancel_active:
            self._cancelled.append(row.name)
        if decision.replace_held:
            self._drop(row.name)
            counts[1] = 0
        full = row.max_running is not None and self._tasks[row.task] >= row.max_running
        if decision.act is Act.HOLD or full:
            counts[1] += 1
            return "held", decision.reason or f"{row.max_running} runs of {row.task} are active"
        counts[0] += 1
        self._tasks[row.task] += 1
        return "due", None

    def _drop(self, name: str) -> None:
        """A newer run takes the place of those held, also of ones decided a moment ago."""
        self._dropped.append(name)
        for run in self._runs:
            if run.schedule == name and run.state == "held":
                run.state, run.reason = "skipped", "a newer run took its place"

    def set_aside(self, row: Row | Unreadable, error: Exception) -> None:
        """A row that beat cannot obey: kept with its error until somebody edits it."""
        sentence = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        log.error("schedule.set_aside", schedule=row.name, error=sentence)
        self._aside.append((row.name, row.revision, sentence[:1000]))

    def write(self) -> list[Message]:
        """Write all that was decided; the caller commits."""
        now = self._now
        if self._dropped:
            self._connection.execute(DROP_HELD, {"names": self._dropped, "now": now})
        messages = ledger.insert(self._connection, self._runs, now)
        if self._cancelled:
            self._connection.execute(ASK_TO_STOP, {"names": self._cancelled, "now": now})
        self._many(schedule_states.ADVANCE, self._advanced, "names", "nexts", "claims", "lasts", "runs")
        self._many(
            schedule_states.SET_PLAN,
            self._replanned,
            "names",
            "revisions",
            "anchors",
            "nexts",
            "claims",
        )
        self._many(schedule_states.SET_ASIDE, self._aside, "names", "revisions", "errors")
        return messages

    def _many(self, statement: str, rows: list[tuple[Any, ...]], *columns: str) -> None:
        if rows:
            arrays: dict[str, Any] = {
                name: array(column)
                for name, column in zip(columns, zip(*rows, strict=True), strict=True)
            }
            self._connection.execute(statement, {**arrays, "now": self._now})


DROP_HELD = """
update run set state = 'skipped', reason = 'a newer run took its place', finished_at = %(now)s,
       open_batches = 0, counted = true
 where schedule = any(%(names)s) and state = 'held'
"""

ASK_TO_STOP = """
update run set stop_requested_at = coalesce(stop_requested_at, %(now)s),
       reason = 'a newer run took its place'
 where schedule = any(%(names)s) and state in ('due', 'running')
"""


def claim_due(
    connection: Connection, now: datetime, limit: int, session_cache: SessionCache
) -> list[Message]:
    """Claim what is due at ``now`` in one transaction; returns the messages to send."""
    with connection.transaction():
        rows, unreadable = lock_due(connection, now, limit)
        return obey(connection, now, session_cache, rows, unreadable)


def obey(
    connection: Connection,
    now: datetime,
    session_cache: SessionCache,
    rows: list[Row],
    unreadable: list[Unreadable],
    *,
    replan: bool = False,
) -> list[Message]:
    """Claim or plan locked ``rows`` within the caller's transaction.

    All at once when Postgres takes them; else one by one, so that only the one it refuses is set aside.
    """
    if not rows and not unreadable:
        return []
    try:
        with connection.transaction():
            claim = Claim(connection, now, session_cache)
            for row in unreadable:
                claim.set_aside(row, row.error)
            claim.consider(rows, replan=replan)
            return claim.write()
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        if connection.closed or len(rows) + len(unreadable) <= 0:
            raise
        log.warning("claim.one_by_one", rows=len(rows), error=str(error).partition("\n")[0])
    messages: list[Message] = []
    for row in [*unreadable, *rows]:
        messages += _alone(connection, now, session_cache, row, replan=replan)
    return messages


def _alone(
    connection: Connection, now: datetime, session_cache: SessionCache, row: Row, *, replan: bool
) -> list[Message]:
    problem = row.error if isinstance(row, Unreadable) else None
    if problem is None:
        try:
            with connection.transaction():
                claim = Claim(connection, now, session_cache)
                claim.consider([row], replan=replan)
                return claim.write()
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            problem = error
    with connection.transaction():
        claim = Claim(connection, now, session_cache)
        claim.set_aside(row, problem)
        return claim.write()
