"""Runs: lists by filter, and everything about one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

from console.sql import statement

ACTIVE = ("due", "running", "held")
TROUBLED = ("failed", "partial")
#: Words of the filter → states.
GROUPS: dict[str, tuple[str, ...]] = {"active": ACTIVE, "problem": TROUBLED}


@dataclass(frozen=True)
class Filter:
    """What a list of runs shows; None: any."""

    schedule: str | None = None
    task: str | None = None
    #: A state, or a word of GROUPS.
    state: str | None = None
    trigger: str | None = None
    #: Part of the error or the summary.
    q: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    retry_of: UUID | None = None

    def conditions(self) -> tuple[list[str], dict[str, Any]]:
        found: list[str] = []
        values: dict[str, Any] = {}
        if self.state:
            found.append("r.state = any(:states)")
            values["states"] = list(GROUPS.get(self.state, (self.state,)))
        for name in ("schedule", "task", "trigger", "retry_of"):
            value = getattr(self, name)
            if value is not None:
                found.append(f"r.{name} = :{name}")
                values[name] = value
        if self.q:
            found.append("coalesce(r.error, r.reason, r.result ->> 'summary') ilike :q")
            values["q"] = pattern(self.q)
        if self.since:
            found.append("r.created_at >= :since")
            values["since"] = self.since
        if self.until:
            found.append("r.created_at < :until")
            values["until"] = self.until
        return found, values


def pattern(part: str) -> str:
    """A LIKE pattern for "contains"."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


_COLUMNS = """
r.id, r.schedule, r.task, r.trigger, r.state, r.due_at, r.created_at, r.started_at, r.finished_at,
coalesce(r.error, r.reason, r.result ->> 'summary') as summary, r.requested_by, r.covers_count,
coalesce(b.total, r.total) as total, coalesce(b.done, r.done) as done, coalesce(b.failed,
       r.failed) as failed,
coalesce(b.deferred, r.deferred) as deferred, b.waiting_for
"""
#: Counts of a run that has ended stand in its row; those of one under way in its batches.
_LIVE = """
left join lateral (
    select greatest(sum(total), r.total) as total, sum(done) as done, sum(failed) as failed,
           sum(deferred) as deferred,
                  array_agg(distinct waiting_for) filter (where waiting_for is not null) as waiting_for
      from batch where run_id = r.id and r.state in ('due', 'running',
             'held') having count(*) > 0) b on true
"""


def listed(
    connection: Connection, chosen: Filter, limit: int = 50, before: tuple[datetime, UUID] | None = None
) -> Sequence[RowMapping]:
    """Runs that pass, the newest first, from before a cursor; one more than ``limit`` if there are."""
    conditions, values = chosen.conditions()
    if before is not None:
        conditions.append("(r.created_at, r.id) < (:before_at, :before_id)")
        values |= {"before_at": before[0], "before_id": before[1]}
    where = " and ".join(conditions) or "true"
    if chosen.state in GROUPS and set(GROUPS[chosen.state]) == set(ACTIVE):
        # The words of the partial index.
        where = where.replace("r.state = any(:states)", "r.state in ('due', 'running', 'held')")
        values.pop("states")
    statement = f"""
select {_COLUMNS} from (
    select * from run r where {where} order by r.created_at desc, r.id desc limit :limit) r {_LIVE}
 order by r.created_at desc, r.id desc"""  # noqa: S608 - conditions from code
    return connection.execute(text(statement), {**values, "limit": limit + 1}).mappings().all()


_ONE = text(f"""
select r.*, coalesce(r.error, r.reason, r.result ->> 'summary') as summary, b.waiting_for,
       coalesce(b.total, r.total) as all_items, coalesce(b.done, r.done) as all_done,
       coalesce(b.failed, r.failed) as all_failed, coalesce(b.deferred, r.deferred) as all_deferred,
       exists (select from schedule s where s.name = r.schedule) as has_schedule,
       (select max(deaths) from batch where run_id = r.id) as deaths,
       (select max(w.next_permit_at) from upstream_state w
              where w.upstream = any(b.waiting_for)) as waits_until,
       (select max(w.blocked_until) from upstream_state w where w.upstream = any(b.waiting_for)
           and w.blocked_until > clock_timestamp()) as blocked_until,
       (select min(not_before) from batch where run_id = r.id and state in ('waiting', 'sent')
           and not_before > clock_timestamp()) as later_at
  from run r {_LIVE} where r.id = :id
""")  # noqa: S608 - text from above
_BATCHES = statement("runs", "batches")
_FAILURES = statement("runs", "failures")
_ITEMS = statement("runs", "items")
_REQUESTED = statement("runs", "requested")


def one(connection: Connection, number: UUID) -> RowMapping | None:
    return connection.execute(_ONE, {"id": number}).mappings().one_or_none()


def batches(connection: Connection, number: UUID) -> Sequence[RowMapping]:
    return connection.execute(_BATCHES, {"id": number}).mappings().all()


def failures(connection: Connection, number: UUID) -> Sequence[RowMapping]:
    """Items that did not succeed, grouped by their error."""
    return connection.execute(_FAILURES, {"id": number}).mappings().all()


def items(
    connection: Connection,
    number: UUID,
    state: str | None = None,
    limit: int = 100,
    after: tuple[int, int] = (-1, 0),
) -> Sequence[RowMapping]:
    given = {"id": number, "state": state, "limit": limit, "seq": after[0], "place": after[1]}
    return connection.execute(_ITEMS, given).mappings().all()


def requests(connection: Connection, number: UUID) -> Sequence[RowMapping]:
    """What people asked about this run, or that led to it."""
    return connection.execute(_REQUESTED, {"id": number}).mappings().all()


_STRIPS = statement("runs", "strips")


def strips(
    connection: Connection, names: Sequence[str], last: int = 24
) -> dict[str, list[dict[str, Any]]]:
    """The last runs of each schedule, the oldest first."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for row in connection.execute(_STRIPS, {"names": list(names), "last": last}).mappings():
        found[row["name"]].append(dict(row))
    return {name: runs[::-1] for name, runs in found.items()}
