"""The audit: who changed what, and whether it can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


@dataclass(frozen=True)
class Filter:
    table: str | None = None
    name: str | None = None
    by: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    operation: UUID | None = None


_CONDITIONS = {
    "table": "c.table_name = :table",
    "name": "c.name = :name",
    "by": "c.changed_by = :by",
    "since": "c.changed_at >= :since",
    "until": "c.changed_at < :until",
    "operation": "c.operation = :operation",
}


def listed(
    connection: Connection, chosen: Filter, limit: int = 50, before: int | None = None
) -> Sequence[RowMapping]:
    """Changes that pass, the newest first; one more than ``limit`` if there are."""
    given: dict[str, Any] = {
        name: value for name in _CONDITIONS if (value := getattr(chosen, name)) is not None
    }
    conditions = [_CONDITIONS[name] for name in given]
    if before is not None:
        conditions.append("c.id < :before")
        given["before"] = before
    statement = text(f"""
select c.id, c.changed_at, c.changed_by, c.program, c.table_name as table, c.key, c.name, c.action,
       c.old, c.new, c.operation, c.undo_of,
       exists (select from change u where u.undo_of = c.id) as undone
  from change c where {" and ".join(conditions) or "true"} order by c.id desc limit :limit
""")  # noqa: S608 - conditions from above
    return connection.execute(statement, {**given, "limit": limit + 1}).mappings().all()


def one(connection: Connection, number: int) -> RowMapping | None:
    found = listed(connection, Filter(), 1, number + 1)
    return found[0] if found and found[0]["id"] == number else None
