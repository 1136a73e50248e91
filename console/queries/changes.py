"""The audit: who changed what, and whether it can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from console.queries.lists import Piece, newest
from console.sql import statement

_ROWS = statement("changes", "rows")


@dataclass(frozen=True)
class Filter:
    """Which changes; None: any."""

    table: str | None = None
    name: str | None = None
    by: str | None = None
    since: datetime | None = None
    operation: UUID | None = None


def listed(connection: Connection, chosen: Filter, limit: int = 50, before: int | None = None) -> Piece:
    """Changes that pass, the newest first, from before a number."""
    others = {"table": "table_name = :table", "name": "name = :name", "by": "changed_by = :by",
              "operation": "operation = :operation"}  # fmt: skip
    others = {
        name: condition for name, condition in others.items() if getattr(chosen, name) is not None
    }
    # An index finds those of an operation, and those of a row.
    by_index = (
        ("operation",)
        if chosen.operation
        else ("table", "name")
        if chosen.table and chosen.name
        else ()
    )
    bounds = [others.pop(name) for name in by_index]
    if chosen.since:
        # Numbers rise with the time.
        bounds.append(
            "id >= (select id from change where changed_at >= :since order by changed_at limit 1)"
        )
    if before is not None:
        bounds.append("id < :before")
    read = f"select * from change where {' and '.join(bounds) or 'true'}"  # noqa: S608 - texts from above
    given: dict[str, Any] = {**vars(chosen), "before": before}
    found = newest(connection, [read], ("id",), list(others.values()), given, limit)
    ids = [row["id"] for row in found.rows]
    return Piece(connection.execute(_ROWS, {"ids": ids}).mappings().all() if ids else [], found.after)
