"""Watches: what each has found, drawn from its descriptor; no page here knows one by name."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import text
from starlette.responses import Response

from console import sql
from console.access import Visit
from console.pages.overview import chart
from console.queries import found
from console.refusals import refuse
from console.templating import render
from tasks.watches.registry import by_domain
from tasks.watches.watch import Panel, Watch

router = APIRouter(prefix="/watches")


def named(name: str) -> tuple[str, Watch]:
    """Folder and descriptor of the watch of that address."""
    known = {watch.slug: (domain, watch) for domain, watch in by_domain().items()}
    if name not in known:
        raise refuse(404, f"no watch finds {name}", f"One of {', '.join(known)}")
    return known[name]


def _schedules(visit: Visit, domain: str) -> list[sql.Row]:
    return sql.rows(visit.connection, "watches.schedules", tasks=f"tasks.{domain}.%")


@router.get("")
def index(visit: Visit) -> Response:
    watches = [
        {"watch": watch, "slug": watch.slug, "schedules": _schedules(visit, domain)}
        for domain, watch in by_domain().items()
    ]
    counts = sql.first(visit.connection, "watches.counts")
    return render(visit, "watches.html", watches=watches, counts=counts)


@router.get("/{name}")
def found_page(visit: Visit, name: str, asked: Annotated[found.Filter, Query()]) -> Response:
    domain, watch = named(name)
    shown = found.listed(visit.connection, watch, asked)
    overview = watch.pages.overview if watch.pages and not asked.cursor and not asked.q else ()
    return render(
        visit,
        "watch.html",
        watch=watch,
        slug=name,
        rows=shown.rows,
        more=shown.next,
        q=asked.q or "",
        cursor=asked.cursor,
        overview=[(panel, sql.rows(visit.connection, text(panel.sql))) for panel in overview],
        schedules=_schedules(visit, domain),
    )


@router.get("/{name}/{key}")
def thing_page(visit: Visit, name: str, key: str) -> Response:
    _, watch = named(name)
    row = found.one(visit.connection, watch, key)
    if row is None:
        raise refuse(404, f"there is no {watch.subject} {key}")
    facts = [(Panel("Facts", "", "facts"), [dict(watch.fields_of(row))])]
    return render(
        visit,
        "thing.html",
        watch=watch,
        slug=name,
        key=key,
        title=watch.title_of(row),
        panels_=found.panels(visit.connection, watch, key) if watch.pages else facts,
        matches=sql.rows(visit.connection, "watches.matches", subject=watch.subject, key=key),
    )


@router.get("/{name}/{key}/chart/{place}")
def chart_of(visit: Visit, name: str, key: str, place: int) -> Response:
    """The values of a chart, for the browser's drawing."""
    _, watch = named(name)
    shown = dict(enumerate(found.panels(visit.connection, watch, key)))
    panel, rows = shown.get(place, (None, []))
    if panel is None or panel.kind != "chart":
        raise refuse(404, "no such chart")
    values = [{column: _drawn(value) for column, value in row.items()} for row in rows]
    lines = {column: column.replace("_", " ") for column in (values or [{}])[0] if column != "at"}
    return chart(values, lines)


def _drawn(value: object) -> object:
    """Times in seconds, exact numbers as numbers."""
    if isinstance(value, Decimal):
        return float(value)
    return value.timestamp() if isinstance(value, datetime) else value
