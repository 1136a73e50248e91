"""Lists whose filters no index answers: read piece by piece, from the newest back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, text

#: Rows that one page looks at, at most; the next page goes on from there.
WINDOW = 20_000


class Piece(NamedTuple):
    """Rows that pass, and the place from which the next page goes on (None: there is none)."""

    rows: Sequence[RowMapping]
    after: tuple[Any, ...] | None


def like(part: str) -> str:
    """A LIKE pattern for "contains"."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def newest(
    connection: Connection,
    sources: Sequence[str],
    order: Sequence[str],
    others: Sequence[str],
    given: Mapping[str, Any],
    limit: int,
) -> Piece:
    """The newest rows of ``sources`` that meet ``others``, from at most `WINDOW` of them.

    An index gives each source, a SELECT without its end, in the order of the columns ``order``.
    """
    by = ", ".join(f"{column} desc" for column in order)
    columns = ", ".join(order)
    read = " union all ".join(f"({one} order by {by} limit :window)" for one in sources)
    window = WINDOW if others else limit + 1
    statement = f"""
select {columns}, fits, place = :window as is_end from (
    select {columns}, ({" and ".join(others) or "true"}) is true as fits,
           row_number() over (order by {by}) as place
      from ({read}) r order by {by} limit :window) seen
 where fits or place = :window order by {by} limit :most"""  # noqa: S608 - texts of the callers
    given = {**given, "window": window, "most": limit + 1}
    rows = connection.execute(text(statement), given).mappings().all()
    fitting = [row for row in rows if row["fits"]]
    if len(fitting) > limit:
        return Piece(fitting[:limit], _place(fitting[limit - 1], order))
    is_more = bool(others and rows and rows[-1]["is_end"])
    return Piece(fitting, _place(rows[-1], order) if is_more else None)


def _place(row: RowMapping, order: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[column] for column in order)
