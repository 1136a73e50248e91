"""Batches taken back because their worker has gone silent; beat does it.

A lease that ended is a death only when nothing but the worker can have ended it: Postgres and beat were
there for the whole of it, and the worker has not said that it ends.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from workers.db import Driver, execute
from workers.ledger import finished, in_flight, runs
from workers.settings import settings

#: A batch whose worker died so often is set aside: it probably kills workers.
MAX_DEATHS = 2

LOST = """
select r.id, b.seq from run r join batch b on b.run_id = r.id
 where b.state = 'running' and b.lease_until < %(now)s
   and b.lease_until >= coalesce(%(low)s::timestamptz, '-infinity')
 order by b.lease_until limit %(limit)s
   for update of r skip locked
"""

NEXT_LEASE = """
select min(lease_until) from batch
 where state = 'running' and lease_until <= (select now from clock)
   and lease_until >= coalesce(%(low_lease)s::timestamptz, '-infinity')
"""

#: A plain task that Celery would lose with its worker is not begun again, unless people gave the run
#: more attempts than one.
IS_ONCE = """
exists (select from run r join task_kind k on k.name = r.task
         where r.id = batch.run_id and not k.acks_late and r.max_attempts = 1)
"""

_template = """
with lost as materialized (
    select seq, died, once, died and counts as counted,
           died and counts and deaths + 1 >= %(max)s or once as aside,
           (select stop_requested_at is not null from run where id = %(run_id)s) as stopping
      from batch
      cross join lateral (select {died}, {counts}) _(died, counts)
      cross join lateral (select plain and {once}) __(once)
     where run_id = %(run_id)s and seq = %(seq)s and state = 'running' and {lost}
       for update of batch {locked}
)
update batch b
   set deaths = deaths + counted::int, suspect = suspect or died and not counted,
       updated_at = clock_timestamp(), lease_until = null, waiting_for = null,
       state = case when aside and stopping then 'stopped' when aside then 'failed' else 'waiting' end,
       send_at = case when aside then null else clock_timestamp() end,
       finished_at = case when aside then clock_timestamp() end,
       items = case when aside then ended_items(items, 'failed', 'its worker died') else items end,
       failed = case when aside then total - done - deferred else failed end,
       error = case when aside and stopping then 'stopped with its worker: ' || worker
                    when once
                    then 'its worker was lost, and the task may not begin again: ' || worker
                    when aside
                    then 'set aside: its worker died ' || (deaths + 1) || ' times, last ' || worker
                    when counted then 'its worker went silent: ' || worker
                    when died then 'its worker went silent with several batches in hand: ' || worker
                    when leaving then 'its worker ended before the batch did: ' || worker
                    else {blameless} end
  from lost where b.run_id = %(run_id)s and b.seq = lost.seq
returning state, error, plain
"""

#: A lease began when it was renewed last.  Several in one process: any of them may have ended it.
TAKE_BACK = _template.format(
    died="not leaving and lease_until - %(lease)s::interval >= %(since)s",
    counts="alone or suspect",
    lost="lease_until < %(now)s",
    # Its worker sleeps in a transaction: the others are taken back without it.
    locked="skip locked",
    once=IS_ONCE,
    blameless="'its lease ended while Postgres or beat was away: ' || worker",
)
#: Its process has ended: whoever reaped it knows what it had in hand.
TAKE_OVER = _template.format(
    died="%(died)s and not leaving",
    counts="%(counts)s::boolean",
    lost="fence = %(fence)s",
    locked="",
    once=IS_ONCE,
    blameless="'its process ended because of another batch: ' || worker",
)

#: The body of a plain task may have run: no fence holds up what it did.
NOTE_AGAIN = "update run set reason = concat_ws('; ', reason, %(note)s::text) where id = %(run_id)s"

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def rescue(
    connection: Driver,
    now: datetime,
    limit: int,
    since: datetime = _LONG_AGO,
    low: datetime | None = None,
) -> list[tuple[UUID, int, str]]:
    """Take back batches whose lease ended before ``now``; returns (run, seq, new state).

    ``since``: when Postgres or beat was away last; only a lease that began later can be a death.
    ``low``: no lease ended before that.
    """
    rescued: list[tuple[UUID, int, str]] = []
    length = timedelta(seconds=settings().lease_seconds)
    what = {"now": now, "limit": limit, "low": low, "max": MAX_DEATHS, "since": since, "lease": length}
    for run_id, seq in execute(connection, LOST, what).fetchall():
        state = _take_back(connection, TAKE_BACK, {**what, "run_id": run_id, "seq": seq})
        if state is not None:
            rescued.append((run_id, seq, state))
    return rescued


def take_over(
    connection: Driver, run_id: UUID, seq: int, fence: int, *, died: bool, counts: bool
) -> str | None:
    """Take back a batch whose process has ended; returns its new state, None when it had ended.

    ``died``: it may be what ended the process; ``counts``: nothing else can be.
    """
    if runs.lock_briefly(connection, run_id) is None:
        return None
    key = {"run_id": run_id, "seq": seq, "fence": fence}
    what = {**key, "died": died, "counts": counts, "max": MAX_DEATHS}
    state = _take_back(connection, TAKE_OVER, what)
    if state == "waiting":
        connection.execute("notify watchkeeper, 'batch'")
    return state


def _take_back(connection: Driver, statement: str, what: dict[str, Any]) -> str | None:
    row = execute(connection, statement, what).fetchone()
    if row is None:
        return None
    run_id = what["run_id"]
    if row.state in {"failed", "stopped"}:
        in_flight.let_go(connection, runs.lock_briefly(connection, run_id))
        finished.close_batches(connection, run_id, 1, finished.Ending(row.error))
    elif row.plain:
        execute(connection, NOTE_AGAIN, {"run_id": run_id, "note": f"begun again: {row.error}"})
    return str(row.state)
