"""Rows of the tables that people own: read, made, changed, deleted, by the catalog's columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql

from console.forms import Column
from console.queries.runs import pattern
from console.refusals import Refusal, Refused, refuse
from tasks.watches.registry import by_domain
from workers.roles import FROZEN, PEOPLE

#: Edited on pages of their own.
_ELSEWHERE = frozenset({"schedule", "run_request", "pause_switch", "notice"})
_MACHINE = frozenset({"revision", "updated_by", "created_by"})
_quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]

_COLUMNS = text("""
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as nullable,
       pg_get_expr(d.adbin, d.adrelid) as default, col_description(a.attrelid, a.attnum) as comment,
       a.attidentity <> '' or a.attgenerated <> '' as generated,
       a.attnum = any(coalesce((select i.indkey::int2[] from pg_index i
              where i.indrelid = a.attrelid and i.indisprimary), '{}'))
           as in_key,
       (select array[r.relname::text, f.attname::text] from pg_constraint c
              join pg_class r on r.oid = c.confrelid
          join pg_attribute f on f.attrelid = c.confrelid and f.attnum = c.confkey[1]
         where c.conrelid = a.attrelid and c.contype = 'f' and c.conkey = array[a.attnum]) as points_to
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attrelid = to_regclass(:table) and a.attnum > 0 and not a.attisdropped
 order by a.attnum
""")


@cache
def editable() -> Mapping[str, str]:
    """Tables that the page of rows edits → what an operator may do there."""
    found = {name: verbs for name, verbs in PEOPLE.items() if name not in _ELSEWHERE}
    for watch in by_domain().values():
        found |= watch.tables
    return found


@dataclass(frozen=True)
class Table:
    name: str
    verbs: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    #: Column → table and column that it refers to.
    points_to: Mapping[str, tuple[str, str]]

    @property
    def shown(self) -> list[Column]:
        """Columns that people fill in."""
        frozen = FROZEN.get(self.name, ("", ()))[1]
        return [
            one
            for one in self.columns
            if not one.generated
            and one.name not in _MACHINE
            and (one.name not in frozen or one.name in self.key)
            and "clock_timestamp" not in (one.default or "")
        ]


def table(connection: Connection, name: str) -> Table:
    """The table of that name, if people own it."""
    if name not in editable():
        raise refuse(
            404, f"there is no page for table {name}", "One of " + ", ".join(sorted(editable()))
        )
    rows = connection.execute(_COLUMNS, {"table": f"public.{_quote(name)}"}).mappings().all()
    said = connection.execute(
        text("select obj_description(to_regclass(:table))"), {"table": f"public.{_quote(name)}"}
    )
    fields = ("name", "type", "nullable", "default", "comment", "generated")
    return Table(
        name,
        editable()[name],
        said.scalar_one() or "",
        tuple(Column(**{field: row[field] for field in fields}) for row in rows),
        tuple(row["name"] for row in rows if row["in_key"]),
        {row["name"]: tuple(row["points_to"]) for row in rows if row["points_to"]},
    )


def listed(connection: Connection, of: Table, q: str = "", limit: int = 200) -> list[dict[str, Any]]:
    """Rows of a table that contain ``q`` anywhere, by key."""
    where = "where t::text ilike :q" if q else ""
    order = ", ".join(f"t.{_quote(name)}" for name in of.key)
    found = connection.execute(
        text(f"select t.* from public.{_quote(of.name)} t {where} order by {order} limit :limit"),  # noqa: S608
        {"q": pattern(q), "limit": limit},
    )
    return [dict(row) for row in found.mappings()]


def one(connection: Connection, of: Table, key: Mapping[str, str]) -> dict[str, Any] | None:
    """A row and its ``version``: what it was when it was read; times and lengths as text."""
    where, values = _where(of, key)
    shown = ", ".join(
        f"t.{_quote(c.name)}::text" if c.type in _AS_TEXT else f"t.{_quote(c.name)}" for c in of.columns
    )
    found = connection.execute(
        text(
            f"select {shown}, md5(t::text) as version"  # noqa: S608 - names from the catalog, quoted
            f" from public.{_quote(of.name)} t where {where}"
        ),
        values,
    )
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


_AS_TEXT = frozenset({"interval", "timestamp with time zone", "date", "cidr"})


def insert(connection: Connection, of: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """A new row; its key."""
    given = {name: value for name, value in values.items() if value is not None}
    names = ", ".join(map(_quote, given))
    places = ", ".join(_place(of, name) for name in given)
    back = ", ".join(f"{_quote(name)}::text as {_quote(name)}" for name in of.key)
    what = f"({names}) values ({places})" if given else "default values"
    row = connection.execute(
        text(f"insert into public.{_quote(of.name)} {what} returning {back}"),
        _bound(of, given),
    )
    return dict(row.mappings().one())


def update(
    connection: Connection,
    of: Table,
    key: Mapping[str, str],
    values: Mapping[str, Any],
    version: str | None = None,
) -> None:
    """Change a row; refused (412) when it is no longer as it was read."""
    where, bound = _where(of, key)
    if version is not None:
        where += " and md5(t::text) = :version"
        bound["version"] = version
    sets = ", ".join(
        f"{_quote(name)} = {'default' if value is None and _falls_back(of, name) else _place(of, name)}"
        for name, value in values.items()
    )
    kept = {n: v for n, v in values.items() if not (v is None and _falls_back(of, n))}
    changed = connection.execute(
        text(f"update public.{_quote(of.name)} t set {sets} where {where}"),  # noqa: S608 - as above
        {**bound, **_bound(of, kept)},
    )
    if changed.rowcount == 0:
        raise _gone(connection, of, key)


def delete(connection: Connection, of: Table, key: Mapping[str, str]) -> None:
    where, bound = _where(of, key)
    done = connection.execute(text(f"delete from public.{_quote(of.name)} t where {where}"), bound)  # noqa: S608
    if done.rowcount == 0:
        raise _gone(connection, of, key)


def _gone(connection: Connection, of: Table, key: Mapping[str, str]) -> Refused:
    if one(connection, of, key) is None:
        return refuse(404, f"this row of {of.name} does not exist, or no longer")
    return Refused(
        Refusal(
            412, "it was changed meanwhile", hint="Below is the row as it is now; nothing was saved."
        )
    )


def _column(of: Table, name: str) -> Column:
    for column in of.columns:
        if column.name == name:
            return column
    raise refuse(422, f"{of.name} has no column {name}", column=name)


def _falls_back(of: Table, name: str) -> bool:
    column = _column(of, name)
    return not column.nullable and column.default is not None


def _place(of: Table, name: str) -> str:
    return f"cast(:v_{name} as {_column(of, name).type})"


def _bound(of: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    bound: dict[str, Any] = {}
    for name, value in values.items():
        as_json = _column(of, name).type in {"json", "jsonb"}
        is_plain = value is None or isinstance(value, bool | list)
        bound[f"v_{name}"] = (
            json.dumps(value) if as_json and value is not None else value if is_plain else str(value)
        )
    return bound


def _where(of: Table, key: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    missing = [name for name in of.key if name not in key]
    if missing:
        raise refuse(404, f"the key of {of.name} is {', '.join(of.key)}")
    where = " and ".join(
        f"t.{_quote(name)} = cast(:k_{name} as {_column(of, name).type})" for name in of.key
    )
    return where, {f"k_{name}": key[name] for name in of.key}
