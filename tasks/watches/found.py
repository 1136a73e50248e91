"""What the watches found, read as their descriptors say, by SQLAlchemy."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from tasks.watches.comparing import containing
from tasks.watches.watch import Panel, Watch

Rows = list[dict[str, Any]]
#: Rows of a watch that declares no page of its own, and rows that a rule is tried on.
MAX_ROWS, MAX_TRIED = 200, 20_000


def listed(connection: Connection, watch: Watch, q: str, after: str | None, limit: int) -> Rows:
    """The newest first; of a watch without a page, key, title and the descriptor's columns."""
    if watch.pages is not None:
        given = {"q": containing(q), "after": after, "limit": limit}
        return [dict(row) for row in connection.execute(text(watch.pages.found), given).mappings()]
    rows = map(watch.described, seen(connection, watch, limit=MAX_ROWS))
    return [row for row in rows if q.lower() in row["title"].lower()]


def seen(
    connection: Connection,
    watch: Watch,
    span: timedelta | None = None,
    rule: str | None = None,
    limit: int = MAX_TRIED,
) -> list[Row[Any]]:
    """Rows of a watch seen within ``span``, as ``rule`` sees them now."""
    limited = f"select * from ({watch.rows}) found limit {limit}"  # noqa: S608 - SQL of the descriptor
    return list(connection.execute(text(limited), {"span": span, "key": None, "rule": rule}))


def one(connection: Connection, watch: Watch, key: str, rule: str | None = None) -> Row[Any] | None:
    """The row of one thing; None also where no key can be like that."""
    if watch.has_number_key and not (key.isdecimal() and len(key) < 19):
        return None
    return connection.execute(text(watch.rows), {"span": None, "key": key, "rule": rule}).first()


def panels(connection: Connection, watch: Watch, key: str) -> list[tuple[Panel, Rows]]:
    """The descriptor's panels of one thing."""
    return shown(connection, watch.pages.details if watch.pages else (), key=key)


def thing(
    connection: Connection, watch: Watch, key: str
) -> tuple[str, list[tuple[Panel, Rows]]] | None:
    """Title and panels of one thing, also of what was asked for and never found; None: not known."""
    row = one(connection, watch, key)
    if row is None and (watch.pages is None or watch.has_number_key):
        return None
    facts = [(Panel("Facts", "", "facts"), [dict(watch.fields_of(row))] if row else [])]
    known = panels(connection, watch, key) if watch.pages else facts
    if row is None:
        return (key, known) if any(rows for _, rows in known) else None
    return watch.title_of(row), known


def shown(connection: Connection, panels: tuple[Panel, ...], **given: Any) -> list[tuple[Panel, Rows]]:
    return [
        (panel, [dict(row) for row in connection.execute(text(panel.sql), given).mappings()])
        for panel in panels
    ]
