"""`run_count`: concluded runs by day, kind and state, so that nobody counts runs to know today's."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC
from typing import Any

from workers.db import Driver, array

#: In one order, so that two beats cannot wait for each other.
_ADD = """
insert into run_count (day, task, state, number)
select * from unnest(%(days)s::date[], %(tasks)s::text[], %(states)s::text[], %(numbers)s::bigint[])
on conflict (day, task, state) do update set number = run_count.number + excluded.number
"""


def add(connection: Driver, runs: Iterable[Any]) -> None:
    """Count runs that were concluded; last in its transaction, for other beats wait for these rows."""
    found = Counter(
        (run.finished_at.astimezone(UTC).date().isoformat(), run.task, run.state) for run in runs
    )
    if not found:
        return
    rows = sorted(found.items())
    columns = {
        name: array([key[place] for key, _ in rows])
        for place, name in enumerate(("days", "tasks", "states"))
    }
    connection.execute(_ADD, {**columns, "numbers": array([number for _, number in rows])})
