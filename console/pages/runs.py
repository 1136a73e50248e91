"""Runs: the list by filter, and one run with everything about it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form
from sqlalchemy import text
from starlette.responses import RedirectResponse, Response

from console import writes
from console.access import Visit, config_of
from console.pages import layout
from console.queries import runs
from console.refusals import attempt, refuse
from console.sql import statement
from console.templating import render
from tasks.watches.registry import by_domain

router = APIRouter()
PAGE = 50
_TASKS = text("select name from task_kind where retired_at is null order by name")
_PENDING = statement("run_page", "pending")


_GIVEN = ("schedule", "task", "state", "trigger", "q", "since")


@router.get("/runs")
def run_list(visit: Visit, before: str = "") -> Response:
    given = {name: visit.request.query_params.get(name, "") for name in _GIVEN}
    words = {name: value or None for name, value in given.items() if name != "since"}
    chosen = runs.Filter(**words, since=layout.moment(given["since"]))  # type: ignore[arg-type]
    found = runs.listed(visit.connection, chosen, PAGE, _cursor(before))
    more = f"{found.after[0].isoformat()}~{found.after[1]}" if found.after else None
    tasks = visit.connection.execute(_TASKS).scalars().all()
    return layout.page(
        visit,
        "runs.html",
        rows=found.rows,
        given=given,
        more=more,
        back_to=found.after[0] if found.after else None,
        before=before,
        tasks=tasks,
    )


def _cursor(before: str) -> tuple[datetime, UUID] | None:
    at, _, number = before.partition("~")
    with suppress(ValueError):
        return datetime.fromisoformat(at), UUID(number)
    return None


@router.get("/runs/{number}")
def run_page(visit: Visit, number: UUID, items: str = "", asked: str = "") -> Response:
    run = runs.one(visit.connection, number)
    if run is None:
        pending = visit.connection.execute(_PENDING, {"id": number}).mappings().one_or_none()
        if pending is None:
            raise refuse(404, f"no run with id {number}", "It may be older than runs are kept.")
        return layout.page(visit, "run_pending.html", number=number, pending=pending)
    return layout.page(
        visit,
        "run.html",
        run=run,
        steps=steps(run),
        waits=waits(run),
        failures=runs.failures(visit.connection, number),
        batches=runs.batches(visit.connection, number),
        items=runs.items(visit.connection, number, None if items == "all" else items)
        if items
        else None,
        items_of=items,
        requests=runs.requests(visit.connection, number),
        reports=_reports(visit, run),
        flower=config_of(visit.request).flower_url,
        asked=asked,
    )


@router.get("/runs/{number}/{action}")
def ask(visit: Visit, number: UUID, action: str) -> Response:
    """A page that says what would happen, before it is asked for."""
    run = runs.one(visit.connection, number)
    if run is None or action not in {"stop", "retry"}:
        raise refuse(404, f"no run with id {number}")
    failures = runs.failures(visit.connection, number)
    calls = visit.connection.execute(
        text("select count(*) from permit where run_id = :id"), {"id": number}
    ).scalar_one()
    return render(visit, "run_ask.html", run=run, action=action, failures=failures, calls=calls)


@router.post("/runs/{number}/{action}")
def act(
    visit: Visit,
    number: UUID,
    action: str,
    reason: Annotated[str, Form()] = "",
    items: Annotated[str, Form()] = "",
) -> Response:
    if action not in {"stop", "retry"}:
        raise refuse(404, "no such action")
    with attempt(visit.connection):
        if action == "stop":
            writes.stop_run(visit.connection, number, reason)
            return RedirectResponse(f"/runs/{number}?asked=stop", 303)
        only_failed = items == "failed"
        row = writes.retry_run(visit.connection, number, reason, only_failed=only_failed)
    return RedirectResponse(f"/runs/{row['new_run_id']}", 303)


def _reports(visit: Visit, run: Any) -> list[tuple[Any, list[dict[str, Any]], str]]:
    """What the watches say of this run; panels without a row are left out."""
    found = []
    for domain, watch in by_domain().items():
        if watch.pages is None or not run["task"].startswith(f"tasks.{domain}."):
            continue
        for panel in watch.pages.reports:
            rows = layout.dicts(visit.connection.execute(text(panel.sql), {"run": run["id"]}))
            if rows and any(value is not None for value in rows[0].values()):
                found.append((panel, rows, layout.slug(watch)))
    return found


def waits(run: Any) -> str | None:
    """What an active run waits for, without the time."""
    if run["state"] == "held":
        return run["reason"] or "another run of this schedule"
    if run["state"] not in {"due", "running"}:
        return None
    if run["stop_requested_at"]:
        return "its running calls: it was asked to stop"
    if run["waiting_for"]:
        return " and ".join(run["waiting_for"])
    if run["state"] == "due":
        return "a worker"
    return "its next batch" if run["later_at"] else None


def steps(run: Any) -> list[dict[str, Any]]:
    """The way from due to end: what, when, and how long after the due time (seconds)."""
    named = (
        ("due", run["due_at"]),
        ("claimed by beat", run["created_at"]),
        ("first line of a worker", run["started_at"]),
        ("asked to stop", run["stop_requested_at"]),
        ("ended", run["finished_at"]),
        ("has to end by", run["deadline_at"] if run["finished_at"] is None else None),
    )
    begin = min(at for _, at in named if at is not None)
    whole = (
        max(((at - begin).total_seconds() for _, at in named[:5] if at is not None), default=0.0) or 1.0
    )
    found = []
    for what, at in named:
        if at is not None:
            after = (at - run["due_at"]).total_seconds()
            place = min(1.0, (at - begin).total_seconds() / whole)
            found.append({"what": what, "at": at, "after": after, "place": round(100 * place, 2)})
    return found
