"""Budgets, workers, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form
from sqlalchemy import text
from starlette.responses import JSONResponse, RedirectResponse, Response

from console import rows
from console.access import Visit
from console.pages import layout
from console.queries import processes, strip, upstreams
from console.refusals import Refusal, Refused, attempt

router = APIRouter()


@router.get("/budgets")
def budgets(visit: Visit) -> Response:
    return _budgets(visit)


def _budgets(visit: Visit, refusal: Refusal | None = None, at: str | None = None) -> Response:
    found = upstreams.listed(visit.connection)
    forecasts = upstreams.forecasts(visit.connection)
    return layout.page(
        visit,
        "budgets.html",
        refusal.status if refusal else 200,
        rows=found,
        forecasts=forecasts,
        refusal=refusal,
        at=at,
    )


@router.post("/budgets/{name}/unblock")
def unblock(visit: Visit, name: str, reason: Annotated[str, Form()] = "") -> Response:
    try:
        with attempt(visit.connection):
            visit.connection.execute(
                text("select unblock(:name, :reason)"), {"name": name, "reason": reason or None}
            )
    except Refused as refused:
        return _budgets(visit, refused.refusal, name)
    return RedirectResponse(f"/budgets#{name}", 303)


@router.post("/budgets/{name}/limit")
def limit(visit: Visit, name: str, form: layout.Form) -> Response:
    """Another number of calls in a window, in force at once."""
    key = {"upstream": name, "per": layout.word(form, "per")}
    try:
        with attempt(visit.connection):
            rows.update_row(
                visit.connection, "quota", key, {"calls": layout.word(form, "calls").replace(",", "")}
            )
    except Refused as refused:
        return _budgets(visit, refused.refusal, f"{name} {key['per']}")
    return RedirectResponse(f"/budgets#{name}", 303)


@router.get("/budgets/{name}/chart")
def calls_chart(visit: Visit, name: str) -> Response:
    hours = upstreams.by_hour(visit.connection, name)
    lines = ("answered", "failed")
    series = [{"label": line, "values": [row[line] for row in hours]} for line in lines]
    return JSONResponse({"x": [row["at"] for row in hours], "series": series})


@router.get("/workers")
def workers(visit: Visit) -> Response:
    return layout.page(
        visit,
        "workers.html",
        processes=processes.listed(visit.connection),
        queues=processes.queues(visit.connection),
        groups=processes.groups(visit.connection),
        lines=processes.lines(visit.connection),
    )


#: Kind of trouble → the page of its subject.
_LINKS = {
    "failing": "/schedules/{}",
    "tripped": "/schedules/{}",
    "late": "/schedules/{}",
    "set aside": "/schedules/{}",
    "beat silent": "/workers",
    "worker silent": "/workers",
    "queue unserved": "/workers",
    "notices held": "/outbox?channel={}&state=waiting",
    "notices dead": "/outbox?channel={}&state=dead",
    "quota low": "/budgets",
    "blocked": "/budgets#{}",
    "rule wrong": "/tables/rule/row?name={}",
    "paused": "/",
}


def link_of(trouble: Mapping[str, Any]) -> str:
    return _LINKS.get(str(trouble["kind"]), "/").format(trouble["subject"])


@router.get("/trouble")
def trouble(visit: Visit) -> Response:
    found = [{**one, "link": link_of(one)} for one in strip.trouble(visit.connection)]
    return layout.page(visit, "trouble.html", rows=found)
