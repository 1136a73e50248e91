"""A batch that cannot go on now: tried again later, failed, or deferred (table `batch`)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from workers.backoff import backoff
from workers.ledger import outcomes, runs
from workers.ledger.claims import Claim, end, hand_back

#: Wait before a failed batch is tried again: the first and the longest (seconds).
INITIAL_BACKOFF = 5.0
MAX_BACKOFF = 600.0


def retry_or_fail(
    connection: Connection,
    hold: Claim,
    error: str,
    traceback: str,
    summary: outcomes.Summary | None,
) -> outcomes.Ended | None:
    """After a failure of the task itself: try the batch again later, or end it as failed."""
    failures = hold.attempt + 1
    if failures < hold.run["max_attempts"]:
        now = connection.execute(text("select clock_timestamp()")).scalar_one()
        wait = timedelta(seconds=backoff(failures, INITIAL_BACKOFF, MAX_BACKOFF, jitter=(0.8, 1.2)))
        hand_back(connection, hold, error, not_before=now + wait, failures=1)
        return None
    return end(connection, hold, "failed", error=error, traceback=traceback, summary=summary)


_PARK = text("""
with ready as materialized (
    select seq from batch
     where run_id = :run_id and state in ('waiting', 'sent') and waiting_for is null
       and (not_before is null or not_before <= clock_timestamp())
     order by seq for update
)
update batch b set state = 'waiting', waiting_for = :upstream, send_at = null, sends = 0,
       updated_at = clock_timestamp()
  from ready where b.run_id = :run_id and b.seq = ready.seq
""")


def wait_for_upstream(connection: Connection, hold: Claim, upstream: str, reason: str) -> None:
    """Hand the batch back until ``upstream`` can serve, and its run's ready batches with it.

    They would be refused too: one refusal is enough, and no worker is kept busy by the others.
    """
    runs.lock_briefly(connection, hold.run_id)
    hand_back(connection, hold, reason, waiting_for=upstream)
    connection.execute(_PARK, {"run_id": hold.run_id, "upstream": upstream})


_DEFER_OTHERS = text("""
update batch
   set state = 'deferred', send_at = null, waiting_for = null, error = :reason,
       finished_at = clock_timestamp(), updated_at = clock_timestamp(),
       deferred = total - done - failed, items = ended_items(items, 'deferred', null)
 where run_id = :run_id and state in ('waiting', 'sent') and items is not null
   and (waiting_for is not null or not cast(:parked as boolean))
""")


def defer_waiting(connection: Connection, run_id: UUID, reason: str, *, parked: bool = False) -> int:
    """Defer every batch of the run that has not begun; returns how many.  The run is locked.

    ``parked``: only those that wait for an upstream.
    """
    parameters = {"run_id": run_id, "reason": reason, "parked": parked}
    return connection.execute(_DEFER_OTHERS, parameters).rowcount


_DEFER_ITEMS = text("""
update batch
   set deferred = total - done - failed, items = ended_items(items, 'deferred', null)
 where run_id = :run_id and seq = :seq and items is not null
""")


def defer_items(connection: Connection, hold: Claim) -> None:
    """Mark the unfinished items of our own batch as deferred; the fence is checked."""
    connection.execute(_DEFER_ITEMS, {"run_id": hold.run_id, "seq": hold.seq})


_CLOSE_OPEN = text("""
update batch
   set items = case when :state = 'failed' then ended_items(items, 'failed', :reason) else items end,
       failed = case when :state = 'failed' then total - done - deferred else failed end,
       state = :state, send_at = null, waiting_for = null, lease_until = null, error = :reason,
       finished_at = clock_timestamp(), updated_at = clock_timestamp()
 where run_id = :run_id and state = any(:states)
""")

WAITING = ["waiting", "sent"]
OPEN = [*WAITING, "running"]


def close_open(connection: Connection, run_id: UUID, state: str, reason: str, states: list[str]) -> int:
    """End the run's batches that are in ``states``; returns how many.  The run is locked."""
    parameters = {"run_id": run_id, "state": state, "reason": reason, "states": states}
    return connection.execute(_CLOSE_OPEN, parameters).rowcount


def close_late(connection: Connection, run_id: UUID, error: str, states: list[str]) -> int:
    """End the open batches of a run whose time is over; returns how many.  The run is locked.

    What waits for an upstream did nothing wrong: it is deferred to the schedule's next run.
    """
    deferred = defer_waiting(connection, run_id, error, parked=True)
    return deferred + close_open(connection, run_id, "failed", error, states)
