"""Tables that people own, as the database describes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection

from console.sql import statement
from workers.installation.domains import domains
from workers.roles import PEOPLE

_COLUMNS = statement("tables", "columns")


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    nullable: bool
    preset: str | None
    #: Numbered by the database.
    numbered: bool
    comment: str | None
    in_key: bool


@dataclass(frozen=True)
class Table:
    name: str
    columns: dict[str, Column]

    @property
    def key(self) -> list[str]:
        return [one.name for one in self.columns.values() if one.in_key]

    @property
    def has_revision(self) -> bool:
        return "revision" in self.columns


@cache
def owned() -> dict[str, str]:
    """Tables that people own → what an operator may do there."""
    return {**PEOPLE, **{name: may for one in domains().values() for name, may in one.tables.items()}}


_known: dict[str, Table] = {}


def described(connection: Connection, name: str) -> Table:
    """The table's columns; kept, since the schema does not change under a running program."""
    if name not in _known:
        rows = connection.execute(_COLUMNS, {"name": name}).mappings()
        _known[name] = Table(name, {row["name"]: Column(**row) for row in rows})
    return _known[name]
