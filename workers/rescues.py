"""Takes back batches whose worker has gone silent (table `batch`); beat does it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from workers import outcomes, pacing, runs

#: A batch whose worker died so often is set aside: it probably kills workers.
MOST_DEATHS = 2

_LOST = text("""
select r.id, b.seq from run r join batch b on b.run_id = r.id
 where b.state = 'running' and b.lease_until < :now
 order by b.lease_until limit :limit
   for update of r skip locked
""")

_TAKE_BACK = text("""
update batch
   set deaths = deaths + 1, updated_at = :now, lease_until = null, waiting_for = null,
       state = case when deaths + 1 >= :most then 'failed' else 'waiting' end,
       send_at = case when deaths + 1 >= :most then null else cast(:now as timestamptz) end,
       finished_at = case when deaths + 1 >= :most then cast(:now as timestamptz) end,
       items = case when deaths + 1 >= :most
                    then ended_items(items, 'failed', 'its worker died') else items end,
       failed = case when deaths + 1 >= :most then total - done - deferred else failed end,
       error = case when deaths + 1 >= :most
                    then 'set aside: its worker died ' || (deaths + 1) || ' times, last ' || worker
                    else 'its worker went silent: ' || worker end
 where run_id = :run_id and seq = :seq and state = 'running' and lease_until < :now
returning state, error
""")


def rescue(connection: Connection, now: datetime, limit: int) -> list[tuple[UUID, int, str]]:
    """Take back batches whose lease ended before ``now``; returns (run, seq, new state)."""
    rescued: list[tuple[UUID, int, str]] = []
    for run_id, seq in connection.execute(_LOST, {"now": now, "limit": limit}).all():
        row = connection.execute(
            _TAKE_BACK, {"run_id": run_id, "seq": seq, "now": now, "most": MOST_DEATHS}
        ).first()
        if row is None:
            continue
        if row.state == "failed":
            pacing.let_go(connection, runs.lock_briefly(connection, run_id))
            outcomes.close_batches(connection, run_id, 1, error=row.error)
        rescued.append((run_id, seq, row.state))
    return rescued
