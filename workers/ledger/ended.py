"""Batches that end: done, failed, deferred to the schedule's next run, or stopped.

Lock order is run, then batch, everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from workers.db import DURABLE, Driver, array, execute
from workers.ledger import finished, in_flight, runs
from workers.ledger.claimed import BatchLease
from workers.ledger.finished import Ended, Ending, Summary, close_batches

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
   and seq = any(array(
       select seq from batch
        where run_id = %(run_id)s
          and (state in ('waiting', 'sent') or state = 'running' and %(running)s)
        order by seq for no key update))
"""  # noqa: S608 - constants of our own

#: An end without error, reason or summary.
PLAIN = Ending()


def end(connection: Driver, lease: BatchLease, state: str, ending: Ending = PLAIN) -> Ended | None:
    """End the batch; the last one of a run ends the run, which is then returned."""
    run = runs.lock_briefly(connection, lease.run_id)
    return end_locked(connection, lease, run, state, ending)


def end_locked(
    connection: Driver, lease: BatchLease, run: Mapping[str, Any] | None, state: str, ending: Ending
) -> Ended | None:
    """The same, when the ``run`` is locked already."""
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


@dataclass(frozen=True, slots=True)
class Done:
    """A batch that is all of its run and done, so that its items say how the run ends."""

    lease: BatchLease
    items: list[dict[str, Any]]
    #: Whether its items are stored as they are.
    stored: bool
    summary: Summary | None


#: Batches that are all of their runs, in order of id: both end in one statement, the runs locked first.
#: All by key: the state is written so that no index of states is read.
END_WHOLE = f"""
with given as (
    select one ->> 'run_id' as id, (one ->> 'seq')::int as seq, (one ->> 'fence')::int as fence,
           nullif(one -> 'items', 'null') as items,
           (one ->> 'total')::int as total, (one ->> 'done')::int as done,
           (one ->> 'failed')::int as failed, (one ->> 'deferred')::int as deferred,
           one ->> 'state' as state, one -> 'result' as result, one ->> 'error' as error,
           one ->> 'reason' as reason
      from jsonb_array_elements(%(ends)s) as one
), locked as materialized (
    select id from run where id = any(%(ids)s::uuid[]) and batch_count = 1
     order by id for no key update
), ended as (
    update batch b
       set state = 'done', items = coalesce(given.items, b.items), total = given.total,
           done = given.done, failed = given.failed, deferred = given.deferred,
           error = null, lease_until = null,
           send_at = null, waiting_for = null, finished_at = clock_timestamp(),
           updated_at = clock_timestamp()
      from given join locked on locked.id = given.id::uuid
     where (select count(*) from locked) > 0
       and b.run_id = given.id::uuid and b.seq = given.seq and b.fence = given.fence
       and b.state || '' = 'running'
    returning b.run_id
), finished as (
    update run r
       set state = given.state, open_batches = 0, total = given.total, done = given.done,
           failed = given.failed, deferred = given.deferred, result = given.result,
           error = case when given.state <> 'succeeded' then coalesce(r.error, given.error) end,
           reason = coalesce(r.reason, given.reason), finished_at = clock_timestamp()
      from given join ended on ended.run_id = given.id::uuid
     where r.id = given.id::uuid
    returning r.id
)
select id, {DURABLE} from finished
"""  # noqa: S608


_OUTCOME = ("state", "total", "done", "failed", "deferred", "result", "error", "reason")


def end_whole(connection: Driver, ends: Sequence[Done]) -> list[Ended | None]:
    """End batches that are all of their runs, and these; None for one whose lease is lost.

    One statement, so that a connection in autocommit commits once for all.
    """
    outcomes = [finished.of_items(end.lease.run_id, end.items, end.summary) for end in ends]
    in_order = sorted(zip(ends, outcomes, strict=True), key=lambda one: one[0].lease.run_id)
    rows = [
        {
            "run_id": str(end.lease.run_id),
            "seq": end.lease.seq,
            "fence": end.lease.fence,
            "items": None if end.stored else end.items,
            **{name: getattr(outcome, name) for name in _OUTCOME},
        }
        for end, outcome in in_order
    ]
    what = {"ends": Jsonb(rows), "ids": array([row["run_id"] for row in rows])}
    written = {row.id for row in execute(connection, END_WHOLE, what)}
    return [outcome if outcome.run_id in written else None for outcome in outcomes]
