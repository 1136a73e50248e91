"""Runs: the list by filter, and one run with everything about it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from console import shapes, sql, writes
from console.access import Visit, config_of
from console.queries import runs
from console.queries.runs import Items, Runs
from console.refusals import refuse
from console.routes.actions import asked_by_api, asked_by_form
from console.rows import present
from console.shapes import Number, Once, Page, Row
from console.templating import page_of, render
from tasks.watches import found
from tasks.watches.registry import by_domain

router, api = APIRouter(prefix="/runs"), APIRouter(tags=["runs"])


page_of(router, "", "runs.html", Runs, kinds="overview.kinds")


class PageOfItems(Items):
    """Items are listed when they are asked for: ``items`` is their state, or all."""

    limit: int = 100
    items: str | None = None
    #: What was asked of the run just now.
    asked: str | None = None


@router.get("/{number}")
def run_page(visit: Visit, number: UUID, items: Annotated[PageOfItems, Query()]) -> Response:
    run = sql.first(visit.connection, "runs.one", id=number)
    if run is None:
        pending = sql.first(visit.connection, "runs.pending", id=number)
        if pending is None:
            raise refuse(404, f"no run with id {number}", "It may be older than runs are kept.")
        return render(visit, "run_pending.html", number=number, pending=pending)
    shown = runs.about(visit.connection, number)
    state = None if items.items == "all" else items.items
    listed = items.read(visit.connection, id=number, state=state) if items.items else None
    shown |= {"found": listed, "items": items, "reports": _reports(visit, run)}
    return render(visit, "run.html", run=run, flower=config_of(visit.request).flower_url, **shown)


@router.get("/{number}/{action}")
def ask(visit: Visit, number: UUID, action: str) -> Response:
    run = sql.first(visit.connection, "runs.one", id=number)
    if run is None or action not in {"stop", "retry"}:
        raise refuse(404, f"no run with id {number}")
    failures = sql.rows(visit.connection, "runs.failures", id=number)
    calls = sql.scalar(visit.connection, "runs.calls", id=number)
    return render(visit, "run_ask.html", run=run, action=action, failures=failures, calls=calls)


asked_by_form(router, "/{run}/stop", "stop", "/runs/{run}?asked=stop")
asked_by_form(router, "/{run}/retry", "retry", "/runs/{new_run_id}")


def _reports(visit: Visit, run: sql.Row) -> list[tuple[Any, list[sql.Row], Any]]:
    """What the watches say of this run; panels without a row are left out."""
    shown = []
    for domain, watch in by_domain().items():
        if watch.pages is None or not run["task"].startswith(f"tasks.{domain}."):
            continue
        for panel, listed in found.shown(visit.connection, watch.pages.reports, run=run["id"]):
            if listed and any(value is not None for value in listed[0].values()):
                shown.append((panel, listed, watch))
    return shown


shapes.list_of(api, "runs", Runs)


@api.get("/runs/{run}")
def read_run(visit: Visit, run: UUID) -> Row:
    """Everything about one: progress, what it waits for, options, result, failures grouped."""
    found = sql.first(visit.connection, "runs.one", id=run)
    if found is None:
        raise refuse(404, "no such run")
    return {**found, **runs.about(visit.connection, run)}


@api.get("/runs/{run}/items")
def list_items(visit: Visit, run: UUID, asked: Annotated[Items, Query()]) -> Page:
    present(sql.first(visit.connection, "runs.one", id=run), "run", {"id": run})
    return shapes.page(asked, lambda one: one.read(visit.connection, id=run))


asked_by_api(api, "/runs/{run}/stop", "stop", shapes.Why)
asked_by_api(api, "/runs/{run}/retry", "retry", shapes.RetryOne)


@api.post("/runs/retry", status_code=202, response_model=Row)
def retry_failed(visit: Visit, body: shapes.Retry, once: Once) -> Response:
    """The last failed run of each schedule, again; a dry run lists them."""

    def act() -> Row:
        if body.schedule is not None:
            sql.first(visit.connection, "writes.require", name=body.schedule)
        found = sql.rows(visit.connection, "runs.last_failed", since=body.since, schedule=body.schedule)
        for one in found if not body.dry_run else ():
            writes.do(visit.connection, "retry", run=one["id"], why=body.why)
        return {"dry_run": body.dry_run, "runs": found}

    return once(body, act, dry_run=body.dry_run)


@api.get("/requests/{number}")
def read_request(visit: Visit, number: Number) -> Row:
    """What was asked, and beat's answer."""
    found = sql.first(visit.connection, "runs.request", number=number)
    return present(found, "request", {"id": number})
