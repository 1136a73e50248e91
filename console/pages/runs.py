"""Runs: the list by filter, and one run with everything about it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from console import sql, writes
from console.access import Visit, VisitOf, config_of
from console.queries import runs
from console.queries.lists import Piece
from console.refusals import refuse
from console.templating import Form, go_to, render, word
from tasks.watches import found
from tasks.watches.registry import by_domain
from workers.ledger.retried import ONLY_FAILED

router = APIRouter(prefix="/runs")
_ACTIONS = ("stop", "retry")


@router.get("")
def run_list(visit: Visit, asked: Annotated[runs.Filter, Query()]) -> Response:
    piece = runs.listed(visit.connection, asked)
    tasks = [row["name"] for row in sql.rows(visit.connection, "overview.kinds")]
    return render(visit, "runs.html", found=piece, asked=asked, tasks=tasks)


class PageOfItems(runs.ItemFilter):
    """Items are listed when they are asked for: ``items`` is their state, or all."""

    limit: int = 100
    items: str | None = None
    #: What was asked of the run just now.
    asked: str | None = None

    def listed(self, visit: VisitOf, number: UUID) -> Piece | None:
        state = None if self.items == "all" else self.items
        asked = self.model_copy(update={"state": state})
        return runs.items(visit.connection, number, asked) if self.items else None


@router.get("/{number}")
def run_page(visit: Visit, number: UUID, items: Annotated[PageOfItems, Query()]) -> Response:
    run = sql.first(visit.connection, "runs.one", id=number)
    if run is None:
        pending = sql.first(visit.connection, "runs.pending", id=number)
        if pending is None:
            raise refuse(404, f"no run with id {number}", "It may be older than runs are kept.")
        return render(visit, "run_pending.html", number=number, pending=pending)
    shown = runs.about(visit.connection, number)
    shown |= {"found": items.listed(visit, number), "items": items, "reports": _reports(visit, run)}
    shown |= {"steps": steps(run), "waits": waits(run), "flower": config_of(visit.request).flower_url}
    return render(visit, "run.html", run=run, **shown)


@router.get("/{number}/{action}")
def ask(visit: Visit, number: UUID, action: str) -> Response:
    run = sql.first(visit.connection, "runs.one", id=number)
    if run is None or action not in _ACTIONS:
        raise refuse(404, f"no run with id {number}")
    failures = sql.rows(visit.connection, "runs.failures", id=number)
    calls = sql.scalar(visit.connection, "runs.calls", id=number)
    return render(visit, "run_ask.html", run=run, action=action, failures=failures, calls=calls)


@router.post("/{number}/{action}")
def act(visit: Visit, number: UUID, action: str, form: Form) -> Response:
    given = {"run": number, "why": word(form, "reason")}
    if action == "stop":
        writes.do(visit.connection, "stop", **given)
        return go_to(f"/runs/{number}?asked=stop")
    if action != "retry":
        raise refuse(404, "no such action")
    options = ONLY_FAILED if word(form, "items") == "failed" else None
    row = writes.do(visit.connection, "retry", options=options, **given)
    return go_to(f"/runs/{row['new_run_id']}")


def _reports(visit: Visit, run: sql.Row) -> list[tuple[Any, list[sql.Row], Any]]:
    """What the watches say of this run; panels without a row are left out."""
    shown = []
    for domain, watch in by_domain().items():
        if watch.pages is None or not run["task"].startswith(f"tasks.{domain}."):
            continue
        for panel, rows in found.shown(visit.connection, watch.pages.reports, run=run["id"]):
            if rows and any(value is not None for value in rows[0].values()):
                shown.append((panel, rows, watch))
    return shown


def waits(run: sql.Row) -> str | None:
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


def steps(run: sql.Row) -> list[dict[str, Any]]:
    """The way from due to end: what, when, and how long after the due time (seconds)."""
    named = {
        "due": run["due_at"],
        "claimed by beat": run["created_at"],
        "first line of a worker": run["started_at"],
        "asked to stop": run["stop_requested_at"],
        "ended": run["finished_at"],
        "has to end by": run["deadline_at"] if run["finished_at"] is None else None,
    }
    past = [at for what, at in named.items() if at is not None and what != "has to end by"]
    begin = min(past)
    whole = (max(past) - begin).total_seconds() or 1.0
    return [
        {
            "what": what,
            "at": at,
            "after": (at - run["due_at"]).total_seconds(),
            "place": round(100 * min(1.0, (at - begin).total_seconds() / whole), 2),
        }
        for what, at in named.items()
        if at is not None
    ]
