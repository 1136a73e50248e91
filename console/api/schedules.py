"""Schedules, and actions on many of them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from console import bulk, cursors, rows, writes
from console.access import Visit
from console.api import shapes
from console.api.once import Key, once
from console.api.shapes import IfMatch, Page, Row
from console.queries import runs, schedules
from console.queries.schedules import Filter
from console.refusals import refuse

router = APIRouter(tags=["schedules"])
KEY = "schedule"


@router.get("/schedules")
def list_schedules(visit: Visit, asked: Annotated[shapes.ScheduleFilter, Query()]) -> Page:
    for given, known in ((asked.sort, schedules.SORTS), (asked.state, schedules.STATES)):
        if given is not None and given not in known:
            raise refuse(422, f'"{given}" is not known', f"One of {', '.join(known)}.")
    chosen = Filter(asked.q, asked.state, asked.task, asked.queue, asked.upkeep)
    after = cursors.decode(asked.cursor, 3)
    which = schedules.choose(visit.connection, chosen)
    found, last = schedules.page(visit.connection, which, asked.sort, asked.limit, after)
    return Page(
        items=[shapes.row(one) for one in found],
        next=cursors.encode(*last) if last else None,
        total=_total(which.count) if asked.count else None,
    )


def _total(number: int) -> str:
    most = schedules.MAX_COUNTED
    return f"{most:,}+" if number > most else f"{number:,}"


@router.post("/schedules", status_code=201, response_model=Row)
def create_schedule(visit: Visit, body: Row) -> Response:
    made = writes.create_schedule(visit.connection, body)
    return shapes.tagged(made, 201)


@router.get("/schedules/{name}", response_model=Row)
def read_schedule(visit: Visit, name: str) -> Response:
    """Every column, how it went, and its next five due times; ETag is its revision."""
    writes.require_schedule(visit.connection, name)
    row = rows.get(visit.connection, KEY, {"name": name})
    status = schedules.one(visit.connection, name)
    if row is None or status is None:
        raise refuse(404, f'no schedule named "{name}"')
    coming = [shapes.row(one) for one in schedules.next_runs(visit.connection, name)]
    return shapes.tagged({**status, **row, "next_runs": coming})


@router.patch("/schedules/{name}", response_model=Row)
def update_schedule(visit: Visit, name: str, body: Row, if_match: IfMatch = None) -> Response:
    """Edit the columns given; a timing replaces the earlier one."""
    made = writes.update_schedule(visit.connection, name, body, shapes.required(if_match))
    return shapes.tagged(made)


@router.delete("/schedules/{name}", status_code=204)
def delete_schedule(visit: Visit, name: str, if_match: IfMatch = None) -> None:
    """History stays under its name."""
    writes.delete_schedule(visit.connection, name, shapes.required(if_match))


@router.post("/schedules/{name}/copy", status_code=201, response_model=Row)
def copy_schedule(visit: Visit, name: str, body: shapes.Copy) -> Response:
    """A disabled copy under a new name."""
    return shapes.tagged(writes.copy_schedule(visit.connection, name, body.name), 201)


@router.post("/schedules/{name}/pause", response_model=Row)
def pause(visit: Visit, name: str, body: shapes.Pause) -> Response:
    until = body.until.isoformat() if body.until else None
    return shapes.tagged(writes.pause(visit.connection, name, body.why, until))


@router.post("/schedules/{name}/resume", response_model=Row)
def resume(visit: Visit, name: str) -> Response:
    return shapes.tagged(writes.resume(visit.connection, name))


@router.post("/schedules/{name}/run", status_code=202, response_model=shapes.Requested)
def run_now(visit: Visit, name: str, body: shapes.RunNow, key: Key = None) -> Response:
    """Run it now, by its overlap policy; the id of its run is known at once."""

    def act() -> Row:
        return requested(writes.run_now(visit.connection, name, body.why, body.options))

    return once(visit, key, body.model_dump(), act)


@router.post("/schedules/{name}/backfill", status_code=202, response_model=Row)
def backfill(visit: Visit, name: str, body: shapes.Backfill, key: Key = None) -> Response:
    """Run every due time of a range; a dry run says what it costs and when it would end."""
    first, last = body.first.isoformat(), body.last.isoformat()

    def act() -> Row:
        return shapes.row(
            writes.backfill(
                visit.connection, name, first, last, body.overlap, why=body.why, dry_run=body.dry_run
            )
        )

    return once(visit, None if body.dry_run else key, body.model_dump(), act)


@router.get("/schedules/{name}/next-runs")
def next_runs(visit: Visit, name: str, number: Annotated[int, Query(ge=1, le=100)] = 5) -> Page:
    found = schedules.next_runs(visit.connection, name, number)
    return Page(items=[shapes.row(one) for one in found])


@router.get("/schedules/{name}/strip")
def strip_of(visit: Visit, name: str) -> Page:
    """Its last 24 runs, the oldest first."""
    found = runs.strips(visit.connection, [name])[name]
    return Page(items=[shapes.row(one) for one in found])


@router.post("/bulk/preview", response_model=Row)
def preview(visit: Visit, body: shapes.Chosen) -> Row:
    """How many are chosen, how many would change, and the first of them."""
    return bulk.preview(visit.connection, body.which(), body.action)


@router.post("/bulk", status_code=202, response_model=Row)
def apply(visit: Visit, body: shapes.Bulk, key: Key = None) -> Response:
    values = {
        "why": body.why, "column": body.column, "value": body.value,
        "until": body.until.isoformat() if body.until else None,
    }  # fmt: skip

    def act() -> Row:
        done = bulk.apply(visit.connection, body.which(), body.action, values, body.expected)
        return {"operation": str(done[0]), "changed": done[1]}

    return once(visit, key, body.model_dump(), act)


@router.post("/bulk/{operation}/resume", status_code=202, response_model=Row)
def resume_operation(visit: Visit, operation: UUID) -> Row:
    """Resume exactly what that pause paused and nobody has touched since."""
    made, number = bulk.resume_operation(visit.connection, operation)
    return {"operation": str(made), "changed": number}


@router.post("/pause-all", response_model=Row)
def pause_all(visit: Visit, body: shapes.Why) -> Row:
    return shapes.row(writes.pause_all(visit.connection, body.why))


@router.post("/resume-all", response_model=Row)
def resume_all(visit: Visit) -> Row:
    return shapes.row(writes.resume_all(visit.connection))


def requested(asked: shapes.Found) -> Row:
    """A request, and where its run will be."""
    run = asked["new_run_id"]
    return {
        "request": asked["id"],
        "run_id": str(run) if run else None,
        "run": f"/api/v1/runs/{run}" if run else None,
    }
