"""A lease that is renewed while its worker works, or marked because its worker is about to end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from workers.db import Driver, execute
from workers.ledger.claimed import BatchLease

RENEW = """
update batch set lease_until = clock_timestamp() + %(length)s
 where run_id = %(run_id)s and seq = %(seq)s and fence = %(fence)s and state = 'running'
returning (select stop_requested_at is not null from run where id = %(run_id)s) as stopping,
          (select deadline_at from run where id = %(run_id)s) < clock_timestamp() as late
"""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal found: whether the lease is held, and whether the run should end."""

    held: bool
    stopping: bool = False
    late: bool = False


def renew(connection: Driver, lease: BatchLease, length: timedelta) -> Renewal:
    row = execute(connection, RENEW, {**lease.key, "length": length}).fetchone()
    if row is None:
        return Renewal(held=False)
    return Renewal(held=True, stopping=bool(row.stopping), late=bool(row.late))


LEAVE = "update batch set leaving = true where state = 'running' and worker = %s and not leaving"


def leave(connection: Driver, worker: str) -> None:
    """Note that ``worker`` is about to end: what it does not hand back in time is not its death."""
    execute(connection, LEAVE, (worker,))
