"""A batch that a worker has claimed: leased, fenced, its items written as they are done.

A message only points to a batch; the row says whose it is.  A worker that lost its lease finds
``fence`` moved on or ``state`` no longer running, and writes nothing.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from workers.db import DURABLE, Driver, execute
from workers.errors import LeaseLost
from workers.ledger import finished, in_flight, runs


@dataclass(frozen=True, slots=True)
class BatchLease:
    """One batch leased to a worker: valid only while ``fence`` is the batch's."""

    run_id: UUID
    seq: int
    fence: int
    attempt: int
    run: Mapping[str, Any]
    items: list[dict[str, Any]] | None
    claimed_at: datetime
    #: The same instant on this machine's monotonic clock, or a little later.
    claimed: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "seq": self.seq, "fence": self.fence}

    def lost(self) -> LeaseLost:
        return LeaseLost(f"batch {self.seq} of run {self.run_id} belongs to another worker now")


#: With its first batch the run starts, and the time of its timeout begins.  What waits for an upstream
#: is released by beat in its order: an old message starts it no earlier.
CLAIM = f"""
with claimed as (
    update batch
       set state = 'running', fence = fence + 1, worker = %(worker)s, sends = 0, send_at = null,
           waiting_for = null, leaving = false, alone = %(alone)s,
           lease_until = %(now)s::timestamptz + %(lease)s,
           started_at = coalesce(started_at, %(now)s), updated_at = %(now)s
     where run_id = %(run_id)s and seq = %(seq)s and state in ('waiting', 'sent')
       and (not_before is null or not_before <= %(now)s)
       and (waiting_for is null or send_at is not null)
    returning fence, attempt, items
), started as (
    update run
       set state = 'running', started_at = coalesce(started_at, %(now)s),
           deadline_at = coalesce(deadline_at, %(now)s::timestamptz + timeout)
     where id = %(run_id)s and (state = 'due' or started_at is null) and exists (select from claimed)
)
select fence, attempt, items, {DURABLE} from claimed
"""  # noqa: S608 - a constant of our own


def claim(
    connection: Driver,
    run_id: UUID,
    seq: int,
    worker: str,
    length: timedelta,
    delay: timedelta = timedelta(0),
    alone: bool = True,
) -> BatchLease | None:
    """Lease the batch to ``worker``; None when it is taken, ended, or may not run now.

    ``delay``: least time between the starts of two batches, unless the run has its own.
    ``alone``: the worker's process has no other batch in hand.
    """
    run = runs.lock(connection, run_id)
    if run is None or run["state"] not in {"due", "running"}:
        return None
    now: datetime = run["now"]
    if run["state"] == "due" and run["expires_at"] is not None and run["expires_at"] < now:
        late = now - run["due_at"]
        finished.give_up(connection, run_id, "expired", finished.not_started(late))
        return None
    if in_flight.put_back(connection, run, seq, delay):
        return None
    what = {
        "run_id": run_id,
        "seq": seq,
        "worker": worker,
        "lease": length,
        "now": now,
        "alone": alone,
    }
    row = execute(connection, CLAIM, what).fetchone()
    return row and BatchLease(run_id, seq, row.fence, row.attempt, run, row.items, now)


CHECK_FENCE = f"""
select (select stop_requested_at is not null from run where id = %(run_id)s) as stopping, {DURABLE}
  from batch
 where run_id = %(run_id)s and seq = %(seq)s and fence = %(fence)s and state = 'running'
   for update
"""  # noqa: S608 - a constant of our own
#: Ended by the outcome of its last item: its fence is nobody else's any more.
CHECK_ENDED = CHECK_FENCE.replace("state = 'running'", "state = 'done'")


def check_fence(connection: Driver, lease: BatchLease) -> bool:
    """Lock the batch for this transaction, or raise LeaseLost when it is no longer ours.

    Returns whether the run is asked to stop.
    """
    row = execute(connection, CHECK_FENCE, lease.key).fetchone()
    if row is None:
        raise lease.lost()
    return bool(row.stopping)


def check_ended(connection: Driver, lease: BatchLease) -> None:
    """The same for a batch that its worker has ended, whose kind still has something to write."""
    if execute(connection, CHECK_ENDED, lease.key).fetchone() is None:
        raise lease.lost()


WRITE_ITEMS = """
update batch
   set items = %(items)s, total = %(total)s, done = %(done)s, failed = %(failed)s,
       deferred = %(deferred)s
 where run_id = %(run_id)s and seq = %(seq)s
"""


#: By the item's place in the plan, which stays as long as the lease does.
WRITE_OUTCOME = """
update batch
   set items = jsonb_set(items, array[%(place)s::text], %(item)s),
       done = done + %(done)s, failed = failed + %(failed)s, deferred = deferred + %(deferred)s
 where run_id = %(run_id)s and seq = %(seq)s
"""
WRITE_OUTCOMES = """
update batch
   set items = (select jsonb_agg(coalesce(changed.item, each.item) order by each.place)
                  from jsonb_array_elements(items) with ordinality as each(item, place)
                  left join jsonb_each(%(items)s) as changed(place, item)
                    on changed.place = (each.place - 1)::text),
       done = done + %(done)s, failed = failed + %(failed)s, deferred = deferred + %(deferred)s
 where run_id = %(run_id)s and seq = %(seq)s
"""


def write_items(
    connection: Driver, lease: BatchLease, items: list[dict[str, Any]] | Mapping[int, dict[str, Any]]
) -> None:
    """Write the whole plan, or how some of its unfinished items are now, by their place in it."""
    rows = items if isinstance(items, list) else list(items.values())
    states = [item.get("state") for item in rows]
    what: dict[str, Any] = {**lease.key}
    what |= {state: states.count(state) for state in ("done", "failed", "deferred")}
    if isinstance(items, list):
        execute(connection, WRITE_ITEMS, {**what, "items": Jsonb(rows), "total": len(rows)})
    elif len(rows) == 1:
        (place,) = items
        execute(connection, WRITE_OUTCOME, {**what, "place": str(place), "item": Jsonb(rows[0])})
    elif rows:
        by_place = {str(place): item for place, item in items.items()}
        execute(connection, WRITE_OUTCOMES, {**what, "items": Jsonb(by_place)})
