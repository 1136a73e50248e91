"""A batch that its worker gives back: to run again now, later, or when its upstream has a permit."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from workers.backoff import backoff
from workers.db import Driver, execute
from workers.errors import HandBack
from workers.ledger import runs
from workers.ledger.claimed import BatchLease
from workers.ledger.ended import end
from workers.ledger.finished import Ended, Ending
from workers.ledger.renewed import MINE, keys

#: Wait before a failed batch is tried again: the first and the longest (seconds).
INITIAL_BACKOFF = 5.0
MAX_BACKOFF = 600.0

#: Batches that are planned later follow.
MOVE_RUN = "update run set queue = %(queue)s where id = %(run_id)s"
HAND_BACK = """
update batch
   set state = 'waiting', lease_until = null, waiting_for = %(waiting_for)s::text,
       error = %(reason)s, attempt = attempt + %(failures)s, updated_at = clock_timestamp(),
       queue = coalesce(%(queue)s, queue),
       not_before = coalesce(%(not_before)s::timestamptz, clock_timestamp() + %(wait)s::interval),
       send_at = case when %(waiting_for)s::text is null
                      then coalesce(%(not_before)s::timestamptz,
                                    clock_timestamp() + %(wait)s::interval, clock_timestamp()) end
 where run_id = %(run_id)s and seq = %(seq)s and fence = %(fence)s and state = 'running'
"""


def hand_back(
    connection: Driver,
    lease: BatchLease,
    reason: str,
    *,
    not_before: datetime | None = None,
    wait: timedelta | None = None,
    waiting_for: str | None = None,
    queue: str | None = None,
) -> None:
    """Give the batch back: it runs again now, at ``not_before``, or when the upstream can serve.

    ``wait``: it failed, and is tried again after so long.  ``queue``: its run goes on in that queue.
    """
    what = {
        **lease.key,
        "reason": reason,
        "not_before": not_before,
        "wait": wait,
        "waiting_for": waiting_for,
        "failures": int(wait is not None),
        "queue": queue,
    }
    if queue is not None:
        runs.lock_briefly(connection, lease.run_id)
        execute(connection, MOVE_RUN, what)
    if not execute(connection, HAND_BACK, what).rowcount:
        raise lease.lost()
    connection.execute("notify watchkeeper, 'batch'")


def hand_back_as(connection: Driver, lease: BatchLease, order: HandBack) -> None:
    hand_back(connection, lease, order.reason, not_before=order.not_before, queue=order.queue)


HAND_BACK_ALL = f"""{MINE}
update batch b
   set state = 'waiting', lease_until = null, error = %(reason)s, not_before = null,
       send_at = clock_timestamp(), updated_at = clock_timestamp()
  from mine where b.run_id = mine.run_id and b.seq = mine.seq
"""  # noqa: S608 - constants of our own


def hand_back_all(connection: Driver, leases: Sequence[BatchLease], reason: str) -> int:
    """Give back batches that have not begun, or that end with their process; returns how many."""
    given = execute(connection, HAND_BACK_ALL, {"reason": reason, **keys(leases)}).rowcount
    connection.execute("notify watchkeeper, 'batch'")
    return given


def retry_or_fail(connection: Driver, lease: BatchLease, ending: Ending) -> Ended | None:
    """After a failure of the task itself: try the batch again later, or end it as failed."""
    failures = lease.attempt + 1
    if failures >= lease.run["max_attempts"]:
        return end(connection, lease, "failed", ending)
    wait = backoff(failures, INITIAL_BACKOFF, MAX_BACKOFF, jitter=(0.8, 1.2))
    hand_back(connection, lease, ending.error or "", wait=timedelta(seconds=wait))
    return None


PARK = """
with ready as materialized (
    select seq from batch
     where run_id = %(run_id)s and state in ('waiting', 'sent') and waiting_for is null
       and (not_before is null or not_before <= clock_timestamp())
     order by seq for update
)
update batch b set state = 'waiting', waiting_for = %(upstream)s, send_at = null, sends = 0,
       updated_at = clock_timestamp()
  from ready where b.run_id = %(run_id)s and b.seq = ready.seq
"""


def wait_for_upstream(connection: Driver, lease: BatchLease, upstream: str, reason: str) -> None:
    """Hand the batch back until ``upstream`` can serve, and its run's ready batches with it.

    They would be refused too: one refusal is enough, and no worker is kept busy by the others.
    """
    runs.lock_briefly(connection, lease.run_id)
    hand_back(connection, lease, reason, waiting_for=upstream)
    execute(connection, PARK, {"run_id": lease.run_id, "upstream": upstream})
