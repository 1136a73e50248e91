"""Rows of tables that people own: a list, and a form for each row, from the catalog."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection, text
from starlette.responses import RedirectResponse, Response

from console import forms
from console.access import Visit, VisitOf
from console.pages import catalog as rows
from console.pages import layout, rules
from console.pages.catalog import Table
from console.refusals import Refusal, Refused, attempt, refuse
from tasks.watches.registry import by_domain

router = APIRouter(prefix="/tables")
Form = Annotated[Mapping[str, list[str]], Depends(layout.form_of)]
#: A comment lists the words of a column: "waiting | sending | sent".
_WORDS = re.compile(r"[a-z_]+(?: \| [a-z_]+)+")
MAX_CHOICES = 300


@router.get("/{name}")
def list_page(visit: Visit, name: str, q: str = "") -> Response:
    of = rows.table(visit.connection, name)
    found = rows.listed(visit.connection, of, q)
    columns = [
        one.name for one in of.columns if one.name not in {"updated_at", "created_at", "revision"}
    ]
    states = _rule_states(visit.connection) if name == "rule" else {}
    return layout.page(
        visit,
        "table.html",
        table=of,
        rows=found,
        columns=columns[:9],
        q=q,
        states=states,
        key_of=key_query,
    )


def key_query(of: Table, row: Mapping[str, Any]) -> str:
    return urlencode({name: str(row[name]) for name in of.key})


def _rule_states(connection: Connection) -> dict[str, Any]:
    found = connection.execute(text("select name, state, wrong_at, hint from rule_status"))
    return {row["name"]: row for row in found.mappings()}


def _fields(visit: VisitOf, of: Table, row: Mapping[str, Any], *, new: bool) -> list[forms.Field]:
    made = []
    for column in of.shown:
        if column.name in of.key and not new and column.name not in _movable(of):
            continue
        value = row.get(column.name)
        field = forms.column_field(column, value, _choices(visit.connection, of, column.name))
        words = _WORDS.search(column.comment or "")
        if field.kind == "text" and words:
            field = replace(field, suggestions=tuple(words[0].split(" | ")))
        if new and value is None and column.default and field.kind in {"text", "number"}:
            field = replace(field, placeholder=_default_words(column.default))
        made.append(field)
    return made


def _default_words(expression: str) -> str:
    return re.sub(r"::[a-z ]+(\[\])?$", "", expression).strip("'")


def _movable(of: Table) -> tuple[str, ...]:
    """Columns of a key that an edit may change: a quota's window."""
    return tuple(name for name in of.key if name == "per")


def _choices(connection: Connection, of: Table, column: str) -> list[tuple[str, str]]:
    """Values of the row that a column refers to, if they are few."""
    if column not in of.points_to:
        return []
    table, key = of.points_to[column]
    words = "coalesce(title, slug) || ' · ' || site" if table == "category" else f"{key}::text"
    found = connection.execute(
        text(
            f"select {key}::text as value, {words} as words from {table}"  # noqa: S608 - names from the catalog
            f" order by 2 limit {MAX_CHOICES + 1}"
        )
    ).all()
    return [] if len(found) > MAX_CHOICES else [(one.value, one.words) for one in found]


@router.get("/{name}/new")
def new_page(visit: Visit, name: str, request: Request) -> Response:
    of = rows.table(visit.connection, name)
    return _form_page(visit, of, _fields(visit, of, dict(request.query_params), new=True), key=None)


@router.get("/{name}/row")
def row_page(visit: Visit, name: str, request: Request, saved: str = "") -> Response:
    of = rows.table(visit.connection, name)
    key = {part: request.query_params.get(part, "") for part in of.key}
    row = _read(visit, of, key)
    return _form_page(visit, of, _fields(visit, of, row, new=False), key=key, row=row, saved=saved)


def _read(visit: VisitOf, of: Table, key: Mapping[str, str]) -> dict[str, Any]:
    with attempt(visit.connection):
        row = rows.one(visit.connection, of, key)
    if row is None:
        raise refuse(404, f"this row of {of.name} does not exist, or no longer")
    return row


def _form_page(
    visit: VisitOf,
    of: Table,
    fields: Sequence[forms.Field],
    *,
    key: Mapping[str, str] | None,
    row: Mapping[str, Any] | None = None,
    refusal: Refusal | None = None,
    saved: str = "",
) -> Response:
    at = _place(fields, refusal)
    title = " ".join(str(value) for value in (key or {}).values()) or f"New {of.name.replace('_', ' ')}"
    return layout.page(
        visit,
        "table_row.html",
        refusal.status if refusal else 200,
        table=of,
        fields=fields,
        key=key,
        key_query=urlencode(key or {}),
        title=title,
        version=(row or {}).get("version", ""),
        refusal=refusal,
        at=at,
        saved=saved,
        state=_rule_states(visit.connection).get((key or {}).get("name", ""))
        if of.name == "rule"
        else None,
        has_preview=any(
            of.name in watch.pages.previews for watch in by_domain().values() if watch.pages
        ),
    )


def _place(fields: Sequence[forms.Field], refusal: Refusal | None) -> str | None:
    """The field that a refusal is about: the column it names, else one that its message begins with."""
    if refusal is None:
        return None
    names = {one.name for one in fields}
    if refusal.column in names:
        return refusal.column
    return next((name for name in names if re.match(rf'"?{name}\b', refusal.message)), None)


@router.post("/{name}/new")
def create(visit: Visit, name: str, form: Form) -> Response:
    of = rows.table(visit.connection, name)
    fields = _fields(visit, of, {}, new=True)
    values = _values(fields, form)
    try:
        _check(visit, of, values)
        with attempt(visit.connection):
            key = rows.insert(visit.connection, of, values)
    except Refused as refused:
        return _form_page(visit, of, forms.filled(fields, form), key=None, refusal=refused.refusal)
    return RedirectResponse(f"/tables/{name}/row?{urlencode(key)}&saved=made", 303)


@router.post("/{name}/row")
def change(visit: Visit, name: str, request: Request, form: Form) -> Response:
    of = rows.table(visit.connection, name)
    key = {part: request.query_params.get(part, "") for part in of.key}
    fields = _fields(visit, of, _read(visit, of, key), new=False)
    values = _values(fields, form)
    try:
        if not form.get("delete"):
            _check(visit, of, {**key, **values})
        with attempt(visit.connection):
            if form.get("delete"):
                rows.delete(visit.connection, of, key)
                return RedirectResponse(f"/tables/{name}", 303)
            rows.update(
                visit.connection, of, key, values, form["version"][-1] if "version" in form else None
            )
    except Refused as refused:
        row = rows.one(visit.connection, of, key)
        shown = forms.filled(fields, form)
        return _form_page(visit, of, shown, key=key, row=row, refusal=refused.refusal)
    moved = {part: str(values.get(part) or key[part]) for part in of.key}
    return RedirectResponse(f"/tables/{name}/row?{urlencode(moved)}&saved=saved", 303)


def _check(visit: VisitOf, of: Table, values: Mapping[str, Any]) -> None:
    """A rule that cannot be read is not saved: its error stands at its place."""
    refusal = rules.check(visit, values) if of.name == "rule" else None
    if refusal is not None:
        raise Refused(refusal)


def _values(fields: Sequence[forms.Field], form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {one.name: forms.parse(one, form.get(one.name, ())) for one in fields}


@router.get("/{name}/preview")
def preview_page(visit: Visit, name: str, request: Request) -> Response:
    of = rows.table(visit.connection, name)
    key = {part: request.query_params.get(part, "") for part in of.key}
    return layout.page(
        visit, "table_preview.html", table=of, key=key, found=None, text="", refusal=None
    )


@router.post("/{name}/preview")
def preview(visit: Visit, name: str, request: Request, form: Form) -> Response:
    """What a row would find in a page that was pasted; nothing is called and nothing stored."""
    of = rows.table(visit.connection, name)
    key = {part: request.query_params.get(part, "") for part in of.key}
    given = (form.get("text") or [""])[0]
    found, refusal = None, None
    for watch in by_domain().values():
        if watch.pages and name in watch.pages.previews:
            try:
                found = watch.pages.previews[name](visit.connection, next(iter(key.values())), given)
            except Exception as error:  # whatever a pasted page does to a parser is said, not raised
                refusal = Refusal(422, f"the page could not be read: {error}")
    return layout.page(
        visit, "table_preview.html", table=of, key=key, found=found, text=given, refusal=refusal
    )
