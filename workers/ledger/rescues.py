"""Takes back batches whose worker has gone silent (table `batch`); beat does it.

A lease that ended is a death only when nothing but the worker can have ended it: Postgres and beat were
there for the whole of it, and the worker has not said that it ends.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from workers.ledger import outcomes, pacing, runs
from workers.settings import settings

#: A batch whose worker died so often is set aside: it probably kills workers.
MOST_DEATHS = 2

_LOST = text("""
select r.id, b.seq from run r join batch b on b.run_id = r.id
 where b.state = 'running' and b.lease_until < :now
 order by b.lease_until limit :limit
   for update of r skip locked
""")

#: A lease began when it was prolonged last.
_TAKE_BACK = text("""
with lost as materialized (
    select seq, died, died and deaths + 1 >= :most as aside
      from batch
      cross join lateral (select not leaving and lease_until - cast(:lease as interval) >= :since)
           _(died)
     where run_id = :run_id and seq = :seq and state = 'running' and lease_until < :now
       for update of batch
)
update batch b
   set deaths = deaths + died::int, updated_at = :now, lease_until = null, waiting_for = null,
       state = case when aside then 'failed' else 'waiting' end,
       send_at = case when aside then null else cast(:now as timestamptz) end,
       finished_at = case when aside then cast(:now as timestamptz) end,
       items = case when aside then ended_items(items, 'failed', 'its worker died') else items end,
       failed = case when aside then total - done - deferred else failed end,
       error = case when aside
                    then 'set aside: its worker died ' || (deaths + 1) || ' times, last ' || worker
                    when died then 'its worker went silent: ' || worker
                    when leaving then 'its worker ended before the batch did: ' || worker
                    else 'its lease ended while Postgres or beat was away: ' || worker end
  from lost where b.run_id = :run_id and b.seq = lost.seq
returning state, error
""")

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def rescue(
    connection: Connection, now: datetime, limit: int, since: datetime = _LONG_AGO
) -> list[tuple[UUID, int, str]]:
    """Take back batches whose lease ended before ``now``; returns (run, seq, new state).

    ``since``: when Postgres or beat was away last; only a lease that began later can be a death.
    """
    rescued: list[tuple[UUID, int, str]] = []
    for run_id, seq in connection.execute(_LOST, {"now": now, "limit": limit}).all():
        row = connection.execute(
            _TAKE_BACK,
            {
                "run_id": run_id,
                "seq": seq,
                "now": now,
                "most": MOST_DEATHS,
                "since": since,
                "lease": timedelta(seconds=settings().lease_seconds),
            },
        ).first()
        if row is None:
            continue
        if row.state == "failed":
            pacing.let_go(connection, runs.lock_briefly(connection, run_id))
            outcomes.close_batches(connection, run_id, 1, error=row.error)
        rescued.append((run_id, seq, row.state))
    return rescued


_LEAVE = text("""
update batch set leaving = true where state = 'running' and worker = :worker and not leaving
""")


def leave(connection: Connection, worker: str) -> None:
    """Note that ``worker`` is about to end: what it does not hand back in time is not its death."""
    connection.execute(_LEAVE, {"worker": worker})
