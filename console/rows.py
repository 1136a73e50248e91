"""Rows of tables that people own: read, made, edited and deleted by the names of their columns.

The database checks every value and who may write it; names of tables and columns are its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Text, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

from console import sql
from console.queries.lists import Asked, Piece, cut, decode
from console.refusals import refuse
from console.sql import Row
from workers.cli.output import plain
from workers.installation.domains import domains
from workers.roles import PEOPLE

Values = Mapping[str, Any]
T = TypeVar("T")
ALL = sa.text("*")


class Named(UserDefinedType[Any]):
    """A type by the name that the catalog gives it."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


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

    def given(self, value: Any) -> Any:
        """The expression of a value, which Postgres reads from text."""
        written = sa.literal(_written(value), Text)
        if not self.type.endswith("[]") or value is None:
            return cast(written, Named(self.type))
        # Given as JSON, so that an element may hold anything.
        elements = select(func.jsonb_array_elements_text(cast(written, JSONB)))
        return cast(func.array(elements.scalar_subquery()), Named(self.type))


@dataclass(frozen=True)
class Table:
    name: str
    columns: dict[str, Column]

    @property
    def key(self) -> list[str]:
        return [one.name for one in self.columns.values() if one.in_key]

    @cached_property
    def core(self) -> Any:
        return sa.table(self.name, *map(sa.column, self.columns))

    @property
    def etag(self) -> Any:
        """What identifies one state of a row: the revision, or the hash of all its columns."""
        core = self.core
        if "revision" in self.columns:
            return cast(core.c.revision, Text).label("etag")
        return func.md5(cast(func.to_jsonb(core.table_valued()), Text)).label("etag")

    def given(self, values: Values) -> dict[str, Any]:
        """Values by column; refused when there is no such column."""
        if unknown := sorted(set(values) - set(self.columns)):
            known, first = ", ".join(self.columns), unknown[0]
            raise refuse(422, f"{self.name} has no column {first}", f"It has: {known}", first)
        return {name: self.columns[name].given(value) for name, value in values.items()}

    def at(self, key: Values) -> list[Any]:
        if set(key) != set(self.key):
            raise refuse(422, f"a row of {self.name} is known by {', '.join(self.key)}")
        return [self.core.c[name] == value for name, value in self.given(key).items()]


@cache
def owned() -> dict[str, str]:
    """Tables that people own → what an operator may do there."""
    return {**PEOPLE, **{name: may for one in domains().values() for name, may in one.tables.items()}}


_known: dict[str, Table] = {}


def table_of(connection: Connection, name: str) -> Table:
    """The table's columns; kept, since the schema does not change under a running program."""
    if name not in owned():
        raise refuse(404, f"people own no table {name}")
    if name not in _known:
        rows = sql.rows(connection, "tables.columns", name=name)
        _known[name] = Table(name, {row["name"]: Column(**row) for row in rows})
    return _known[name]


def get(connection: Connection, name: str, key: Values) -> Row:
    of = table_of(connection, name)
    asked = select(of.etag, ALL).select_from(of.core).where(*of.at(key))
    return present(sql.first(connection, asked), name, key)


def listed(connection: Connection, name: str, asked: Asked) -> Piece:
    of = table_of(connection, name)
    columns = [of.core.c[one] for one in of.key]
    wanted = select(of.etag, ALL).select_from(of.core).order_by(*columns).limit(asked.limit + 1)
    if place := decode(asked.cursor, *[str | float] * len(columns)):
        given = of.given(dict(zip(of.key, place, strict=True)))
        wanted = wanted.where(sa.tuple_(*columns) > sa.tuple_(*given.values()))
    return cut(sql.rows(connection, wanted), asked.limit, *of.key)


def insert_row(connection: Connection, name: str, values: Values) -> Row:
    of = table_of(connection, name)
    made = sa.insert(of.core).values(of.given(values)).returning(of.etag, ALL)
    return present(sql.first(connection, made), name, values)


def update_row(
    connection: Connection, name: str, key: Values, values: Values, etag: str | None = None
) -> Row:
    """Edit a row; with ``etag`` only if nobody has edited it since."""
    of = table_of(connection, name)
    given = of.given(values)
    _require(connection, of, key, etag)
    if not given:
        return get(connection, name, key)
    edited = sa.update(of.core).where(*of.at(key)).values(given).returning(of.etag, ALL)
    return present(sql.first(connection, edited), name, key)


def delete_row(connection: Connection, name: str, key: Values, etag: str | None = None) -> None:
    of = table_of(connection, name)
    _require(connection, of, key, etag)
    done = connection.execute(sa.delete(of.core).where(*of.at(key)))
    present(done.rowcount or None, name, key)


def _require(connection: Connection, of: Table, key: Values, etag: str | None) -> None:
    """Lock the row and compare; 412 when it is not the one that was read."""
    if etag is None:
        return
    locked = select(of.etag).where(*of.at(key)).with_for_update()
    found = present(connection.execute(locked).scalar_one_or_none(), of.name, key)
    if found != etag:
        what = f"{of.name} {_named(key)} was changed meanwhile"
        raise refuse(412, what, "Read it again, then edit that.")


def _named(key: Values) -> str:
    return " / ".join(map(str, key.values()))


def present(found: T | None, name: str, key: Values) -> T:
    """What was found; refused when nothing was."""
    if found is None:
        raise refuse(404, f'no {name} "{_named(key)}"')
    return found


def _written(value: Any) -> str | None:
    """A value as text that Postgres reads; null stays null."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(plain(value))
