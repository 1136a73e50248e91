"""Statements of retention: each deletes a limited number of rows and skips those that are locked.

Of a partitioned table the partitions are dropped whole.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tasks.watches.watch import Delete

if TYPE_CHECKING:
    from sqlalchemy import Connection


def points_to(subject: str, key: str) -> str:
    """SQL condition: a match refers to the row whose key is in column ``key``."""
    return (
        f"exists (select from match where match.subject = '{subject}'"
        f" and match.subject_id = {key}::text)"
    )


def rows(table: str, key: str, where: str, order: str | None = None) -> Delete:
    """Delete rows of ``table`` that ``where`` names, in an ``order`` that has an index.

    Without ``order`` the table is read until enough rows are found.
    """
    ordered = f"order by {order}" if order else ""
    statement = (
        f"delete from {table} where ({key}) in (select {key} from {table} where {where}"  # noqa: S608 - names from code
        f" {ordered} limit :limit for update skip locked)"
    )

    def delete(connection: Connection, before: datetime, limit: int) -> int:
        return _execute(connection, statement, before, limit)

    return delete


def _execute(connection: Connection, statement: str, before: datetime, limit: int) -> int:
    # Commands read the watches too, and have no use for SQLAlchemy.
    from sqlalchemy import text

    return connection.execute(text(statement), {"before": before, "limit": limit}).rowcount


def rows_with_children(table: str, key: str, where: str, children: tuple[str, ...]) -> Delete:
    oldest = f"select id from {table} where {where} order by last_seen_at limit :limit"  # noqa: S608 - names from code
    statements = [
        (
            f"with parent as materialized ({oldest} for update skip locked)"  # noqa: S608
            f", child as materialized (select {child}.tableoid, {child}.ctid from parent"
            f" join {child} on {child}.{key} = parent.id limit :limit)"
            # A partitioned table has rows of one ctid in several partitions.
            f" delete from {child} using child"
            f" where {child}.tableoid = child.tableoid and {child}.ctid = child.ctid"
        )
        for child in children
    ]
    parents = rows(table, "id", where, "last_seen_at")

    def delete(connection: Connection, before: datetime, limit: int) -> int:
        deleted = 0
        for statement in statements:
            deleted += _execute(connection, statement, before, limit - deleted)
            if deleted == limit:
                return deleted
        return deleted + parents(connection, before, limit - deleted)

    return delete


def whole_partitions(table: str) -> Delete:
    """Drop partitions of ``table`` that are old as a whole, one a transaction."""

    def delete(connection: Connection, before: datetime, limit: int) -> int:
        # As in _execute.
        from tasks.watches import partitions

        name, rows = partitions.drop(connection, table, before, limit)
        if name is None:
            return 0
        # Of the default partition rows are deleted. After one that was dropped there may be another.
        return rows if name == f"{table}_default" else max(rows, limit)

    return delete
