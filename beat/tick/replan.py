"""Plans what people have edited: what the triggers told of, and what a sweep finds."""

from __future__ import annotations

from datetime import datetime

from beat import edits
from beat.tick import schedule_states
from beat.tick.claim import obey
from beat.tick.reading import Connection, lock_named
from beat.tick.session_cache import SessionCache

#: Schedules that one step of the sweep compares.
SLICE = 10_000


def plan_edited(
    connection: Connection, now: datetime, limit: int, session_cache: SessionCache
) -> tuple[int, bool, list[str]]:
    """Plan what was edited; returns how many edits were consumed, whether some must wait, and of whom.

    An edit waits while its schedule is locked: by another beat for a moment, or by somebody who is
    about to delete it.
    """
    with connection.transaction():
        found = connection.execute(edits.OPEN, {"limit": limit}).fetchall()
        if not found:
            return 0, False, []
        planned = _plan(connection, now, sorted({name for _, name in found}), session_cache)
        parameters = {"ids": [number for number, _ in found], "names": planned}
        consumed = connection.execute(edits.CONSUME, parameters).rowcount
        return consumed, consumed < len(found), planned


def _plan(
    connection: Connection, now: datetime, names: list[str], session_cache: SessionCache
) -> list[str]:
    connection.execute(schedule_states.CREATE, {"names": names})
    session_cache.forget()
    rows, unreadable = lock_named(connection, names)
    obey(connection, now, session_cache, rows, unreadable, replan=True)
    return [row.name for row in [*rows, *unreadable]]


class Sweep:
    """Compares all schedules with their plans, slice by slice: what no trigger told of is found too."""

    def __init__(self) -> None:
        self._after = ""
        #: Time spent on the present round through the table (seconds).
        self.cost = 0.0

    def step(
        self, connection: Connection, now: datetime, limit: int, session_cache: SessionCache
    ) -> bool:
        """One slice; True when the last one is done."""
        with connection.transaction():
            parameters = {"after": self._after, "slice": SLICE, "limit": limit}
            row = connection.execute(schedule_states.SLICE, parameters).fetchone()
            last, size, names = row or ("", 0, [])
            planned = _plan(connection, now, sorted(names), session_cache) if names else []
        if planned and len(names) == limit:
            return False
        self._after = last if size == SLICE else ""
        return size < SLICE
