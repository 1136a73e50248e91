"""Reads schedules so that one row that Python cannot hold does not hide the others."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from beat.tick import schedule_states
from workers.connections import places
from workers.connections.postgres import FAVOUR_INDEXES, connect_args, is_pooled
from workers.db import Driver
from workers.settings import settings

#: A row of schedule_states.READ.
Row = Any


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row with a value out of Python's range, e.g. a date after the year 9999."""

    name: str
    revision: int
    error: Exception


def connect() -> Driver:
    """A connection for beat's own statements, each of which commits by itself outside a transaction.

    They are prepared once, perhaps while a table is empty: a plan that reads all of it would stay
    until somebody analyzes the table.  Every table of a tick, also one of a single row, is read by an
    index: a sequential scan that cannot be avoided would cost 10^10 before Postgres 18, and such a
    statement is compiled at each tick.
    """
    places.be_small()
    try:
        # This one, that which listens, and that of the metrics.
        places.reserve("beat", 3)
    except places.NoPlace as none_free:
        # As good as a Postgres that is away: beat tries again.
        raise psycopg.OperationalError(str(none_free)) from None
    connection: Driver = psycopg.connect(settings().libpq_dsn, autocommit=True, **connect_args("beat"))
    # Behind a pooler the session is not beat's own, and each statement is planned when it is executed.
    if not is_pooled():
        connection.execute(FAVOUR_INDEXES)
    return connection


def lock_due(
    connection: Driver,
    now: datetime,
    limit: int,
    low: datetime | None = None,
    *,
    both_ends: bool = False,
) -> tuple[list[Row], list[Unreadable]]:
    """Lock and read the schedules due at ``now``, longest due first, at most ``limit``.

    ``low``: none is due since before that.  ``both_ends``: half of them are those due last.
    """
    what = {"now": now, "limit": limit, "low": low}
    locked: list[str] = []
    if both_ends:
        half = {**what, "limit": limit // 2}
        locked = [place for (place,) in connection.execute(schedule_states.LOCK_NEWEST, half)]
    locked += [place for (place,) in connection.execute(schedule_states.LOCK_DUE, what)]
    return read(connection, list(dict.fromkeys(locked))[:limit])


def lock_names(connection: Driver, names: Iterable[str]) -> list[str]:
    return [name for name, _ in _lock(connection, names)]


def lock_named(connection: Driver, names: Iterable[str]) -> tuple[list[Row], list[Unreadable]]:
    return read(connection, [place for _, place in _lock(connection, names)])


def _lock(connection: Driver, names: Iterable[str]) -> list[tuple[str, str]]:
    return connection.execute(schedule_states.LOCK_NAMED, {"names": list(names)}).fetchall()


def lock_one(connection: Driver, name: str) -> Row | None:
    """Lock and read one schedule; None when it is gone or locked; raises when it is unreadable."""
    connection.execute(schedule_states.CREATE, {"names": [name]})
    rows, unreadable = lock_named(connection, [name])
    if unreadable:
        raise unreadable[0].error
    return rows[0] if rows else None


def read(connection: Driver, places: list[str]) -> tuple[list[Row], list[Unreadable]]:
    """Schedules whose states are at these places (ctid), locked by this transaction."""
    if not places:
        return [], []
    cursor = connection.cursor(row_factory=namedtuple_row)
    cursor.execute(schedule_states.READ, {"places": places})
    try:
        return cursor.fetchall(), []
    except (psycopg.DataError, ValueError, OverflowError):
        return _one_by_one(cursor)


def _one_by_one(cursor: Any) -> tuple[list[Row], list[Unreadable]]:
    rows: list[Row] = []
    unreadable: list[Unreadable] = []
    for number in range(cursor.rowcount):
        cursor.scroll(number, mode="absolute")
        try:
            rows.append(cursor.fetchone())
        except (psycopg.DataError, ValueError, OverflowError) as error:
            # The name and the revision are the first two columns.
            raw = [cursor.pgresult.get_value(number, column).decode() for column in (0, 1)]
            unreadable.append(Unreadable(raw[0], int(raw[1]), error))
    return rows, unreadable
