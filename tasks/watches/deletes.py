"""Statements of retention: each deletes a limited number of rows and skips those that are locked.

Of a partitioned table the partitions are dropped whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tasks.watches.watch import Delete, Slice

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
    place, ordered = (order, f" order by {order}") if order else ("null", "")

    def from_(since: str) -> str:
        old = f"select {key}, {place} as place from {table} where ({where}){since}{ordered}"  # noqa: S608 - names from code
        return (
            f"with old as materialized ({old} limit :limit for update skip locked),"  # noqa: S608
            f" gone as (delete from {table} where ({key}) in (select {key} from old) returning 1)"
            " select (select count(*) from gone), max(place) from old"
        )

    first, further = from_(""), from_(f" and {place} >= :since")

    def delete(connection: Connection, asked: Slice) -> int:
        statement = first if asked.since is None else further
        deleted, last = _execute(connection, statement, asked).one()
        asked.since = asked.since if last is None else last
        return int(deleted)

    return delete


def _execute(connection: Connection, statement: str, asked: Slice) -> Any:
    # Commands read the watches too, and have no use for SQLAlchemy.
    from sqlalchemy import text

    what = {"before": asked.before, "limit": asked.limit, "since": asked.since}
    return connection.execute(text(statement), what)


def rows_with_children(table: str, key: str, where: str, children: tuple[str, ...]) -> Delete:
    def from_(since: str, child: str) -> str:
        return (
            f"with parent as materialized (select id from {table} where ({where}){since}"  # noqa: S608 - names from code
            " order by last_seen_at limit :limit for update skip locked)"
            f", child as materialized (select {child}.tableoid, {child}.ctid from parent"
            f" join {child} on {child}.{key} = parent.id limit :limit)"
            # A partitioned table has rows of one ctid in several partitions.
            f" delete from {child} using child"
            f" where {child}.tableoid = child.tableoid and {child}.ctid = child.ctid"
        )

    first = [from_("", child) for child in children]
    further = [from_(" and last_seen_at >= :since", child) for child in children]
    parents = rows(table, "id", where, "last_seen_at")

    def delete(connection: Connection, asked: Slice) -> int:
        left = replace(asked)
        for statement in first if asked.since is None else further:
            left.limit -= _execute(connection, statement, left).rowcount
            if not left.limit:
                return asked.limit
        deleted = asked.limit - left.limit + parents(connection, left)
        asked.since = left.since
        return deleted

    return delete


def whole_partitions(table: str) -> Delete:
    """Drop partitions of ``table`` that are old as a whole, one a transaction."""

    def delete(connection: Connection, asked: Slice) -> int:
        # As in _execute.
        from tasks.watches import partitions

        name, rows = partitions.drop(connection, table, asked.before, asked.limit)
        if name is None:
            return 0
        # Of the default partition rows are deleted. After one that was dropped there may be another.
        return rows if name == f"{table}_default" else max(rows, asked.limit)

    return delete
