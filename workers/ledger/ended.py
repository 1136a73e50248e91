"""Batches that end: done, failed, deferred to the schedule's next run, or stopped.

Lock order is run, then batch, everywhere.
"""

from __future__ import annotations

from uuid import UUID

from workers.db import Driver, execute
from workers.ledger import in_flight, runs
from workers.ledger.claimed import BatchLease, check_fence
from workers.ledger.finished import Ended, Ending, close_batches

END = """
update batch
   set items = case when %(state)s = 'failed' then ended_items(items, 'failed', %(error)s)
                    else items end,
       failed = case when %(state)s = 'failed' then total - done - deferred else failed end,
       state = %(state)s, error = %(error)s, lease_until = null, send_at = null,
       finished_at = clock_timestamp(), updated_at = clock_timestamp()
 where run_id = %(run_id)s and seq = %(seq)s and fence = %(fence)s and state = 'running'
"""


#: Nothing is said of it.
PLAIN = Ending()


def end(connection: Driver, lease: BatchLease, state: str, ending: Ending = PLAIN) -> Ended | None:
    """End the batch; the last one of a run ends the run, which is then returned."""
    run = runs.lock_briefly(connection, lease.run_id)
    if not execute(connection, END, {**lease.key, "state": state, "error": ending.error}).rowcount:
        raise lease.lost()
    in_flight.let_go(connection, run)
    return close_batches(connection, lease.run_id, 1, ending)


DEFER_OTHERS = """
update batch
   set state = 'deferred', send_at = null, waiting_for = null, error = %(reason)s,
       finished_at = clock_timestamp(), updated_at = clock_timestamp(),
       deferred = total - done - failed, items = ended_items(items, 'deferred', null)
 where run_id = %(run_id)s and state in ('waiting', 'sent') and items is not null
   and (waiting_for is not null or not %(parked)s)
"""

DEFER_ITEMS = """
update batch
   set deferred = total - done - failed, items = ended_items(items, 'deferred', null)
 where run_id = %(run_id)s and seq = %(seq)s and items is not null
"""


def defer(connection: Driver, lease: BatchLease, ending: Ending) -> Ended | None:
    """Defer what is left of the run to the schedule's next run: this batch, and all that wait."""
    runs.lock_briefly(connection, lease.run_id)
    what = {"run_id": lease.run_id, "reason": ending.error, "parked": False}
    others = execute(connection, DEFER_OTHERS, what).rowcount
    if others:
        close_batches(connection, lease.run_id, others, Ending(summary=ending.summary))
    check_fence(connection, lease)
    execute(connection, DEFER_ITEMS, lease.key)
    return end(connection, lease, "deferred", ending)


CLOSE_OPEN = """
update batch
   set items = case when %(state)s = 'failed' then ended_items(items, 'failed', %(reason)s)
                    else items end,
       failed = case when %(state)s = 'failed' then total - done - deferred else failed end,
       state = %(state)s, send_at = null, waiting_for = null, lease_until = null, error = %(reason)s,
       finished_at = clock_timestamp(), updated_at = clock_timestamp()
 where run_id = %(run_id)s and (state in ('waiting', 'sent') or state = 'running' and %(running)s)
"""


def close_open(
    connection: Driver, run_id: UUID, state: str, reason: str, *, running: bool = False
) -> int:
    """End the run's batches that wait, and with ``running`` all others; returns how many.

    The run is locked.
    """
    what = {"run_id": run_id, "state": state, "reason": reason, "running": running}
    return execute(connection, CLOSE_OPEN, what).rowcount


def close_late(connection: Driver, run_id: UUID, ending: Ending, *, running: bool) -> Ended | None:
    """End the open batches of a run whose time is over; the run is locked.

    What waits for an upstream did nothing wrong: it is deferred to the schedule's next run.
    """
    reason = ending.error or ""
    what = {"run_id": run_id, "reason": reason, "parked": True}
    ended = execute(connection, DEFER_OTHERS, what).rowcount
    ended += close_open(connection, run_id, "failed", reason, running=running)
    return close_batches(connection, run_id, ended, ending) if ended else None
