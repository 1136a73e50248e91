"""What each found schedule becomes, tried in a transaction: words, due times beside the old ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import psycopg
from celery.beat import ScheduleEntry
from celery.schedules import solar

from beat.entries.conversion import Place, columns_of
from beat.entries.names import in_order
from beat.entries.sync import REFUSED, Book
from beat.moving.found import SHOWN, Found
from beat.time.timetable import Timing, next_due
from workers.db import Driver, execute

ROW = """
select s.name, schedule_words(s) as words, s.enabled, clock_timestamp() as now,
       array(select due_at from next_runs(s.name, %(most)s)) as dues
  from schedule s where s.name = %(name)s
"""

#: Times of both that are closer are the same: two clocks were read.
SAME = timedelta(seconds=1)


@dataclass(slots=True)
class Moved:
    """One schedule: what it becomes, or why not."""

    found: Found
    schedule: str = ""
    words: str = ""
    ours: Sequence[datetime] = ()
    theirs: Sequence[datetime] = ()
    refused: str | None = None
    #: When the old scheduler would have sent it next.
    first: datetime | None = field(default=None)

    @property
    def differs(self) -> bool:
        pairs = zip(self.ours, self.theirs, strict=False)
        same = len(self.ours) == len(self.theirs) and all(abs(a - b) < SAME for a, b in pairs)
        return not same


def write(
    connection: Driver, source: str, found: Sequence[Found], place: Place, *, differing: bool
) -> list[Moved]:
    """Write every schedule that keeps its meaning, within the caller's transaction.

    ``differing``: also those whose due times differ from the old scheduler's.
    """
    book = Book(
        connection, f"import {source}", [one.task for one in found], note=f"moved from {source}"
    )
    row = execute(connection, "select clock_timestamp() as now").fetchone()
    now: datetime = cast("Any", row).now
    by_name = {one.name: one for one in found}
    moved: list[Moved] = []
    for name in in_order(by_name):
        one = Moved(by_name[name])
        moved.append(one)
        try:
            with connection.transaction() as savepoint:
                _move(connection, book, one, place, now)
                if one.differs and not differing:
                    one.refused = "its due times would differ from the old scheduler's"
                    raise psycopg.Rollback(savepoint)
        except REFUSED as error:
            one.refused = str(error).partition("\n")[0]
    return moved


def _move(connection: Driver, book: Book, one: Moved, place: Place, now: datetime) -> None:
    found = one.found
    if found.refused:
        raise ValueError(found.refused)
    first = found.first(now)
    one.first = max(first, found.columns.get("starts_at") or first)
    columns = _columns(found, place, plain=book.is_plain(found.task))
    if columns["every"] is not None:
        columns.setdefault("starts_at", one.first)
    if columns.get("queue"):
        book.serve(columns["queue"])
    one.schedule = book.put(found.name, columns)
    row: Any = execute(connection, ROW, {"name": one.schedule, "most": SHOWN}).fetchone()
    if row is None:
        raise ValueError("its row was deleted; it stays so")
    one.words, one.ours = row.words, row.dues
    if row.enabled and isinstance(found.schedule, solar):
        # Of those the database knows what beat has planned, and beat plans what is committed.
        one.ours = list(islice(_dues_by_sun(columns, row.now), columns.get("max_runs") or SHOWN))
    if row.enabled:
        ends = columns.get("ends_at")
        # Of the same instant: many rows take a while, and some come due meanwhile.
        dues = found.dues(one.first, row.now)
        coming = [due for due in dues if ends is None or due < ends]
        one.theirs = coming[: columns.get("max_runs") or SHOWN]


def _dues_by_sun(columns: Mapping[str, Any], now: datetime) -> Iterator[datetime]:
    starts_at, ends_at = columns.get("starts_at"), columns.get("ends_at")
    timing = Timing("", cron=columns["cron"], starts_at=starts_at, ends_at=ends_at)
    due = next_due(timing, None, now)
    while due is not None:
        yield due
        due = next_due(timing, None, due)


def _columns(found: Found, place: Place, *, plain: bool) -> dict[str, Any]:
    here = Place(found.timezone, place.priorities)
    timing = timedelta(days=1) if found.schedule is None else found.schedule
    entry = SimpleNamespace(
        task=found.task, args=found.args, kwargs=found.kwargs, options=found.options, schedule=None
    )
    entry.schedule = timing if not isinstance(timing, timedelta) else _interval(timing)
    columns = columns_of(cast("ScheduleEntry", entry), here, plain=plain)
    if found.at is not None:
        columns |= {"every": None, "at": found.at}
    return columns | dict(found.columns)


def _interval(length: timedelta) -> Any:
    from celery.schedules import schedule

    return schedule(length)
