"""Dashboard, strip, health, upstreams, changes, notices, and what the watches found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import text
from starlette.responses import JSONResponse

from console import cursors, writes
from console.access import Visit
from console.api import shapes
from console.api.once import Key, once
from console.api.shapes import Cursor, Limit, Page, Row
from console.queries import changes, processes, runs, schedules, strip, upstreams
from console.queries.lists import like
from console.refusals import refuse
from console.sql import statement
from tasks.watches.registry import by_domain
from tasks.watches.watch import Watch

router = APIRouter(tags=["overview"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]

_TOTALS = statement("overview", "totals")
_TODAY = statement("overview", "today")
_KINDS = text("select * from task_kind where retired_at is null order by name")
_NOTICES = statement("overview", "notices")
_MATCHES = statement("overview", "matches")


@router.get("/me", response_model=Row)
def me(visit: Visit) -> Row:
    """Who asks, and what they may do."""
    return {"name": visit.person.name, "role": visit.person.role}


@router.get("/dashboard", response_model=Row)
def dashboard(visit: Visit) -> Row:
    """Totals, today's ends, next due times, last problems."""
    connection = visit.connection
    today = {one.state: one.number for one in connection.execute(_TODAY)}
    coming, _ = schedules.page(connection, schedules.Filter(), "next", 10)
    ended = sum(today.values())
    return {
        **shapes.row(connection.execute(_TOTALS).mappings().one()),
        "today": {
            "done": today.get("succeeded", 0), "failed": today.get("failed", 0),
            "partial": today.get("partial", 0),
            "success_share": today.get("succeeded", 0) / ended if ended else None,
        },
        "next_due": [shapes.row(one) for one in coming if one["next_run_at"] is not None],
        "problems": shapes.value(list(runs.listed(connection, runs.Filter(state="problem"), 10).rows)),
    }  # fmt: skip


@router.get("/strip", response_model=Row)
def read_strip(visit: Visit) -> Row:
    """What every page says at its top."""
    found = asdict(strip.current(visit.connection))
    return shapes.row({name: value for name, value in found.items() if name != "wrong"})


@router.get("/health", response_model=Row, responses={503: {"model": Row}})
def health(visit: Visit) -> Response:
    """Beats, workers and what is broken; 503 while something is, also when no beat runs."""
    wrong = strip.trouble(visit.connection)
    well = not any(one["severity"] == "error" for one in wrong)
    body = {"ok": well, "trouble": wrong, "processes": processes.listed(visit.connection)}
    return JSONResponse(shapes.row(body), 200 if well else 503)


@router.get("/queues")
def list_queues(visit: Visit) -> Page:
    return Page(items=[shapes.row(one) for one in processes.queues(visit.connection)])


@router.get("/kinds")
def list_kinds(visit: Visit) -> Page:
    """What can be scheduled, with the JSON Schema of its options."""
    found = visit.connection.execute(_KINDS).mappings()
    return Page(items=[shapes.row(one) for one in found])


@router.get("/upstreams")
def list_upstreams(visit: Visit) -> Page:
    """Each with its windows (used, left, resets), who waits, and the outcomes of a day."""
    return Page(items=[shapes.row(one) for one in upstreams.listed(visit.connection)])


@router.post("/upstreams/{name}/unblock", response_model=Row)
def unblock(visit: Visit, name: str, body: shapes.Why) -> Row:
    return shapes.row(writes.unblock(visit.connection, name, body.why))


@router.get("/changes")
def list_changes(visit: Visit, asked: Annotated[shapes.ChangeFilter, Query()]) -> Page:
    """Who changed what, the newest first."""
    chosen = changes.Filter(**asked.model_dump(exclude={"limit", "cursor"}))
    found = changes.listed(visit.connection, chosen, asked.limit, _before(asked.cursor))
    return shapes.piece(found)


@router.post("/changes/{number}/undo", response_model=Row)
def undo(visit: Visit, number: Number) -> Row:
    """A new edit with the old values; 412 where they were changed since."""
    return shapes.row(writes.undo(visit.connection, number))


@router.post("/channels/{name}/test", status_code=202, response_model=Row)
def send_test(visit: Visit, name: str, key: Key = None) -> Response:
    return once(visit, key, None, lambda: shapes.row(writes.send_test(visit.connection, name)))


@router.get("/notices")
def list_notices(
    visit: Visit, state: str | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page:
    given = {"state": state, "limit": limit + 1, "before": _before(cursor)}
    found = visit.connection.execute(_NOTICES, given).mappings().all()
    return shapes.page(found, limit, lambda one: (one["id"],))


@router.post("/notices/{number}/resend", response_model=Row)
def resend(visit: Visit, number: Number) -> Row:
    return shapes.row(writes.resend(visit.connection, number))


@router.get("/matches")
def list_matches(
    visit: Visit, rule: str | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page:
    given = {"rule": rule, "limit": limit + 1, "before": _before(cursor)}
    found = visit.connection.execute(_MATCHES, given).mappings().all()
    return shapes.page(found, limit, lambda one: (one["id"],))


def _before(cursor: str | None) -> int | None:
    place = cursors.decode(cursor, 1)
    if place is not None and not (isinstance(place[0], int) and abs(place[0]) < 2**63):
        raise refuse(422, "this cursor is not one of ours", column="cursor")
    return place[0] if place else None


def _watch(watch: Watch, plural: str) -> None:
    """What a watch found, under its own word."""
    pages = watch.pages
    if pages is None:
        return

    def listed(
        visit: Visit,
        q: Annotated[str | None, Query(max_length=200)] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page:
        place = cursors.decode(cursor, 1)
        given: dict[str, Any] = {
            "q": like(q) if q else None,
            "limit": limit + 1,
            "after": str(place[0]) if place else None,
        }
        found = visit.connection.execute(text(pages.found), given).mappings().all()
        return shapes.page(found, limit, lambda one: (str(one["key"]),))

    def one(visit: Visit, key: str) -> Row:
        panels = {
            panel.title: shapes.value(
                list(visit.connection.execute(text(panel.sql), {"key": key}).mappings())
            )
            for panel in pages.details
        }
        return {"key": key, "panels": panels}

    router.get(
        f"/{plural}", name=f"list_{plural}", description=f"{plural.capitalize()}, the newest first."
    )(listed)
    router.get(
        f"/{plural}/{{key:path}}",
        name=f"read_{watch.subject if plural == watch.plural else plural}",
        response_model=Row,
    )(one)


for _domain, _one in by_domain().items():
    for _word in sorted({_one.plural, _domain}):
        _watch(_one, _word)
