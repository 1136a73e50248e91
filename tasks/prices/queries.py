"""What the `prices` commands read, by psycopg; a price schedule is stale after two of its intervals."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg

from workers.execution import statements

SQL = statements(__file__)
#: Due times among which a schedule's longest pause is looked for (a month of weekdays).
LOOK_AHEAD = 25
#: For a schedule with fewer than two due times to come.
DEFAULT_CADENCE = timedelta(days=1)
#: One run may be late or fail before a schedule counts as stale.
MAX_INTERVALS = 2


def is_stale(last_run_at: datetime | None, cadence: timedelta, now: datetime) -> bool:
    return last_run_at is None or now - last_run_at > MAX_INTERVALS * cadence


def cadence_of(dues: Sequence[datetime]) -> timedelta:
    return max((later - earlier for earlier, later in pairwise(dues)), default=DEFAULT_CADENCE)


def states(connection: psycopg.Connection[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every enabled price schedule by name: what runs it, its last good run, and its state."""
    found = []
    for row in connection.execute(SQL["schedules"], {"ahead": LOOK_AHEAD}):
        last, at, now = row["last_good_run"], row["at"], row["now"]
        if at is None:
            stale = is_stale(last, cadence_of(row["dues"]), now)
        else:
            # It runs once.
            stale = at < now and (last is None or last < at)
        state = "paused" if row["paused"] else "STALE" if stale else "ok"
        shown = {name: row[name] for name in ("schedule", "runs", "last_good_run")}
        found.append({**shown, "state": state})
    return found
