"""Rows of tables that people own: a list, and a form for each row, from the catalog."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from sqlalchemy import Connection, text
from starlette.responses import RedirectResponse, Response

from console import forms, rows
from console.access import Visit, VisitOf
from console.pages import layout, rules
from console.pages.layout import Form
from console.queries.lists import like
from console.queries.tables import Table, described, owned
from console.refusals import Refusal, Refused, attempt, refuse
from console.sql import statement
from tasks.watches.registry import by_domain
from workers.roles import FROZEN
from workers.text.words import duration_words

router = APIRouter(prefix="/tables")
#: A comment lists the words of a column: "waiting | sending | sent".
_WORDS = re.compile(r"[a-z_]+(?: \| [a-z_]+)+")
MAX_CHOICES = 300


_LIMIT = 200
#: Edited on pages of their own.
_ELSEWHERE = frozenset({"schedule", "run_request", "pause_switch", "notice"})
_MACHINE = frozenset({"revision", "updated_by", "created_by"})
_POINTS_TO = statement("tables", "points_to")
_COMMENT = text("select obj_description(to_regclass('public.' || quote_ident(:name)))")


def table_of(visit: VisitOf, name: str) -> Table:
    """The table of that name, if people own it and it has no page of its own."""
    if name not in owned() or name in _ELSEWHERE:
        known = ", ".join(sorted(set(owned()) - _ELSEWHERE))
        raise refuse(404, f"there is no page for table {name}", f"One of {known}")
    return described(visit.connection, name)


@router.get("/{name}")
def list_page(visit: Visit, name: str, q: str = "") -> Response:
    of = table_of(visit, name)
    order = ", ".join(f'"{one}"' for one in of.key)
    statement = f'select * from "{of.name}" t where t::text ilike :q order by {order} limit {_LIMIT}'  # noqa: S608
    columns = [one for one in of.columns if one not in {"updated_at", "created_at", "revision"}]
    return layout.page(
        visit,
        "table.html",
        table=of,
        verbs=owned()[name],
        comment=visit.connection.execute(_COMMENT, {"name": name}).scalar_one(),
        rows=layout.dicts(visit.connection.execute(text(statement), {"q": like(q)})),
        columns=columns[:9],
        q=q,
        states=_rule_states(visit.connection) if name == "rule" else {},
        key_of=key_query,
    )


def key_query(of: Table, row: Mapping[str, Any]) -> str:
    written = {
        name: duration_words(row[name]) if isinstance(row[name], timedelta) else row[name]
        for name in of.key
    }
    return urlencode(written)


def _rule_states(connection: Connection) -> dict[str, Any]:
    found = connection.execute(text("select name, state, wrong_at, hint from rule_status"))
    return {row["name"]: row for row in found.mappings()}


def _fields(visit: VisitOf, of: Table, row: Mapping[str, Any], *, new: bool) -> list[forms.Field]:
    """Fields of the columns that people fill in; the key is given once, but for a quota's window."""
    frozen = FROZEN.get(of.name, ("", ()))[1]
    points = {one.name: one for one in visit.connection.execute(_POINTS_TO, {"name": of.name})}
    made = []
    for column in of.columns.values():
        is_key = column.in_key and (new or column.name == "per")
        preset = column.preset or ""
        is_machines = column.numbered or column.name in _MACHINE or "clock_timestamp" in preset
        if is_machines or (column.in_key and not is_key) or (column.name in frozen and not is_key):
            continue
        value = row.get(column.name)
        choices = _choices(visit.connection, points[column.name]) if column.name in points else []
        field = forms.column_field(column, value, choices)
        listed = _WORDS.search(column.comment or "")
        if field.kind == "text" and listed:
            field = replace(field, suggestions=tuple(listed[0].split(" | ")))
        if new and value is None:
            field = replace(field, placeholder=forms.default_words(column.preset))
        made.append(field)
    return made


def _choices(connection: Connection, to: Any) -> list[tuple[str, str]]:
    """Values of the row that a column refers to, if they are few."""
    said = "coalesce(title, slug) || ' · ' || site" if to.table == "category" else f'"{to.key}"::text'
    statement = (
        f'select "{to.key}"::text as value, {said} as words'  # noqa: S608 - names from the catalog
        f' from "{to.table}" order by 2 limit :most'
    )
    found = connection.execute(text(statement), {"most": MAX_CHOICES + 1}).all()
    return [] if len(found) > MAX_CHOICES else [(one.value, one.words) for one in found]


@router.get("/{name}/new")
def new_page(visit: Visit, name: str, request: Request) -> Response:
    of = table_of(visit, name)
    return _form_page(visit, of, _fields(visit, of, dict(request.query_params), new=True), key=None)


@router.get("/{name}/row")
def row_page(visit: Visit, name: str, request: Request, saved: str = "") -> Response:
    of = table_of(visit, name)
    key = {part: request.query_params.get(part, "") for part in of.key}
    row = _read(visit, of, key)
    return _form_page(visit, of, _fields(visit, of, row, new=False), key=key, row=row, saved=saved)


def _read(visit: VisitOf, of: Table, key: Mapping[str, str]) -> dict[str, Any]:
    with attempt(visit.connection):
        return dict(rows.present(rows.get(visit.connection, of.name, key), of.name, key))


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
        etag=(row or {}).get("etag", ""),
        verbs=owned()[of.name],
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
    of = table_of(visit, name)
    fields = _fields(visit, of, {}, new=True)
    values = _values(fields, form)
    try:
        _check(visit, of, values)
        with attempt(visit.connection):
            given = {one: value for one, value in values.items() if value is not None}
            made = rows.insert_row(visit.connection, name, given)
    except Refused as refused:
        return _form_page(visit, of, forms.filled(fields, form), key=None, refusal=refused.refusal)
    return RedirectResponse(f"/tables/{name}/row?{key_query(of, dict(made))}&saved=made", 303)


@router.post("/{name}/row")
def change(visit: Visit, name: str, request: Request, form: Form) -> Response:
    of = table_of(visit, name)
    key = {part: request.query_params.get(part, "") for part in of.key}
    fields = _fields(visit, of, _read(visit, of, key), new=False)
    values = _values(fields, form)
    try:
        if not form.get("delete"):
            _check(visit, of, {**key, **values})
        with attempt(visit.connection):
            if form.get("delete"):
                rows.delete_row(visit.connection, name, key)
                return RedirectResponse(f"/tables/{name}", 303)
            etag = layout.word(form, "etag") or None
            made = rows.update_row(visit.connection, name, key, _set(of, values), etag)
    except Refused as refused:
        row = rows.get(visit.connection, name, key)
        shown = forms.filled(fields, form)
        return _form_page(visit, of, shown, key=key, row=dict(row or {}), refusal=refused.refusal)
    return RedirectResponse(f"/tables/{name}/row?{key_query(of, dict(made))}&saved=saved", 303)


def _set(of: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """An empty field of a column that has a default, and may not be null, means the default."""
    return {
        name: forms.default_words(of.columns[name].preset) or value
        if value is None and not of.columns[name].nullable
        else value
        for name, value in values.items()
    }


def _check(visit: VisitOf, of: Table, values: Mapping[str, Any]) -> None:
    """A rule that cannot be read is not saved: its error stands at its place."""
    refusal = rules.check(visit, values) if of.name == "rule" else None
    if refusal is not None:
        raise Refused(refusal)


def _values(fields: Sequence[forms.Field], form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {one.name: forms.parse(one, form.get(one.name, ())) for one in fields}


@router.get("/{name}/preview")
def preview_page(visit: Visit, name: str, request: Request) -> Response:
    of = table_of(visit, name)
    key = {part: request.query_params.get(part, "") for part in of.key}
    return layout.page(
        visit, "table_preview.html", table=of, key=key, found=None, text="", refusal=None
    )


@router.post("/{name}/preview")
def preview(visit: Visit, name: str, request: Request, form: Form) -> Response:
    """What a row would find in a page that was pasted; nothing is called and nothing stored."""
    of = table_of(visit, name)
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
