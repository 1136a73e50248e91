"""Rows of tables that people own: a list, and a form for each row, from the catalog."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Column, Table, text
from starlette.requests import Request
from starlette.responses import Response

from console import forms, rows, sql
from console.access import Visit, VisitOf
from console.pages import watches
from console.queries.lists import Search
from console.refusals import Refusal, Refused, refuse
from console.rows import key_of, owned, preset
from console.templating import Form, drawn_again, go_to, render, word
from tasks.watches.registry import by_domain
from workers.roles import FROZEN
from workers.text.words import duration_words

router = APIRouter(prefix="/tables")
#: A comment lists the words of a column: "waiting | sending | sent".
_WORDS = re.compile(r"[a-z_]+(?: \| [a-z_]+)+")
MAX_CHOICES = 300
#: Edited on pages of their own.
_ELSEWHERE = frozenset({"schedule", "run_request", "pause_switch", "notice"})
_MACHINE = frozenset({"revision", "updated_by", "created_by"})
_TIMES = frozenset({"updated_at", "created_at", "revision"})


def _table(visit: Visit, name: str) -> Table:
    """The table of that name, if people own it and it has no page of its own."""
    if name not in owned() or name in _ELSEWHERE:
        known = ", ".join(sorted(set(owned()) - _ELSEWHERE))
        raise refuse(404, f"there is no page for table {name}", f"One of {known}")
    return rows.table_of(visit.connection, name)


def _key(of: Annotated[Table, Depends(_table)], request: Request) -> dict[str, str]:
    return {part: request.query_params.get(part, "") for part in key_of(of)}


Of = Annotated[Table, Depends(_table)]
#: The key of the row that an address names.
Key = Annotated[dict[str, str], Depends(_key)]


@router.get("/{name}")
def list_page(visit: Visit, of: Of, asked: Annotated[Search, Query()]) -> Response:
    having = {name: value for name, value in visit.request.query_params.items() if name in of.columns}
    shown: dict[str, Any] = {
        "found": rows.listed(visit.connection, of.name, asked, having),
        "given": {**having, **asked.given},
        "having": having,
        "columns": [one.name for one in of.columns if one.name not in _TIMES][:9],
        "states": _rule_states(visit, of),
    }
    known = {"table": of, "verbs": owned()[of.name], "asked": asked, "key_of": key_query}
    return render(visit, "table.html", **known, **shown)


def key_query(of: Table, row: Mapping[str, Any]) -> str:
    key = {name: row[name] for name in key_of(of)}
    lengths = {name: duration_words(one) for name, one in key.items() if isinstance(one, timedelta)}
    return urlencode({**key, **lengths})


def _rule_states(visit: VisitOf, of: Table) -> dict[str, Any]:
    found = sql.rows(visit.connection, "tables.rule_states") if of.name == "rule" else ()
    return {row["name"]: row for row in found}


def _fields(visit: VisitOf, of: Table, row: Mapping[str, Any], *, new: bool) -> list[forms.Field]:
    """Fields of the columns that people fill in; the key is given once, but for a quota's window."""
    frozen = FROZEN.get(of.name, ("", ()))[1]
    made = []
    for column in of.columns:
        is_key = column.primary_key and (new or column.name == "per")
        computed = column.identity is not None or "clock_ti" in (preset(column) or "")
        is_given_once = column.primary_key or column.name in frozen
        if computed or column.name in _MACHINE or (is_given_once and not is_key):
            continue
        field = forms.column_field(column, row.get(column.name), _choices(visit, column))
        listed = _WORDS.search(column.comment or "")
        if field.kind == "text" and listed:
            field = replace(field, suggestions=tuple(listed[0].split(" | ")))
        if new and row.get(column.name) is None:
            field = replace(field, placeholder=forms.default_words(column))
        made.append(field)
    return made


def _choices(visit: VisitOf, column: Column[Any]) -> list[tuple[str, str]]:
    """Values of the row that a column alone refers to, if they are few."""
    alone = (key for key in column.foreign_keys if key.constraint and len(key.constraint.columns) == 1)
    table, _, name = next((key.target_fullname for key in alone), "").rpartition(".")
    if not table:
        return []
    key = f'"{name}"::text'
    said = "coalesce(title, slug) || ' · ' || site" if table == "category" else key
    asked = f'select {key} as value, {said} as words from "{table}" order by 2 limit :most'  # noqa: S608
    found = sql.rows(visit.connection, text(asked), most=MAX_CHOICES + 1)
    return [] if len(found) > MAX_CHOICES else [(one["value"], one["words"]) for one in found]


@router.get("/{name}/new")
def new_page(visit: Visit, of: Of) -> Response:
    fields = _fields(visit, of, visit.request.query_params, new=True)
    title = f"New {of.name.replace('_', ' ')}"
    return _form_page(visit, of, fields, key={}, title=title, etag="", saved="")


@router.get("/{name}/row")
def row_page(visit: Visit, of: Of, key: Key, saved: str = "") -> Response:
    row = rows.get(visit.connection, of.name, key)
    fields = _fields(visit, of, row, new=False)
    known = {"title": " ".join(key.values()), "etag": row["etag"], "saved": saved}
    return _form_page(visit, of, fields, key=key, **known)


def _form_page(visit: VisitOf, of: Table, fields: list[forms.Field], **given: Any) -> Response:
    key = given["key"]
    previews = [name for watch in by_domain().values() if watch.pages for name in watch.pages.previews]
    shown: dict[str, Any] = {
        "fields": forms.filled(fields, visit.sent) if visit.sent is not None else fields,
        "key_query": urlencode(key),
        "state": _rule_states(visit, of).get(key.get("name", "")),
        "has_preview": of.name in previews,
        "at": _place(fields, visit.refusal),
    }
    verbs = owned()[of.name]
    return render(visit, "table_row.html", table=of, verbs=verbs, **given, **shown)


def _place(fields: Sequence[forms.Field], refusal: Refusal | None) -> str | None:
    """The field that a refusal is about: the column it names, else one that its message begins with."""
    if refusal is None:
        return None
    names = {one.name for one in fields}
    if refusal.column in names:
        return refusal.column
    return next((name for name in names if re.match(rf'"?{name}\b', refusal.message)), None)


@router.post("/{name}/new", dependencies=[drawn_again("/tables/{name}/new")])
def create(visit: Visit, of: Of, form: Form) -> Response:
    fields = _fields(visit, of, {}, new=True)
    values = forms.defaulted(_values(visit, of, fields, form), of, new=True)
    made = rows.insert_row(visit.connection, of.name, values)
    return go_to(f"/tables/{of.name}/row?{key_query(of, made)}&saved=made")


@router.post("/{name}/row", dependencies=[drawn_again("/tables/{name}/row")])
def change(visit: Visit, of: Of, key: Key, form: Form) -> Response:
    fields = _fields(visit, of, rows.get(visit.connection, of.name, key), new=False)
    if form.get("delete"):
        rows.delete_row(visit.connection, of.name, key)
        return go_to(f"/tables/{of.name}")
    values = forms.defaulted(_values(visit, of, fields, form, key), of, new=False)
    etag = word(form, "etag") or None
    made = rows.update_row(visit.connection, of.name, key, values, etag)
    return go_to(f"/tables/{of.name}/row?{key_query(of, made)}&saved=saved")


def _values(
    visit: VisitOf,
    of: Table,
    fields: Sequence[forms.Field],
    form: Mapping[str, Sequence[str]],
    key: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a form says; a rule that cannot be read is refused: its error stands at its place."""
    values = {one.name: forms.parse(one, form.get(one.name, ())) for one in fields}
    wrong = watches.check(visit, {**(key or {}), **values}) if of.name == "rule" else None
    if isinstance(wrong, Refusal):
        raise Refused(wrong)
    return values


@router.get("/{name}/preview")
def preview_page(visit: Visit, of: Of, key: Key) -> Response:
    return render(visit, "table_preview.html", table=of, key=key, found=None, text="", refused=None)


@router.post("/{name}/preview")
def preview(visit: Visit, of: Of, key: Key, form: Form) -> Response:
    """What a row would find in a page that was pasted; nothing is called and nothing stored."""
    found, refusal, given = None, None, word(form, "text")
    for watch in by_domain().values():
        if watch.pages and of.name in watch.pages.previews:
            try:
                read = watch.pages.previews[of.name]
                found = read(visit.connection, next(iter(key.values())), given)
            except Exception as error:  # whatever a pasted page does to a parser is said, not raised
                refusal = Refusal(422, f"the page could not be read: {error}")
    shown = {"table": of, "key": key, "found": found, "text": given}
    # What was pasted stays there to be corrected: it is an answer, no refusal of the request.
    return render(visit, "table_preview.html", **shown, refused=refusal)
