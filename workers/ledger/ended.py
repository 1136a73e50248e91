"""Batches that end: done, failed, deferred to the schedule's next run, or stopped.

Lock order is run, then batch, everywhere.
"""

from __future__ import annotations

from uuid import UUID

from workers.db import Driver, execute
from workers.ledger import in_flight, runs
from workers.ledger.claimed import BatchLease
from workers.ledger.finished import Ended, Ending, close_batches

CLOSE = """
update batch
   set items = case when %(state)s in ('failed', 'deferred')
                    then ended_items(items, %(state)s, case %(state)s when 'failed' then %(error)s end)
                    else items end,
       failed = case when %(state)s = 'failed' then total - done - deferred else failed end,
       deferred = case when %(state)s = 'deferred' then total - done - failed else deferred end,
       state = %(state)s, error = %(error)s, lease_until = null, send_at = null, waiting_for = null,
       finished_at = clock_timestamp(), updated_at = clock_timestamp()
 where run_id = %(run_id)s
"""
END = f"{CLOSE} and seq = %(seq)s and fence = %(fence)s and state = 'running'"
DEFER_OTHERS = f"""{CLOSE}
   and state in ('waiting', 'sent') and items is not null
   and (waiting_for is not null or not %(parked)s)
"""
CLOSE_OPEN = f"""{CLOSE}
   and (state in ('waiting', 'sent') or state = 'running' and %(running)s)
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


def defer(connection: Driver, lease: BatchLease, ending: Ending) -> Ended | None:
    """Defer what is left of the run to the schedule's next run: this batch, and all that wait."""
    runs.lock_briefly(connection, lease.run_id)
    others = _defer_waiting(connection, lease.run_id, ending, parked=False)
    if others:
        close_batches(connection, lease.run_id, others, Ending(summary=ending.summary))
    return end(connection, lease, "deferred", ending)


def _defer_waiting(connection: Driver, run_id: UUID, ending: Ending, *, parked: bool) -> int:
    """Defer batches that have not begun; with ``parked`` only those that wait for an upstream."""
    what = {"run_id": run_id, "state": "deferred", "error": ending.error, "parked": parked}
    return execute(connection, DEFER_OTHERS, what).rowcount


def close_open(
    connection: Driver, run_id: UUID, state: str, reason: str, *, running: bool = False
) -> int:
    """End the run's batches that wait, and with ``running`` all others; returns how many.

    The run is locked.
    """
    what = {"run_id": run_id, "state": state, "error": reason, "running": running}
    return execute(connection, CLOSE_OPEN, what).rowcount


def close_late(connection: Driver, run_id: UUID, ending: Ending, *, running: bool) -> Ended | None:
    """End the open batches of a run whose time is over; the run is locked.

    What waits for an upstream did nothing wrong: it is deferred to the schedule's next run.
    """
    ended = _defer_waiting(connection, run_id, ending, parked=True)
    ended += close_open(connection, run_id, "failed", ending.error or "", running=running)
    return close_batches(connection, run_id, ended, ending) if ended else None
