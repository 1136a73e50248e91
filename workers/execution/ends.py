"""Ends of batches without rows of their own, those of many threads in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.db import driver_connect, driver_transaction
from workers.execution.work import Work
from workers.ledger import claimed, ended, runs
from workers.ledger.ended import Done
from workers.ledger.finished import Ended, Ending
from workers.upstreams.bundles import Bundles


def end(work: Work[Any]) -> Ended | None:
    """End a batch as done, with its items as they are; the run, when it ends with it."""
    lease, items = work.lease, [item.row() for item in work.batch]
    stored = not (work.planned_only or work.end.is_pending)
    is_whole = lease.run["batch_count"] == 1 and not work.end.is_split
    if is_whole and not work.client.unsettled:
        found = _ends.ask(Done(lease, items, stored, work.summary))
        if found is not None:
            return found
    with driver_transaction() as connection:
        run = runs.lock_briefly(connection, lease.run_id)
        claimed.check_fence(connection, lease)
        if not stored:
            claimed.write_items(connection, lease, items)
        work.client.settle(connection)
        return ended.end_locked(connection, lease, run, "done", Ending(summary=work.summary))


def _end_all(ends: Sequence[Done]) -> list[Ended | None]:
    with driver_connect() as connection:
        return ended.end_whole(connection, ends)


_ends: Bundles[Done, Ended | None] = Bundles(_end_all)
