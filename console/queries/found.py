"""What the watches found, read as their descriptors say, and what rules matched."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlalchemy import Connection, Row, text

from console import sql
from console.queries.lists import Asked, Piece, cut, decode, like, numbered
from tasks.watches.watch import Panel, Watch

#: Rows of a watch that declares no page of its own.
MAX_ROWS = 200


class Filter(Asked):
    """Which of the things that a watch found."""

    q: str | None = Field(default=None, max_length=200)


class MatchFilter(Filter):
    """Which matches."""

    rule: str | None = None


def matches(connection: Connection, asked: MatchFilter) -> Piece:
    return numbered(connection, "notices.matches", asked, rule=asked.rule, q=like(asked.q))


def listed(connection: Connection, watch: Watch, asked: Filter) -> Piece:
    """The newest first; of a watch without a page, key, title and the descriptor's columns."""
    if watch.pages is None:
        return Piece(_described(connection, watch, asked.q or ""), None)
    after = decode(asked.cursor, int if watch.has_number_key else str) or (None,)
    given = {"q": like(asked.q), "limit": asked.limit + 1, "after": after[0] and str(after[0])}
    return cut(sql.rows(connection, text(watch.pages.found), **given), asked.limit, "key")


def _described(connection: Connection, watch: Watch, q: str) -> list[sql.Row]:
    limited = f"select * from ({watch.rows}) found limit {MAX_ROWS}"  # noqa: S608 - SQL of the descriptor
    rows = connection.execute(text(limited), {"span": None, "key": None, "rule": None})
    return [row for row in map(watch.described, rows) if q.lower() in row["title"].lower()]


def one(connection: Connection, watch: Watch, key: str, rule: str | None = None) -> Row[Any] | None:
    """The row of one thing; None also where no key can be like that."""
    if watch.has_number_key and not (key.isdecimal() and len(key) < 19):
        return None
    return connection.execute(text(watch.rows), {"span": None, "key": key, "rule": rule}).first()


def panels(connection: Connection, watch: Watch, key: str) -> list[tuple[Panel, list[sql.Row]]]:
    """The descriptor's panels of one thing."""
    shown = watch.pages.details if watch.pages else ()
    return [(panel, sql.rows(connection, text(panel.sql), key=key)) for panel in shown]
