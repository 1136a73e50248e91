"""Rows of tables that people own: watch lists, transactions, sites, rules, channels, quotas."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from console import cursors, rows
from console.access import Visit
from console.api import shapes
from console.api.shapes import Cursor, IfMatch, Limit, Page, Row
from console.queries.tables import owned
from console.refusals import refuse

router = APIRouter(tags=["tables"])

#: Those that have paths of their own.
_ELSEWHERE = {"schedule", "run_request", "pause_switch", "notice"}
_NAMES = sorted(owned().keys() - _ELSEWHERE)
TableName = StrEnum("TableName", {name: name for name in _NAMES})  # type: ignore[misc]
Key = Annotated[
    str, Path(description="The columns of its key, joined by commas: alpha_vantage,00:01:00")
]


def _key(visit: Visit, table: str, given: str) -> dict[str, str]:
    names = rows.table_of(visit.connection, table).key
    parts = given.split(",", len(names) - 1)
    if len(parts) != len(names):
        raise refuse(404, f"a row of {table} is known by {', '.join(names)}")
    return dict(zip(names, parts, strict=True))


@router.get("/tables/{table}")
def list_rows(visit: Visit, table: TableName, limit: Limit = 50, cursor: Cursor = None) -> Page:
    names = rows.table_of(visit.connection, table).key
    place = cursors.decode(cursor, len(names))
    after = dict(zip(names, map(str, place), strict=True)) if place else None
    found = rows.listed(visit.connection, table, limit, after)

    def key(one: shapes.Found) -> tuple[Any, ...]:
        return tuple(shapes.value(one[name]) for name in names)

    listed = shapes.page(found, limit, key)
    for shown, row in zip(listed.items, found, strict=False):
        shown["etag"] = row["etag"]
    return listed


@router.post("/tables/{table}", status_code=201, response_model=Row)
def create_row(visit: Visit, table: TableName, body: Row) -> Response:
    return shapes.tagged(rows.insert_row(visit.connection, table, body), 201)


@router.get("/tables/{table}/{key}", response_model=Row)
def read_row(visit: Visit, table: TableName, key: Key) -> Response:
    found = rows.get(visit.connection, table, _key(visit, table, key))
    return shapes.tagged(rows.present(found, table, {"key": key}))


@router.patch("/tables/{table}/{key}", response_model=Row)
def update_row(
    visit: Visit, table: TableName, key: Key, body: Row, if_match: IfMatch = None
) -> Response:
    tag = shapes.required(if_match)
    return shapes.tagged(rows.update_row(visit.connection, table, _key(visit, table, key), body, tag))


@router.delete("/tables/{table}/{key}", status_code=204)
def delete_row(visit: Visit, table: TableName, key: Key, if_match: IfMatch = None) -> None:
    tag = shapes.required(if_match)
    rows.delete_row(visit.connection, table, _key(visit, table, key), tag)
