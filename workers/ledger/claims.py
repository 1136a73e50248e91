"""Statements that move a batch: claim, lease, fence, end, hand back, rescue (table `batch`).

States: ``waiting | sent → running → done | failed | deferred | stopped``, and back to ``waiting``
when a batch is handed back, tried again or rescued. The row in Postgres is the only authority; a
message is a doorbell. Lock order is run, then batch, everywhere. A holder that lost its lease finds
``fence`` moved on or ``state`` no longer running, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from workers.db import fetch_one, prepared, transaction
from workers.errors import LeaseLost
from workers.ledger import outcomes, pacing, runs
from workers.ledger.rescues import leave, rescue

__all__ = [
    "Claim", "Sign", "beat", "check_fence", "claim", "end", "fenced", "hand_back", "leave", "plan",
    "rescue", "write_items",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on one batch: valid only while ``fence`` is the batch's."""

    run_id: UUID
    seq: int
    fence: int
    attempt: int
    run: Mapping[str, Any]
    items: list[dict[str, Any]] | None
    claimed_at: datetime


def _where(hold: Claim) -> dict[str, Any]:
    return {"run_id": hold.run_id, "seq": hold.seq, "fence": hold.fence}


#: With its first batch the run starts, and the time of its timeout begins.
_CLAIM = prepared("""
with claimed as (
    update batch
       set state = 'running', fence = fence + 1, worker = :worker, sends = 0, send_at = null,
           waiting_for = null, leaving = false, lease_until = cast(:now as timestamptz) + :lease,
           started_at = coalesce(started_at, :now), updated_at = :now
     where run_id = :run_id and seq = :seq and state in ('waiting', 'sent')
       and (not_before is null or not_before <= :now)
       -- What waits for a quota is let go by beat, in its order; an old message brings it no further.
       and (waiting_for is null or send_at is not null)
    returning fence, attempt, items
), started as (
    update run
       set state = 'running', started_at = coalesce(started_at, :now),
           deadline_at = coalesce(deadline_at, cast(:now as timestamptz) + timeout)
     where id = :run_id and (state = 'due' or started_at is null) and exists (select from claimed)
)
select fence, attempt, items from claimed
""")


def claim(
    connection: Connection,
    run_id: UUID,
    seq: int,
    worker: str,
    lease: timedelta,
    delay: timedelta = timedelta(0),
) -> Claim | None:
    """Take the batch for ``worker``; None when it is taken, ended, or not to be run (any more, yet).

    ``delay``: least time between the starts of two batches, unless the run has its own.
    """
    run = runs.lock(connection, run_id)
    if run is None or run["state"] not in runs.ACTIVE:
        return None
    now: datetime = run["now"]
    if run["state"] == "due" and run["expires_at"] is not None and run["expires_at"] < now:
        late = now - run["due_at"]
        outcomes.give_up(connection, run_id, "expired", f"not started within its time: {late} late")
        return None
    if pacing.hold_back(connection, run, seq, delay):
        return None
    row = fetch_one(
        connection,
        _CLAIM,
        {"run_id": run_id, "seq": seq, "worker": worker, "lease": lease, "now": now},
    )
    if row is None:
        return None
    return Claim(run_id, seq, row.fence, row.attempt, run, row.items, now)


_BEAT = text("""
update batch set lease_until = clock_timestamp() + :lease
 where run_id = :run_id and seq = :seq and fence = :fence and state = 'running'
returning (select stop_requested_at is not null from run where id = :run_id) as stopping,
          (select deadline_at from run where id = :run_id) < clock_timestamp() as late
""")


@dataclass(frozen=True, slots=True)
class Sign:
    """What a beat of the lease learned."""

    held: bool
    stopping: bool
    late: bool


def beat(connection: Connection, hold: Claim, lease: timedelta) -> Sign:
    """Prolong the lease; says whether it is still held and whether the run should end."""
    row = connection.execute(_BEAT, {**_where(hold), "lease": lease}).first()
    if row is None:
        return Sign(held=False, stopping=False, late=False)
    return Sign(held=True, stopping=bool(row.stopping), late=bool(row.late))


_FENCE = prepared("""
select (select stop_requested_at is not null from run where id = :run_id) as stopping from batch
 where run_id = :run_id and seq = :seq and fence = :fence and state = 'running'
   for update
""")


def check_fence(connection: Connection, hold: Claim) -> bool:
    """Lock the batch for this transaction, or raise LeaseLost when it is not ours any more.

    Returns whether the run is asked to stop.
    """
    row = fetch_one(connection, _FENCE, _where(hold))
    if row is None:
        raise LeaseLost(f"batch {hold.seq} of run {hold.run_id} belongs to another worker now")
    return bool(row.stopping)


@contextmanager
def fenced(hold: Claim, on_stop: Callable[[], None] = lambda: None) -> Iterator[Connection]:
    """Open a transaction that commits only if ``hold`` is still valid, for the caller's rows.

    ``on_stop`` is called when the run is asked to stop; this transaction is still the caller's.
    """
    with transaction() as connection:
        if check_fence(connection, hold):
            on_stop()
        yield connection


_WRITE_ITEMS = prepared("""
update batch
   set items = :items, total = :total, done = :done, failed = :failed, deferred = :deferred
 where run_id = :run_id and seq = :seq
""")


def write_items(connection: Connection, hold: Claim, items: list[dict[str, Any]]) -> None:
    """Store the items with their outcomes; the caller has checked the fence."""
    states = [item.get("state") for item in items]
    fetch_one(
        connection,
        _WRITE_ITEMS,
        {
            "run_id": hold.run_id,
            "seq": hold.seq,
            "items": Jsonb(items),
            "total": len(items),
            "done": states.count("done"),
            "failed": states.count("failed"),
            "deferred": states.count("deferred"),
        },
    )


_PLAN = text("""
insert into batch (run_id, seq, task, queue, priority, items, total, not_before, send_at)
select :run_id, seq, :task, :queue, :priority, items, jsonb_array_length(items),
       case when seq > 1 and :delay > interval '0'
            then clock_timestamp() + (seq - 1) * cast(:delay as interval) end,
       case when seq <= coalesce(cast(:most as integer), seq)
            then clock_timestamp() + (seq - 1) * cast(:delay as interval) end
  from jsonb_array_elements(:batches) with ordinality as planned(items, seq)
""").bindparams(bindparam("batches", type_=JSONB))


def plan(
    connection: Connection, hold: Claim, batches: list[list[dict[str, Any]]], delay: timedelta
) -> None:
    """Split the run into ``batches``, the second ``delay`` after the first and so on.

    The caller has locked the run and checked the fence.
    """
    run = hold.run
    connection.execute(
        _PLAN,
        {
            "run_id": hold.run_id,
            "task": run["task"],
            "queue": run["queue"],
            "priority": run["priority"],
            "delay": delay,
            "most": run["max_in_flight"],
            "batches": batches,
        },
    )
    runs.add_batches(connection, hold.run_id, len(batches), sum(map(len, batches)))
    connection.execute(text("notify watchkeeper, 'batch'"))


_END = prepared("""
update batch
   set items = case when :state = 'failed' then ended_items(items, 'failed', :error) else items end,
       failed = case when :state = 'failed' then total - done - deferred else failed end,
       state = :state, error = :error, lease_until = null, send_at = null,
       finished_at = clock_timestamp(), updated_at = clock_timestamp()
 where run_id = :run_id and seq = :seq and fence = :fence and state = 'running'
returning seq
""")


def end(
    connection: Connection,
    hold: Claim,
    state: str,
    *,
    error: str | None = None,
    traceback: str | None = None,
    summary: outcomes.Summary | None = None,
) -> outcomes.Ended | None:
    """End the batch; the last one of a run ends the run, which is then returned."""
    run = runs.lock_briefly(connection, hold.run_id)
    row = fetch_one(connection, _END, {**_where(hold), "state": state, "error": error})
    if row is None:
        raise LeaseLost(f"batch {hold.seq} of run {hold.run_id} belongs to another worker now")
    pacing.let_go(connection, run)
    return outcomes.close_batches(
        connection, hold.run_id, 1, error=error, traceback=traceback, summary=summary
    )


_HAND_BACK = text("""
update batch
   set state = 'waiting', lease_until = null, waiting_for = cast(:waiting_for as text),
       error = :reason, attempt = attempt + :failures, updated_at = clock_timestamp(),
       not_before = cast(:not_before as timestamptz),
       send_at = case when cast(:waiting_for as text) is null
                      then coalesce(cast(:not_before as timestamptz), clock_timestamp()) end
 where run_id = :run_id and seq = :seq and fence = :fence and state = 'running'
returning attempt
""")


def hand_back(
    connection: Connection,
    hold: Claim,
    reason: str,
    *,
    not_before: datetime | None = None,
    waiting_for: str | None = None,
    failures: int = 0,
) -> None:
    """Give the batch back: it runs again now, at ``not_before``, or when the upstream can serve."""
    row = connection.execute(
        _HAND_BACK,
        {
            **_where(hold),
            "reason": reason,
            "not_before": not_before,
            "waiting_for": waiting_for,
            "failures": failures,
        },
    ).first()
    if row is None:
        raise LeaseLost(f"batch {hold.seq} of run {hold.run_id} belongs to another worker now")
    connection.execute(text("notify watchkeeper, 'batch'"))
