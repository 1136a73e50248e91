"""Runs: lists by filter, and everything about one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping

from console.queries.lists import Piece, like, newest
from console.sql import statement

#: Words of the filter → states.
GROUPS = {"active": ("due", "running", "held"), "problem": ("failed", "partial")}
#: States and triggers of which there are few: each has its place in an index.
_FEW_STATES = frozenset({"failed", "partial", "stopped", "skipped", "missed", "expired"})
_FEW_TRIGGERS = frozenset({"manual", "after", "backfill", "retry"})

_ROWS = statement("runs", "rows")
_ONE = statement("runs", "one")
_BATCHES = statement("runs", "batches")
_FAILURES = statement("runs", "failures")
_ITEMS = statement("runs", "items")
_REQUESTED = statement("runs", "requested")
_STRIPS = statement("runs", "strips")


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

    @property
    def states(self) -> tuple[str, ...]:
        return GROUPS.get(self.state, (self.state,)) if self.state else ()

    def sources(self) -> tuple[list[str], list[str]]:
        """Conditions of what an index gives, in words of its predicate, and the others."""
        others = {
            "schedule": "schedule = :schedule",
            "state": "state = any(:states)",
            "trigger": "trigger = :trigger",
            "task": "task = :task",
            "q": "coalesce(error, reason, result ->> 'summary') ilike :q",
        }
        others = {name: condition for name, condition in others.items() if getattr(self, name)}
        found = ["true"]
        if self.state == "active" or self.state in GROUPS["active"]:
            found = [f"state in ('due', 'running', 'held') and {others.pop('state')}"]
        elif self.schedule:
            found = [others.pop("schedule")]
        elif self.states and _FEW_STATES.issuperset(self.states):
            del others["state"]
            few = ", ".join(f"'{one}'" for one in sorted(_FEW_STATES))
            found = [f"state in ({few}) and state = '{one}'" for one in self.states]
        elif self.trigger in _FEW_TRIGGERS:
            del others["trigger"]
            few = ", ".join(f"'{one}'" for one in sorted(_FEW_TRIGGERS))
            found = [f"trigger in ({few}) and trigger = '{self.trigger}'"]
        return found, list(others.values())


def listed(
    connection: Connection, chosen: Filter, limit: int = 50, before: tuple[datetime, UUID] | None = None
) -> Piece:
    """Runs that pass, the newest first, from before a place."""
    sources, others = chosen.sources()
    given: dict[str, Any] = {
        **vars(chosen), "states": list(chosen.states), "q": like(chosen.q or ""),
    }  # fmt: skip
    bounds = ""
    for name, sign in (("since", ">="), ("until", "<")):
        bounds += f" and created_at {sign} :{name}" if getattr(chosen, name) else ""
    if before is not None:
        bounds += " and (created_at, id) < (:before_at, :before_id)"
        given |= {"before_at": before[0], "before_id": before[1]}
    read = [f"select * from run where {one}{bounds}" for one in sources]  # noqa: S608 - texts from above
    found = newest(connection, read, ("created_at", "id"), others, given, limit)
    ids = [row["id"] for row in found.rows]
    rows = connection.execute(_ROWS, {"ids": ids}).mappings().all() if ids else []
    return Piece(rows, found.after)


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


def strips(
    connection: Connection, names: Sequence[str], last: int = 24
) -> dict[str, list[dict[str, Any]]]:
    """The last runs of each schedule, the oldest first."""
    rows = connection.execute(_STRIPS, {"names": list(names), "last": last})
    return {row.name: row.runs for row in rows}
