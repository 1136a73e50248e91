"""Watches: what each has found, drawn from its descriptor; no page here knows one by name."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import JSONResponse, Response

from console.access import Visit, VisitOf
from console.pages import layout
from console.queries.lists import like
from console.refusals import refuse
from console.sql import statement
from tasks.watches.registry import by_domain
from tasks.watches.watch import Panel, Watch

router = APIRouter(prefix="/watches")
PAGE = 50
#: Rows of a watch that declares no page of its own.
MAX_ROWS = 200

_MATCHES = statement("watches", "matches")
_SCHEDULES = statement("watches", "schedules")
_COUNTS = statement("watches", "counts")


def named(name: str) -> tuple[str, Watch]:
    """Folder and descriptor of the watch of that address."""
    for domain, watch in by_domain().items():
        if layout.slug(watch) == name:
            return domain, watch
    raise refuse(
        404,
        f"no watch finds {name}",
        "One of " + ", ".join(layout.slug(w) for w in by_domain().values()),
    )


@router.get("")
def index(visit: Visit) -> Response:
    found = []
    for domain, watch in by_domain().items():
        schedules = layout.dicts(visit.connection.execute(_SCHEDULES, {"tasks": f"tasks.{domain}.%"}))
        found.append({"watch": watch, "slug": layout.slug(watch), "schedules": schedules})
    counts = visit.connection.execute(_COUNTS).mappings().one()
    return layout.page(visit, "watches.html", watches=found, counts=counts)


@router.get("/{name}")
def found_page(visit: Visit, name: str, q: str = "", after: str = "") -> Response:
    domain, watch = named(name)
    rows, more = _found(visit, watch, q, after)
    overview = watch.pages.overview if watch.pages and not after and not q else ()
    return layout.page(
        visit,
        "watch.html",
        watch=watch,
        slug=name,
        rows=rows,
        more=more,
        q=q,
        after=after,
        overview=[(panel, _rows(visit, panel)) for panel in overview],
        schedules=layout.dicts(visit.connection.execute(_SCHEDULES, {"tasks": f"tasks.{domain}.%"})),
    )


@router.get("/{name}/{key}")
def thing_page(visit: Visit, name: str, key: str) -> Response:
    _, watch = named(name)
    found = (
        visit.connection.execute(text(watch.rows), {"span": None, "key": key, "rule": None}).first()
        if _fits(watch, key)
        else None
    )
    if found is None:
        raise refuse(404, f"there is no {watch.subject} {key}")
    panels = watch.pages.details if watch.pages else (Panel("Facts", "", "facts"),)
    shown = [
        (panel, _rows(visit, panel, key=key) if panel.sql else [watch.fields_of(found)])
        for panel in panels
    ]
    matches = layout.dicts(visit.connection.execute(_MATCHES, {"subject": watch.subject, "key": key}))
    return layout.page(
        visit,
        "thing.html",
        watch=watch,
        slug=name,
        key=key,
        title=watch.title_of(found),
        panels_=shown,
        matches=matches,
    )


def _fits(watch: Watch, key: str) -> bool:
    """Whether a key can be one of this watch: rows numbered by the database have numbers."""
    return not _is_number_key(watch) or (key.isdecimal() and len(key) < 19)


def _is_number_key(watch: Watch) -> bool:
    return "cast(:key as bigint)" in watch.rows


@router.get("/{name}/{key}/chart/{place}")
def chart(visit: Visit, name: str, key: str, place: int) -> Response:
    """The values of a chart, for the browser's drawing."""
    _, watch = named(name)
    details = watch.pages.details if watch.pages else ()
    if not 0 <= place < len(details) or details[place].kind != "chart" or not _fits(watch, key):
        raise refuse(404, "no such chart")
    rows = _rows(visit, details[place], key=key)
    lines = [column for column in (rows[0] if rows else {}) if column != "at"]
    return JSONResponse(
        {
            "x": [_seconds(row["at"]) for row in rows],
            "series": [
                {"label": line.replace("_", " "), "values": [_plain(row[line]) for row in rows]}
                for line in lines
            ],
        }
    )


def _seconds(at: Any) -> float:
    return at.timestamp() if isinstance(at, datetime) else 0.0


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _rows(visit: VisitOf, panel: Panel, **values: Any) -> list[dict[str, Any]]:
    return layout.dicts(visit.connection.execute(text(panel.sql), values))


def _found(visit: VisitOf, watch: Watch, q: str, after: str) -> tuple[list[dict[str, Any]], str | None]:
    """What the watch has found, newest first, and the cursor of what follows."""
    if watch.pages is None:
        return _from_descriptor(visit, watch, q), None
    if after and not _fits(watch, after):
        raise refuse(422, "this is no cursor of this list")
    given = {"q": like(q) if q else None, "after": after or None, "limit": PAGE + 1}
    rows = layout.dicts(visit.connection.execute(text(watch.pages.found), given))
    return rows[:PAGE], rows[PAGE - 1]["key"] if len(rows) > PAGE else None


def _from_descriptor(visit: VisitOf, watch: Watch, q: str) -> list[dict[str, Any]]:
    """Key, title and the descriptor's columns of each thing found."""
    rows = visit.connection.execute(
        text(f"select * from ({watch.rows}) found limit {MAX_ROWS}"),  # noqa: S608 - SQL of the descriptor
        {"span": None, "key": None, "rule": None},
    )
    made = []
    for row in rows:
        fields = watch.fields_of(row)
        title = watch.title_of(row)
        if q.lower() in title.lower():
            shown = {name: fields.get(name) for name in (*watch.columns, "url") if name in watch.fields}
            made.append({"key": str(getattr(row, watch.key)), "title": title, **shown})
    return made
