"""Runs that finish: batches counted down, items counted up, one state, one sentence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from workers.db import Driver, array, execute
from workers.text.words import duration_words

SECOND = timedelta(seconds=1)
#: A run's error is a sentence for people (characters).
MAX_ERROR = 500

#: A kind's own words for its counts: {"found": 41, "new": 6} → "41 found, 6 new".
Summary = Callable[[Mapping[str, int]], str]


@dataclass(frozen=True, slots=True)
class Ended:
    run_id: UUID
    state: str
    total: int
    done: int
    failed: int
    deferred: int
    result: dict[str, Any]
    error: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What is said of a batch, and of its run when the run has no error yet."""

    error: str | None = None
    traceback: str | None = None
    summary: Summary | None = None


def plain_summary(counts: Mapping[str, int]) -> str:
    """Counts as words, for kinds that have none of their own."""
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())


CLOSE_BATCHES = """
update run set open_batches = open_batches - %(batches)s, error = coalesce(error, %(error)s),
       traceback = coalesce(traceback, %(traceback)s)
 where id = %(run_id)s
returning open_batches, error
"""


def close_batches(connection: Driver, run_id: UUID, batches: int, ending: Ending) -> Ended | None:
    """Count ``batches`` as ended; when none is open any more the run ends and is returned.

    The caller has locked the run and ended the batches in the same transaction.
    """
    what = {
        "run_id": run_id,
        "batches": batches,
        "error": ending.error,
        "traceback": ending.traceback,
    }
    run = execute(connection, CLOSE_BATCHES, what).fetchone()
    if run is None or run.open_batches > 0:
        return None
    return _finish(connection, run_id, run.error, ending.summary or plain_summary)


TALLY = """
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
             where b.run_id = %(run_id)s group by c.key) counted) as counts,
       (select i->>'key' || ': ' || (i->>'error')
          from batch b, jsonb_array_elements(b.items) i
         where b.run_id = %(run_id)s and i->>'state' = 'failed' order by b.seq limit 1) as first_error,
       max(error) filter (where state = 'deferred') as deferred_reason
  from batch where run_id = %(run_id)s
"""

FINISH = """
update run
   set state = %(state)s, total = %(total)s, done = %(done)s, failed = %(failed)s,
       deferred = %(deferred)s, result = %(result)s, error = %(error)s,
       reason = coalesce(reason, %(reason)s), finished_at = clock_timestamp()
 where id = %(run_id)s
"""


def state_of(tally: Mapping[str, Any]) -> str:
    if tally["stopped_batches"]:
        return "stopped"
    unfinished = tally["failed"] or tally["failed_batches"]
    left = tally["deferred"] or tally["deferred_batches"]
    if unfinished and not tally["done"] and not left:
        return "failed"
    return "partial" if unfinished or left else "succeeded"


def of_items(run_id: UUID, items: list[dict[str, Any]], summary: Summary | None) -> Ended:
    """How a run ends whose only batch is done, by its items."""
    states = [item.get("state") for item in items]
    counts: dict[str, int] = {}
    for item in items:
        for name, number in item.get("counts", {}).items():
            counts[name] = counts.get(name, 0) + number
    failed = [item for item in items if item.get("state") == "failed"]
    tally = {
        "total": len(items),
        **{name: states.count(name) for name in ("done", "failed", "deferred")},
        "counts": counts,
        "first_error": f"{failed[0]['key']}: {failed[0].get('error')}" if failed else None,
        "failed_batches": 0,
        "stopped_batches": 0,
        "deferred_batches": 0,
        "deferred_reason": None,
    }
    return _ended(run_id, tally, None, summary or plain_summary)


def _ended(run_id: UUID, tally: Mapping[str, Any], error: str | None, summary: Summary) -> Ended:
    counts = tally["counts"] or {}
    state = state_of(tally)
    error = (error or tally["first_error"] or "")[:MAX_ERROR] or None
    reason = None
    if tally["deferred"] or tally["deferred_batches"]:
        reason = f"{tally['deferred']} deferred: {tally['deferred_reason']}"
    numbers = {name: int(tally[name]) for name in ("total", "done", "failed", "deferred")}
    result = {"counts": counts, "summary": summary(counts)}
    return Ended(run_id, state, result=result, error=error, reason=reason, **numbers)


def _finish(connection: Driver, run_id: UUID, error: str | None, summary: Summary) -> Ended:
    tally: Any = execute(connection, TALLY, {"run_id": run_id}, dict_row).fetchone()
    ended = _ended(run_id, tally, error, summary)
    what = {
        "run_id": run_id,
        "state": ended.state,
        "result": Jsonb(ended.result),
        "error": ended.error if ended.state != "succeeded" else None,
        "reason": ended.reason,
        **{name: getattr(ended, name) for name in ("total", "done", "failed", "deferred")},
    }
    execute(connection, FINISH, what)
    return ended


GIVE_UP = """
with closed as (
    update batch set state = 'stopped', send_at = null, lease_until = null, waiting_for = null,
           error = %(reason)s, finished_at = clock_timestamp(), updated_at = clock_timestamp()
     where run_id = %(run_id)s and state in ('waiting', 'sent', 'running')
)
update run
   set state = %(state)s, reason = %(reason)s, open_batches = 0, finished_at = clock_timestamp()
 where id = %(run_id)s and finished_at is null
"""


def give_up(connection: Driver, run_id: UUID, state: str, reason: str) -> None:
    """End a run that has not begun, with its ``reason``; the run is locked."""
    execute(connection, GIVE_UP, {"run_id": run_id, "state": state, "reason": reason})


def not_started(late: timedelta) -> str:
    """Why a run that was not begun in time expired; from a second on, parts of one say nothing."""
    shown = timedelta(seconds=late // SECOND) or late
    return f"not started within its time: {duration_words(shown)} late"


def not_finished(timeout: timedelta | None) -> str:
    return "not finished within its timeout" + (f" of {duration_words(timeout)}" if timeout else "")


#: Runs that nobody began in time are ended so many at once.
EXPIRED_AT_ONCE = 500

#: Up to the clock, as for deadlines; held runs expire too.
NEXT_EXPIRY = """
select min(expires_at) from run
 where started_at is null and finished_at is null and expires_at <= (select now from clock)
   and expires_at >= coalesce(%(low_expiry)s::timestamptz, '-infinity')
"""

LATE = """
select id, coalesce(%(now)s::timestamptz, clock_timestamp()) - due_at as late from run
 where started_at is null and finished_at is null
   and expires_at < coalesce(%(now)s::timestamptz, statement_timestamp())
   and expires_at >= coalesce(%(low)s::timestamptz, '-infinity')
 order by expires_at limit %(limit)s
"""

#: Runs that nobody began in time, many at once; one that somebody has locked is left to the next look.
EXPIRE = """
with late as materialized (
    select run.id, told.reason from run
      join unnest(%(ids)s::uuid[], %(reasons)s::text[]) told(id, reason) on told.id = run.id
     where run.id = any(%(ids)s::uuid[]) and state || '' in ('due', 'held')
       and expires_at < coalesce(%(now)s::timestamptz, statement_timestamp())
     order by run.id for update of run skip locked
), closed as (
    update batch b
       set state = 'stopped', send_at = null, lease_until = null, waiting_for = null,
           error = late.reason, finished_at = clock_timestamp(), updated_at = clock_timestamp()
      from late
     where b.run_id = any(%(ids)s::uuid[]) and b.run_id = late.id
       and b.state || '' in ('waiting', 'sent', 'running')
)
update run r
   set state = 'expired', reason = late.reason, open_batches = 0, finished_at = clock_timestamp()
  from late where r.id = any(%(ids)s::uuid[]) and r.id = late.id
"""


def expire_late(
    connection: Driver, now: datetime | None, limit: int, low: datetime | None = None
) -> int:
    """End whatever nobody began in time; ``low``: nothing else expired before that."""
    late = execute(connection, LATE, {"now": now, "limit": limit, "low": low}).fetchall()
    if not late:
        return 0
    ids, reasons = zip(*((run.id, not_started(run.late)) for run in late), strict=True)
    values = {"ids": array(ids), "reasons": array(reasons), "now": now}
    return execute(connection, EXPIRE, values).rowcount


REPLACED = "a newer run took its place"
#: ``backfill``: of those of a backfill alone, or of all others; null: of all.
SKIP_HELD = """
update run set state = 'skipped', reason = %(reason)s, finished_at = %(now)s, open_batches = 0,
       counted = true where schedule = any(%(names)s) and state = 'held'
   and coalesce((trigger = 'backfill') = %(backfill)s::boolean, true)
"""


def skip_held(connection: Driver, names: list[str], now: datetime, *, backfill: bool) -> None:
    what = {"names": names, "reason": REPLACED, "now": now, "backfill": backfill}
    execute(connection, SKIP_HELD, what)


SKIP_DELETED = f"""
{SKIP_HELD} and not exists (select from schedule where name = run.schedule)
"""


def skip_deleted(connection: Driver, names: list[str], now: datetime) -> None:
    """End the held runs of these schedules, which nobody has made again meanwhile."""
    what = {"names": names, "reason": "its schedule was deleted", "now": now, "backfill": None}
    execute(connection, SKIP_DELETED, what)


UNCOUNTED = """
select run.id::text, schedule, run.task, state, started_at, finished_at, error, failed, total,
       run_is_failure(run, s.alert_on_partial) as failing
  from run left join schedule s on s.name = run.schedule
 where finished_at is not null and not counted
   and finished_at >= coalesce(%(low)s::timestamptz, '-infinity')
 order by finished_at limit %(limit)s
"""

NEXT_ENDED = """
select min(finished_at) from run
 where finished_at is not null and not counted
   and finished_at >= coalesce(%(low_ended)s::timestamptz, '-infinity')
"""

#: Whether a schedule follows one of them.
IS_FOLLOWED = """
case when not exists (select from schedule where after is not null and enabled) then false
     else exists (select from run join schedule follower on follower.after = run.schedule
                   where run.finished_at is not null and not run.counted and follower.enabled
                     and run.finished_at >= coalesce(%(low_ended)s::timestamptz, '-infinity')) end
"""

COUNT = (
    "update run set counted = true where id = any(%(ids)s::uuid[]) and not counted returning id::text"
)


def uncounted(connection: Driver, limit: int, low: datetime | None = None) -> list[Any]:
    """Runs whose end nobody has counted; ``low``: none of them ended before that."""
    return execute(connection, UNCOUNTED, {"limit": limit, "low": low}).fetchall()


def count(connection: Driver, ids: list[str]) -> set[str]:
    """Mark these runs as counted; returns those that nobody else had."""
    return {run_id for (run_id,) in connection.execute(COUNT, {"ids": array(ids)})}
