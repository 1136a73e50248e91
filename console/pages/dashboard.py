"""The first page: how it stands, what runs, what is next, what went wrong."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from console.access import Visit
from console.pages import layout, system
from console.queries import runs, strip
from console.sql import statement

router = APIRouter()

_TOTALS = statement("dashboard", "totals")
_TODAY = statement("dashboard", "today")
_NEXT = statement("dashboard", "next")


@router.get("/")
def dashboard(visit: Visit) -> Response:
    connection = visit.connection
    return layout.page(
        visit,
        "dashboard.html",
        totals=connection.execute(_TOTALS).mappings().one(),
        today=connection.execute(_TODAY).mappings().one(),
        wrong=[{**one, "link": system.link_of(one)} for one in strip.current(connection).wrong[:8]],
        active=runs.listed(connection, runs.Filter(state="active"), 8).rows,
        problems=runs.listed(connection, runs.Filter(state="problem"), 8).rows,
        due=layout.dicts(connection.execute(_NEXT)),
    )
