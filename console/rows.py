"""Rows of tables that people own, by the database's names; it checks values and who may write them."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Table, Text, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB

from console import sql
from console.queries.lists import Piece, Search, cut, decode
from console.refusals import refuse
from console.sql import Row
from tasks.watches.comparing import containing
from workers.cli.output import plain
from workers.installation.domains import domains
from workers.roles import PEOPLE

Values = Mapping[str, Any]
T = TypeVar("T")
#: Tables as the catalog has them: the schema does not change under a running program.
_known: dict[str, Table] = {}


@cache
def owned() -> dict[str, str]:
    """Tables that people own → what an operator may do there."""
    return {**PEOPLE, **{name: may for one in domains().values() for name, may in one.tables.items()}}


@cache
def listed_tables() -> list[str]:
    """Those that have no pages and paths of their own."""
    return sorted(owned().keys() - {"schedule", "run_request", "pause_switch", "notice"})


def preset(column: Column[Any]) -> str | None:
    """The expression of a column's default."""
    default: Any = column.server_default
    return str(default.arg) if isinstance(default, sa.DefaultClause) else None


def present(found: T | None, name: str, key: Values) -> T:
    """What was found; refused when nothing was."""
    if found is None:
        raise refuse(404, f'no {name} "{_named(key)}"')
    return found


class Rows:
    """The rows of one table."""

    def __init__(self, connection: Connection, name: str) -> None:
        if name not in owned():
            raise refuse(404, f"people own no table {name}")
        if name not in _known:
            _known[name] = Table(name, sa.MetaData(), autoload_with=connection, resolve_fks=False)
        self.table, self.name, self._connection = _known[name], name, connection
        self.columns = self.table.columns
        self.key = [column.name for column in self.columns if column.primary_key]
        #: What identifies one state of a row: the revision, or the hash of all its columns.
        state = func.md5(cast(func.to_jsonb(self.table.table_valued()), Text))
        kept = cast(self.columns.revision, Text) if "revision" in self.columns else state
        self._shown = (kept.label("etag"), sa.text("*"))

    def get(self, key: Values) -> Row:
        asked = select(*self._shown).select_from(self.table).where(*self._at(key))
        return present(sql.first(self._connection, asked), self.name, key)

    def listed(self, asked: Search, having: Values | None = None) -> Piece:
        """Rows by their key: those that hold the text ``q``, and whose columns have these values."""
        columns = [self.columns[one] for one in self.key]
        wanted = select(*self._shown).select_from(self.table).order_by(*columns).limit(asked.limit + 1)
        if place := decode(asked.cursor, *[str | float] * len(columns)):
            given = self._given(dict(zip(self.key, place, strict=True)))
            wanted = wanted.where(sa.tuple_(*columns) > sa.tuple_(*given.values()))
        given = self._given(having or {})
        wanted = wanted.where(*(self.columns[one] == value for one, value in given.items()))
        if asked.q:
            wanted = wanted.where(cast(self.table.table_valued(), Text).ilike(containing(asked.q)))
        return cut(sql.rows(self._connection, wanted), asked.limit, *self.key)

    def insert(self, values: Values) -> Row:
        made = sa.insert(self.table).values(self._given(values)).returning(*self._shown)
        return present(sql.first(self._connection, made), self.name, values)

    def update(self, key: Values, values: Values, etag: str | None = None) -> Row:
        """Edit a row; with ``etag`` only if nobody has edited it since."""
        given = self._given(values)
        self._require(key, etag)
        if not given:
            return self.get(key)
        edited = sa.update(self.table).where(*self._at(key)).values(given).returning(*self._shown)
        return present(sql.first(self._connection, edited), self.name, key)

    def delete(self, key: Values, etag: str | None = None) -> None:
        self._require(key, etag)
        done = self._connection.execute(sa.delete(self.table).where(*self._at(key)))
        present(done.rowcount or None, self.name, key)

    def _require(self, key: Values, etag: str | None) -> None:
        """Lock the row and compare; 412 when it is not the one that was read."""
        if etag is None:
            return
        locked = select(self._shown[0]).where(*self._at(key)).with_for_update()
        found = present(self._connection.execute(locked).scalar_one_or_none(), self.name, key)
        if found != etag:
            what = f"{self.name} {_named(key)} was changed meanwhile"
            raise refuse(412, what, "Read it again, then edit that.")

    def _at(self, key: Values) -> list[Any]:
        if set(key) != set(self.key):
            raise refuse(422, f"a row of {self.name} is known by {', '.join(self.key)}")
        if self.name == "schedule":
            # An unknown name is refused in the database's words, with names like it.
            sql.first(self._connection, "writes.require", **key)
        return [self.columns[name] == value for name, value in self._given(key).items()]

    def _given(self, values: Values) -> dict[str, Any]:
        """Expressions of values by column; refused when there is no such column."""
        if unknown := sorted(set(values) - set(self.columns.keys())):
            known, first = ", ".join(self.columns.keys()), unknown[0]
            raise refuse(422, f"{self.name} has no column {first}", f"It has: {known}", first)
        return {name: _expression(self.columns[name], value) for name, value in values.items()}


def _expression(column: Column[Any], value: Any) -> Any:
    """A value, which Postgres reads from text."""
    if isinstance(value, list | dict) and not isinstance(column.type, sa.ARRAY | JSONB):
        kind = "a list" if isinstance(value, list) else "an object"
        raise refuse(422, f"{column.key} cannot be {kind}", "Give one value.", column.key)
    if not isinstance(value, str | None):
        value = json.dumps(value) if isinstance(value, bool | list | dict) else str(plain(value))
    # The parameter is named by its column and a number.
    written = sa.bindparam(column.key, value, Text, unique=True)
    if not isinstance(column.type, sa.ARRAY) or value is None:
        return cast(written, column.type)
    # Given as JSON, so that an element may hold anything.
    elements = select(func.jsonb_array_elements_text(cast(written, JSONB)))
    return cast(func.array(elements.scalar_subquery()), column.type)


def _named(key: Values) -> str:
    return " / ".join(map(str, key.values()))
