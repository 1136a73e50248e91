"""Batches taken back because their worker has gone silent; beat does it.

A lease that ended is a death only when nothing but the worker can have ended it: Postgres and beat were
there for the whole of it, and the worker has not said that it ends.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from workers.db import Driver, execute
from workers.ledger import finished, in_flight, runs
from workers.settings import settings

#: A batch whose worker died so often is set aside: it probably kills workers.
MAX_DEATHS = 2

LOST = """
select r.id, b.seq from run r join batch b on b.run_id = r.id
 where b.state = 'running' and b.lease_until < %(now)s
 order by b.lease_until limit %(limit)s
   for update of r skip locked
"""

#: A plain task that Celery would lose with its worker is not begun again, unless people gave the run
#: more attempts than one.
IS_ONCE = """
exists (select from run r join task_kind k on k.name = r.task
         where r.id = batch.run_id and not k.acks_late and r.max_attempts = 1)
"""

#: A lease began when it was renewed last.
TAKE_BACK = f"""
with lost as materialized (
    select seq, died, once, died and deaths + 1 >= %(max)s or once as aside
      from batch
      cross join lateral (select not leaving and lease_until - %(lease)s::interval >= %(since)s)
           _(died)
      cross join lateral (select plain and {IS_ONCE}) __(once)
     where run_id = %(run_id)s and seq = %(seq)s and state = 'running' and lease_until < %(now)s
       for update of batch
)
update batch b
   set deaths = deaths + died::int, updated_at = %(now)s, lease_until = null, waiting_for = null,
       state = case when aside then 'failed' else 'waiting' end,
       send_at = case when aside then null else %(now)s::timestamptz end,
       finished_at = case when aside then %(now)s::timestamptz end,
       items = case when aside then ended_items(items, 'failed', 'its worker died') else items end,
       failed = case when aside then total - done - deferred else failed end,
       error = case when once
                    then 'its worker was lost, and the task may not begin again: ' || worker
                    when aside
                    then 'set aside: its worker died ' || (deaths + 1) || ' times, last ' || worker
                    when died then 'its worker went silent: ' || worker
                    when leaving then 'its worker ended before the batch did: ' || worker
                    else 'its lease ended while Postgres or beat was away: ' || worker end
  from lost where b.run_id = %(run_id)s and b.seq = lost.seq
returning state, error
"""  # noqa: S608 - a constant of our own

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def rescue(
    connection: Driver, now: datetime, limit: int, since: datetime = _LONG_AGO
) -> list[tuple[UUID, int, str]]:
    """Take back batches whose lease ended before ``now``; returns (run, seq, new state).

    ``since``: when Postgres or beat was away last; only a lease that began later can be a death.
    """
    rescued: list[tuple[UUID, int, str]] = []
    length = timedelta(seconds=settings().lease_seconds)
    what = {"now": now, "limit": limit, "max": MAX_DEATHS, "since": since, "lease": length}
    for run_id, seq in execute(connection, LOST, what).fetchall():
        row = execute(connection, TAKE_BACK, {**what, "run_id": run_id, "seq": seq}).fetchone()
        if row is None:
            continue
        if row.state == "failed":
            in_flight.let_go(connection, runs.lock_briefly(connection, run_id))
            finished.close_batches(connection, run_id, 1, finished.Ending(row.error))
        rescued.append((run_id, seq, row.state))
    return rescued
