"""How a run ends: batches counted down, items counted up, one state, one sentence (table `run`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, text

from workers.db import fetch_one, prepared

#: A run's error is a sentence for people (characters).
LONGEST_ERROR = 500

#: A kind's own words for its counts: {"found": 41, "new": 6} → "41 found, 6 new".
Summary = Callable[[Mapping[str, int]], str]


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has just ended."""

    run_id: UUID
    state: str
    total: int
    done: int
    failed: int
    deferred: int
    result: dict[str, Any]
    error: str | None


def plain_summary(counts: Mapping[str, int]) -> str:
    """Counts as words, for kinds that have none of their own."""
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())


_CLOSE = prepared("""
update run set open_batches = open_batches - :batches, error = coalesce(error, :error),
       traceback = coalesce(traceback, :traceback)
 where id = :run_id
returning open_batches, error
""")


def close_batches(
    connection: Connection,
    run_id: UUID,
    batches: int,
    *,
    error: str | None = None,
    traceback: str | None = None,
    summary: Summary | None = None,
) -> Ended | None:
    """Count ``batches`` as ended; when none is open any more the run ends and is returned.

    The caller has locked the run and ended the batches in the same transaction.
    """
    parameters = {"run_id": run_id, "batches": batches, "error": error, "traceback": traceback}
    run = fetch_one(connection, _CLOSE, parameters)
    if run.open_batches > 0:
        return None
    return _finish(connection, run_id, run.error, summary)


_TALLY = prepared("""
select coalesce(sum(total), 0) as total, coalesce(sum(done), 0) as done,
       coalesce(sum(deferred), 0) as deferred,
       coalesce(sum(case when state in ('failed', 'stopped') then total - done - deferred
                         else failed end), 0) as failed,
       count(*) filter (where state = 'failed') as failed_batches,
       count(*) filter (where state = 'stopped') as stopped_batches,
       count(*) filter (where state = 'deferred') as deferred_batches,
       (select jsonb_object_agg(name, number) from (
            select c.key as name, sum(c.value::bigint) as number
              from batch b, jsonb_array_elements(b.items) i, jsonb_each_text(i->'counts') c
             where b.run_id = :run_id group by c.key) counted) as counts,
       (select i->>'key' || ': ' || (i->>'error')
          from batch b, jsonb_array_elements(b.items) i
         where b.run_id = :run_id and i->>'state' = 'failed' order by b.seq limit 1) as first_error,
       max(error) filter (where state = 'deferred') as deferred_reason
  from batch where run_id = :run_id
""")

_FINISH = prepared("""
update run
   set state = :state, total = :total, done = :done, failed = :failed, deferred = :deferred,
       result = :result, error = :error, reason = coalesce(reason, :reason),
       finished_at = clock_timestamp()
 where id = :run_id
""")


def judge(tally: Mapping[str, Any]) -> str:
    """State of a run whose batches have all ended, from what became of them."""
    if tally["stopped_batches"]:
        return "stopped"
    unfinished = tally["failed"] or tally["failed_batches"]
    left = tally["deferred"] or tally["deferred_batches"]
    if unfinished and not tally["done"] and not left:
        return "failed"
    return "partial" if unfinished or left else "succeeded"


def _finish(connection: Connection, run_id: UUID, said: str | None, summary: Summary | None) -> Ended:
    """End the run: count what its batches did, name its state, write its summary."""
    tally = fetch_one(connection, _TALLY, {"run_id": run_id}, dict_row)
    counts = tally["counts"] or {}
    result = {"counts": counts, "summary": (summary or plain_summary)(counts)}
    state = judge(tally)
    error = (said or tally["first_error"] or "")[:LONGEST_ERROR] or None
    reason = None
    if tally["deferred"] or tally["deferred_batches"]:
        reason = f"{tally['deferred']} deferred: {tally['deferred_reason']}"
    numbers = {name: int(tally[name]) for name in ("total", "done", "failed", "deferred")}
    fetch_one(
        connection,
        _FINISH,
        {
            "run_id": run_id,
            "state": state,
            "result": Jsonb(result),
            "error": error if state != "succeeded" else None,
            "reason": reason,
            **numbers,
        },
    )
    return Ended(run_id, state, result=result, error=error, **numbers)


_GIVE_UP = text("""
with closed as (
    update batch set state = 'stopped', send_at = null, lease_until = null, waiting_for = null,
           error = :reason, finished_at = clock_timestamp(), updated_at = clock_timestamp()
     where run_id = :run_id and state in ('waiting', 'sent', 'running')
)
update run set state = :state, reason = :reason, open_batches = 0, finished_at = clock_timestamp()
 where id = :run_id and finished_at is null
""")


def give_up(connection: Connection, run_id: UUID, state: str, reason: str) -> None:
    """End a run that has not begun, with its ``reason``; the run is locked."""
    connection.execute(_GIVE_UP, {"run_id": run_id, "state": state, "reason": reason})
