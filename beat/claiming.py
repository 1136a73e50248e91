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
from psycopg.rows import namedtuple_row

from beat import ledger, states
from beat.catchup import Outcome, settle
from beat.ledger import Message, NewRun
from beat.overlap import Act, decide
from beat.planning import claim_time, plan, timing_of
from beat.sessions import SessionBook

log = structlog.stdlib.get_logger("beat.claim")

Connection = psycopg.Connection[Any]


class Claim:
    """One tick's claim: decisions gathered row by row, written with a fixed number of statements."""

    def __init__(self, connection: Connection, now: datetime, book: SessionBook) -> None:
        self._connection = connection
        self._now = now
        self._book = book
        self._runs: list[NewRun] = []
        self._advanced: list[tuple[Any, ...]] = []
        self._replanned: list[tuple[Any, ...]] = []
        self._aside: list[tuple[str, int, str]] = []
        self._cancelled: list[str] = []
        self._dropped: list[str] = []
        self._active: dict[str, list[int]] = {}
        self._tasks: Counter[str] = Counter()

    def claim_due(self, limit: int) -> list[Message]:
        """Account for every due time that has come, of up to ``limit`` schedules."""
        cursor = self._connection.cursor(row_factory=namedtuple_row)
        rows: list[Any] = cursor.execute(states.DUE, {"now": self._now, "limit": limit}).fetchall()
        if not rows:
            return []
        self.count(rows)
        for row in rows:
            try:
                if row.planned_revision != row.revision:
                    self.replan(row)
                else:
                    self._decide(row)
            except Exception as error:
                self.set_aside(row, error)
        return self.write()

    def plan_rows(self, rows: list[Any]) -> list[Message]:
        """Plan rows that people have edited."""
        for row in rows:
            try:
                self.replan(row)
            except Exception as error:
                self.set_aside(row, error)
        return self.write()

    def count(self, rows: list[Any]) -> None:
        """Count the active and held runs that decisions about ``rows`` depend on."""
        names = [row.name for row in rows if row.overlap != "allow_all"]
        if names:
            for name, active, held in self._connection.execute(ledger.COUNT_ACTIVE, {"names": names}):
                self._active[name] = [active, held]
        tasks = list({row.task for row in rows if row.max_running is not None})
        if tasks:
            counted = self._connection.execute(ledger.COUNT_TASKS, {"tasks": tasks})
            self._tasks.update(dict(counted.fetchall()))

    def replan(self, row: Any) -> None:
        """The row was edited: its next due time is found anew."""
        timing = timing_of(row, self._book.sessions(self._connection, row.calendar))
        planned = plan(row, timing, self._now)
        if planned.lost is not None:
            reason = "the schedule was edited before it was claimed"
            self._runs.append(ledger.new_run(row, planned.lost, "missed", reason=reason))
        self._replanned.append(
            (row.name, row.revision, planned.anchor_at, planned.next_run_at, planned.claim_at)
        )

    def _decide(self, row: Any) -> None:
        timing = timing_of(row, self._book.sessions(self._connection, row.calendar))
        due = row.next_run_at
        made = settle(timing, row.anchor_at, due, self._now, row.catch_up, row.catch_up_window)
        started, following = 0, made.following
        runs: list[NewRun] = []
        last = due
        for outcome in made.outcomes:
            if row.max_runs is not None and row.runs_counted + started >= row.max_runs:
                following = None
                break
            run = self._row(row, outcome)
            started += run[8] in {"due", "held"}
            runs.append(run)
            last = outcome.due_at
        if row.max_runs is not None and row.runs_counted + started >= row.max_runs:
            following = None
        claim_at = claim_time(timing, row.anchor_at, following)
        self._runs.extend(runs)
        self._advanced.append((row.name, following, claim_at, last, started))

    def add(
        self,
        row: Any,
        due_at: datetime,
        *,
        trigger: str,
        policy: str | None = None,
        options: str | None = None,
        requested_by: str | None = None,
        retry_of: UUID | None = None,
    ) -> NewRun:
        """One more run of ``row`` that no timing asked for; admitted like any other."""
        state, reason = self.admit(row, policy or row.overlap)
        run = ledger.new_run(
            row,
            due_at,
            state,
            trigger=trigger,
            reason=reason,
            options=options,
            requested_by=requested_by,
            retry_of=retry_of,
            exclusive=(policy or row.overlap) != "allow_all",
        )
        self._runs.append(run)
        return run

    def _row(self, row: Any, outcome: Outcome) -> NewRun:
        state, reason = (
            self.admit(row, row.overlap) if outcome.missed is None else ("missed", outcome.missed)
        )
        return ledger.new_run(
            row,
            outcome.due_at,
            state,
            reason=reason,
            covers_from=outcome.covers_from,
            covers_count=outcome.count,
        )

    def admit(self, row: Any, policy: str) -> tuple[str, str | None]:
        """State and reason of one new run, by overlap policy and the kind's ``max_running``."""
        counts = self._active.setdefault(row.name, [0, 0])
        decision = decide(policy, *counts)
        if decision.act is Act.SKIP:
            return "skipped", decision.reason
        if decision.cancel_active:
            self._cancelled.append(row.name)
        if decision.replace_held:
            self._dropped.append(row.name)
            counts[1] = 0
        full = row.max_running is not None and self._tasks[row.task] >= row.max_running
        if decision.act is Act.HOLD or full:
            counts[1] += 1
            return "held", decision.reason or f"{row.max_running} runs of {row.task} are active"
        counts[0] += 1
        self._tasks[row.task] += 1
        return "due", None

    def set_aside(self, row: Any, error: Exception) -> None:
        """A row that beat cannot obey: kept with its error until somebody edits it."""
        sentence = f"{type(error).__name__}: {error}"
        log.error("schedule.set_aside", schedule=row.name, error=sentence)
        self._aside.append((row.name, row.revision, sentence[:1000]))

    def write(self) -> list[Message]:
        """Write all that was decided; the caller commits."""
        run = self._connection.execute
        now = self._now
        if self._dropped:
            run(DROP_HELD, {"names": self._dropped, "now": now})
        messages = ledger.insert(self._connection, self._runs, now)
        if self._cancelled:
            run(ASK_TO_STOP, {"names": self._cancelled, "now": now})
        if self._advanced:
            names, nexts, claims, lasts, counts = map(list, zip(*self._advanced, strict=True))
            run(
                states.ADVANCE,
                {"names": names, "nexts": nexts, "claims": claims, "lasts": lasts, "runs": counts,
                 "now": now},
            )  # fmt: skip
        if self._replanned:
            names, revisions, anchors, nexts, claims = map(list, zip(*self._replanned, strict=True))
            run(
                states.SET_PLAN,
                {"names": names, "revisions": revisions, "anchors": anchors, "nexts": nexts,
                 "claims": claims, "now": now},
            )  # fmt: skip
        if self._aside:
            names, revisions, errors = map(list, zip(*self._aside, strict=True))
            run(
                states.SET_ASIDE,
                {"names": names, "revisions": revisions, "errors": errors, "now": now},
            )
        return messages


DROP_HELD = """
update run set state = 'skipped', reason = 'a newer run took its place', finished_at = %(now)s,
       open_batches = 0, counted = true
 where schedule = any(%(names)s) and state = 'held'
"""

ASK_TO_STOP = """
with asked as (
    update run set stop_requested_at = coalesce(stop_requested_at, %(now)s),
           reason = 'a newer run took its place'
     where schedule = any(%(names)s) and state in ('due', 'running')
    returning id
)
update batch set send_at = %(now)s, waiting_for = null, not_before = null
 where run_id in (select id from asked) and state in ('waiting', 'sent')
"""


def claim_due(connection: Connection, now: datetime, limit: int, book: SessionBook) -> list[Message]:
    """Claim what is due at ``now`` in one transaction; returns the messages to send."""
    with connection.transaction():
        return Claim(connection, now, book).claim_due(limit)


def plan_edited(connection: Connection, now: datetime, limit: int, book: SessionBook) -> int:
    """Plan what was edited; returns how many edits were consumed."""
    with connection.transaction():
        edits = connection.execute(states.EDITED, {"limit": limit}).fetchall()
        if edits:
            _plan(connection, now, sorted({name for (name,) in edits}), book)
        return len(edits)


def plan_unplanned(connection: Connection, now: datetime, limit: int, book: SessionBook) -> int:
    """Plan what no edit told of (triggers were off, a dump was restored); returns how many."""
    with connection.transaction():
        names = [name for (name,) in connection.execute(states.UNPLANNED, {"limit": limit})]
        if names:
            _plan(connection, now, sorted(names), book)
        return len(names)


def _plan(connection: Connection, now: datetime, names: list[str], book: SessionBook) -> None:
    connection.execute(states.CREATE, {"names": names})
    cursor = connection.cursor(row_factory=namedtuple_row)
    rows = cursor.execute(states.LOCKED, {"names": names}).fetchall()
    Claim(connection, now, book).plan_rows(rows)
