"""The audit: who changed what, and whether it can be undone."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from console import sql
from console.queries.lists import Asked, Moment, Number, Piece, decode, newest

#: Fields of the filter → columns.
_COLUMNS = {"table": "table_name", "name": "name", "by": "changed_by", "operation": "operation"}
_SINCE = "id >= (select id from change where changed_at >= :since order by changed_at limit 1)"


class Filter(Asked):
    """Which changes; None: any."""

    table: str | None = None
    name: str | None = None
    by: str | None = None
    since: Moment | None = None
    operation: UUID | None = None


def listed(connection: Connection, asked: Filter) -> Piece:
    given = asked.model_dump()
    others = {one: f"{is_} = :{one}" for one, is_ in _COLUMNS.items() if given[one] is not None}
    # An index finds those of an operation, and those of a row.
    by_row = ("table", "name") if asked.table and asked.name else ()
    bounds = [others.pop(one) for one in (("operation",) if asked.operation else by_row)]
    if asked.since:
        # Numbers rise with the time.
        bounds.append(_SINCE)
    if (before := decode(asked.cursor, Number)) is not None:
        bounds.append("id < :before")
        given["before"] = before[0]
    read = f"select * from change where {' and '.join(bounds) or 'true'}"  # noqa: S608 - texts from above
    found = newest(connection, [read], ("id",), list(others.values()), given, asked.limit)
    return Piece(
        sql.rows(connection, "changes.rows", ids=[one["id"] for one in found.rows]), found.after
    )
