"""Runs: lists by filter, and everything about one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection

from console import sql
from console.queries.lists import Asked, Moment, Number, Piece, newest
from console.sql import Row
from tasks.watches.comparing import containing
from workers.ledger.states import RUN_STATES, RUN_TRIGGERS

#: Words of the filter → states.
GROUPS = {"active": ("due", "running", "held"), "problem": ("failed", "partial")}
#: States and triggers of which there are few: each has its place in an index.
_FEW_STATES = frozenset({"failed", "partial", "stopped", "skipped", "missed", "expired"})
_FEW_TRIGGERS = frozenset({"manual", "after", "backfill", "retry"})
_CONDITIONS = sql.parts("run_filters.sql")


class Runs(Asked):
    """Runs, the newest first."""

    statement = "runs.rows"
    order = {"created_at": datetime, "id": UUID}
    words = {"state": (*GROUPS, *RUN_STATES), "trigger": RUN_TRIGGERS}

    schedule: str | None = None
    task: str | None = None
    queue: str | None = None
    state: str | None = Field(default=None, description="A state, active or problem")
    trigger: str | None = None
    q: str | None = Field(default=None, description="Part of error or summary", max_length=200)
    since: Moment | None = None
    ended: Moment | None = Field(default=None, description="Ended since then")
    upstream: str | None = Field(default=None, description="That batches of theirs wait for")

    @property
    def states(self) -> tuple[str, ...]:
        return GROUPS.get(self.state, (self.state,)) if self.state else ()

    def sources(self) -> tuple[list[str], list[str]]:
        """Conditions of what an index gives, in words of its predicate, and the others."""
        others = {name: condition for name, condition in _CONDITIONS.items() if getattr(self, name)}
        found = ["true"]
        if self.state == "active" or self.state in GROUPS["active"]:
            found = [f"state in ('due', 'running', 'held') and {others.pop('state')}"]
        elif self.schedule:
            found = [others.pop("schedule")]
        elif self.states and _FEW_STATES.issuperset(self.states):
            del others["state"]
            found = [_one_of_few("state", _FEW_STATES, one) for one in self.states]
        elif self.trigger in _FEW_TRIGGERS:
            del others["trigger"]
            found = [_one_of_few("trigger", _FEW_TRIGGERS, self.trigger)]
        return found, list(others.values())

    def read(self, connection: Connection, **given: Any) -> Piece:
        self.require_words()
        sources, others = self.sources()
        given |= {"states": list(self.states), "q": containing(self.q)}
        bounds = " and created_at >= :since" if self.since else ""
        if self.ended:
            # No index gives runs by their end; few take longer than days.
            bounds += " and created_at >= cast(:ended as timestamptz) - interval '7 days'"
        if self.place:
            bounds += " and (created_at, id) < (:before_at, :before_id)"
            given |= dict(zip(("before_at", "before_id"), self.place, strict=True))
        read = [f"select * from run where {one}{bounds}" for one in sources]  # noqa: S608 - texts from above
        return newest(connection, self, read, others, **given)


def _one_of_few(column: str, few: frozenset[str], wanted: str | None) -> str:
    listed = "', '".join(sorted(few))
    return f"{column} in ('{listed}') and {column} = '{wanted}'"


class Items(Asked):
    """Items of a run."""

    statement = "runs.items"
    order = {"seq": Number, "place": Number}

    state: str | None = Field(default=None, description="A state; ended: done, failed or deferred")
    batch: Number | None = None
    upstream: str | None = Field(default=None, description="That their batch waits for")
    error: str | None = None


def about(connection: Connection, number: UUID) -> dict[str, Any]:
    """Batches, what did not succeed by its error, and what people asked about a run."""
    parts = ("batches", "failures", "requests")
    return {part: sql.rows(connection, f"runs.{part}", id=number) for part in parts}


def strips(connection: Connection, names: Sequence[str]) -> dict[str, list[Row]]:
    """The last 24 runs of each schedule, the oldest first."""
    return {row["name"]: row["runs"] for row in sql.rows(connection, "runs.strips", names=list(names))}
