"""Rows of tables that people own: a list, and a form for each row, from the catalog."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy import Boolean, Column, text
from starlette.requests import Request
from starlette.responses import Response

from console import forms, shapes, sql
from console.access import Sent, Visit, VisitOf
from console.queries.lists import Search
from console.refusals import Refusal, refuse
from console.routes import watches
from console.rows import Rows, listed_tables, owned, preset
from console.shapes import Page, Row, Tag
from console.templating import Form, drawn_again, go_to, render
from tasks.watches.registry import by_domain
from workers.roles import FROZEN
from workers.text.short import title as heading
from workers.text.words import duration_words

router, api = APIRouter(prefix="/tables"), APIRouter(tags=["tables"])
MAX_CHOICES = 300
_MACHINE = frozenset({"revision", "updated_by", "created_by"})
_TIMES = frozenset({"updated_at", "created_at", "revision"})


def _rows(visit: Visit, name: str) -> Rows:
    """Rows of the table of that name, if people own it and it has no page of its own."""
    if name not in (known := listed_tables()):
        raise refuse(404, f"there is no page for table {name}", f"One of {', '.join(known)}")
    return Rows(visit.connection, name)


def _key(of: Annotated[Rows, Depends(_rows)], request: Request) -> dict[str, str]:
    return {part: request.query_params.get(part, "") for part in of.key}


Of = Annotated[Rows, Depends(_rows)]
#: The key of the row that an address names.
Key = Annotated[dict[str, str], Depends(_key)]


@router.get("/{name}")
def list_page(visit: Visit, of: Of, asked: Annotated[Search, Query()]) -> Response:
    having = {name: value for name, value in visit.request.query_params.items() if name in of.columns}
    shown: dict[str, Any] = {
        "found": of.listed(asked, having),
        "given": {**having, **asked.given},
        "columns": [one.name for one in of.columns if one.name not in _TIMES][:9],
        "states": _rule_states(visit, of),
    }
    shown |= {"verbs": owned()[of.name], "asked": asked, "key_of": key_query, "having": having}
    return render(visit, "table.html", table=of, **shown)


def key_query(of: Rows, row: Mapping[str, Any]) -> str:
    key = {name: row[name] for name in of.key}
    lengths = {name: duration_words(one) for name, one in key.items() if isinstance(one, timedelta)}
    return urlencode({**key, **lengths})


def _rule_states(visit: VisitOf, of: Rows) -> dict[str, Any]:
    found = sql.rows(visit.connection, "tables.rule_states") if of.name == "rule" else ()
    return {row["name"]: row for row in found}


def _fields(visit: VisitOf, of: Rows, row: Mapping[str, Any], *, new: bool) -> list[forms.Field]:
    """Fields of the columns that people fill in; the key is given once, but for a quota's window."""
    frozen = FROZEN.get(of.name, ("", ()))[1]
    made = []
    for column in of.columns:
        is_key = column.primary_key and (new or column.name == "per")
        computed = column.identity is not None or "clock_ti" in (preset(column) or "")
        is_given_once = column.primary_key or column.name in frozen
        if not (computed or column.name in _MACHINE or (is_given_once and not is_key)):
            choices = _choices(visit, column)
            made.append(forms.column_field(column, row.get(column.name), choices, new=new))
    return made


def _choices(visit: VisitOf, column: Column[Any]) -> forms.Choices:
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


class _Edit:
    """The row that an address names, or a new one with values of the address, and its form."""

    def __init__(self, visit: Visit, of: Of, request: Request) -> None:
        self.visit, self.of = visit, of
        self.is_new = request.url.path.endswith("/new")
        self.key = {} if self.is_new else _key(of, request)
        given: Mapping[str, Any] = request.query_params
        self.row = given if self.is_new else of.get(self.key)
        self.fields = _fields(visit, of, self.row, new=self.is_new)

    def values(self, form: Sent) -> dict[str, Any]:
        """What a form says; a rule that cannot be read is refused: its error stands at its place."""
        values = {one.name: forms.parse(one, form.getlist(one.name)) for one in self.fields}
        if self.of.name == "rule":
            watches.check(self.visit, {**self.key, **values})
        return forms.defaulted(values, self.of.columns, new=self.is_new)


Edit = Annotated[_Edit, Depends()]


@router.get("/{name}/new")
@router.get("/{name}/row")
def form_page(edit: Edit, saved: str = "") -> Response:
    visit, of, key = edit.visit, edit.of, edit.key
    # A key that is true alone names nothing: it is the one row of its table.
    named = [value for name, value in key.items() if not isinstance(of.columns[name].type, Boolean)]
    title = f"New {of.name.replace('_', ' ')}" if edit.is_new else " ".join(named) or heading(of.name)
    shown: dict[str, Any] = {
        "fields": forms.filled(edit.fields, visit.sent),
        "key": key,
        "key_query": urlencode(key),
        "etag": "" if edit.is_new else edit.row["etag"],
        "state": _rule_states(visit, of).get(key.get("name", "")),
        "has_preview": of.name in _previews(),
        "at": forms.place(visit.refusal, edit.fields),
        "verbs": owned()[of.name],
    }
    return render(visit, "table_row.html", table=of, title=title, saved=saved, **shown)


@router.post("/{name}/new", dependencies=[drawn_again()])
@router.post("/{name}/row", dependencies=[drawn_again()])
def save(edit: Edit, form: Form) -> Response:
    of = edit.of
    if form.get("delete"):
        of.delete(edit.key)
        return go_to(f"/tables/{of.name}")
    values, done = edit.values(form), "made" if edit.is_new else "saved"
    etag = form.get("etag") or None
    made = of.insert(values) if edit.is_new else of.update(edit.key, values, etag)
    return go_to(f"/tables/{of.name}/row?{key_query(of, made)}&saved={done}")


def _previews() -> dict[str, Any]:
    """Table → what its row would find in a page."""
    pages = [watch.pages for watch in by_domain().values() if watch.pages]
    return {name: read for one in pages for name, read in one.previews.items()}


@router.get("/{name}/preview")
@router.post("/{name}/preview")
def preview(visit: Visit, of: Of, key: Key, form: Form) -> Response:
    """What a row would find in a page that was pasted; nothing is called and nothing stored."""
    found, refusal, given, read = None, None, form.get("text", ""), _previews().get(of.name)
    if form and read:
        try:
            found = read(visit.connection, next(iter(key.values())), given)
        except Exception as error:  # whatever a pasted page does to a parser is said, not raised
            refusal = Refusal(422, f"the page could not be read: {error}")
    shown = {"table": of, "key": key, "found": found, "text": given}
    # What was pasted stays there to be corrected: it is an answer, no refusal of the request.
    return render(visit, "table_preview.html", **shown, refused=refusal)


TableName = StrEnum("TableName", {name: name for name in listed_tables()})  # type: ignore[misc]


def _named(visit: Visit, table: TableName) -> Rows:
    return Rows(visit.connection, table)


Named = Annotated[Rows, Depends(_named)]
_Text = Annotated[str, Path(description="Its key, joined by commas: alpha_vantage,00:01:00")]


def _key_of(of: Named, key: _Text) -> dict[str, str]:
    return dict(zip(of.key, key.split(",", len(of.key) - 1), strict=False))


NamedKey = Annotated[dict[str, str], Depends(_key_of)]


@api.get("/tables/{table}")
def list_rows(of: Named, asked: Annotated[Search, Query()]) -> Page:
    return shapes.page(asked, of.listed)


@api.post("/tables/{table}", status_code=201, response_model=Row)
def create_row(of: Named, body: Row) -> Response:
    return shapes.tagged(of.insert(body), 201)


@api.get("/tables/{table}/{key}", response_model=Row)
def read_row(of: Named, key: NamedKey) -> Response:
    return shapes.tagged(of.get(key))


@api.patch("/tables/{table}/{key}", response_model=Row)
def update_row(of: Named, key: NamedKey, body: Row, tag: Tag) -> Response:
    return shapes.tagged(of.update(key, body, tag))


@api.delete("/tables/{table}/{key}", status_code=204)
def delete_row(of: Named, key: NamedKey, tag: Tag) -> None:
    of.delete(key, tag)
