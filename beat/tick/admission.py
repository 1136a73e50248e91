"""Which new runs start, wait or are skipped: overlap policies and ``max_running`` of kinds.

Counted and decided while the schedules' states are locked.
"""

from collections import Counter
from datetime import datetime

from beat.tick.reading import Row
from beat.time.overlap import Act, decide, room
from workers.db import Driver
from workers.ledger import finished, runs, stopped
from workers.ledger.planned import NewRun
from workers.ledger.runs import Unfinished
from workers.text.words import count_words


class Admission:
    """Admits runs of one transaction, which ``new`` gathers, and ends those whose place they take."""

    def __init__(self, connection: Driver, new: list[NewRun]) -> None:
        self._connection = connection
        self._new = new
        self._cancelled: list[str] = []
        #: Schedules, and whether it is their backfill that drops what it holds.
        self._dropped: set[tuple[str, bool]] = set()
        self._active: dict[tuple[str, bool], Unfinished] = {}
        self._by_task: Counter[str] = Counter()

    def count(self, rows: list[Row]) -> None:
        names = [row.name for row in rows if row.overlap != "allow_all"]
        if names:
            self._active |= runs.count_active(self._connection, names)
        tasks = list({row.task for row in rows if row.max_running is not None})
        if tasks:
            self._by_task.update(runs.count_tasks(self._connection, tasks))

    def room(self, row: Row, policy: str) -> int:
        return room(policy, sum(self._unfinished(row.name, one).held for one in (False, True)))

    def _unfinished(self, name: str, backfill: bool) -> Unfinished:
        return self._active.setdefault((name, backfill), Unfinished())

    def admit(self, row: Row, policy: str, *, backfill: bool = False) -> tuple[str, str | None]:
        """State and reason of one new run, by overlap policy and the kind's ``max_running``."""
        counts, others = self._unfinished(row.name, backfill), self._unfinished(row.name, not backfill)
        if policy == "cancel_other":
            self._replace_new(row, counts)
        if backfill:
            decision = decide(policy, counts.active + others.active, counts.held + others.held)
        else:
            decision = decide(policy, counts.active, counts.held, backfilling=others.active)
        if decision.act is Act.SKIP:
            return "skipped", decision.reason
        if decision.cancel_active:
            self._cancelled.append(row.name)
        if decision.replace_held:
            self._replace_held(row.name, counts, backfill)
        full = row.max_running is not None and self._by_task[row.task] >= row.max_running
        if decision.act is Act.HOLD or full:
            counts.held += 1
            busy = f"{row.task} has {count_words(row.max_running, 'active run')}" if full else None
            return "held", decision.reason or busy
        counts.active += 1
        self._by_task[row.task] += 1
        return "due", None

    def _replace_new(self, row: Row, counts: Unfinished) -> None:
        """Of several due times at once only the last starts: one that this claim made has not begun."""
        for run in self._new:
            if run.schedule == row.name and run.state == "due":
                run.state, run.reason = "skipped", finished.REPLACED
                counts.active -= 1
                self._by_task[row.task] -= 1

    def _replace_held(self, name: str, counts: Unfinished, backfill: bool) -> None:
        counts.held = 0
        self._dropped.add((name, backfill))
        for run in self._new:
            if run.schedule == name and run.state == "held":
                run.state, run.reason = "skipped", finished.REPLACED

    def drop_held(self, now: datetime) -> None:
        for backfill in {backfill for _, backfill in self._dropped}:
            names = [name for name, one in self._dropped if one is backfill]
            finished.skip_held(self._connection, names, now, backfill=backfill)

    def cancel_active(self, now: datetime) -> None:
        if self._cancelled:
            stopped.replace_active(self._connection, self._cancelled, finished.REPLACED, now)
