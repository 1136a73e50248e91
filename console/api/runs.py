"""Runs, their items, and what people asked of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import text

from console import cursors, writes
from console.access import Visit
from console.api import shapes
from console.api.once import Key, once
from console.api.schedules import requested
from console.api.shapes import Cursor, Limit, Page, Row
from console.queries import runs
from console.refusals import refuse
from console.sql import statement
from workers.ledger.states import RUN_STATES

router = APIRouter(tags=["runs"])

_REQUEST = text("select * from run_request where id = :number")
#: The last failed run of each schedule.
_FAILED = statement("requests", "failed")


@router.get("/runs")
def list_runs(visit: Visit, asked: Annotated[shapes.RunFilter, Query()]) -> Page:
    known = (*runs.GROUPS, *RUN_STATES)
    if asked.state is not None and asked.state not in known:
        raise refuse(422, f"no state {asked.state!r}", f"One of {', '.join(known)}.", "state")
    given = asked.model_dump(exclude={"limit", "cursor"})
    found = runs.listed(visit.connection, runs.Filter(**given), asked.limit, _place(asked.cursor))
    return shapes.piece(found)


def _place(cursor: str | None) -> tuple[datetime, UUID] | None:
    place = cursors.decode(cursor, 2)
    try:
        return (datetime.fromisoformat(str(place[0])), UUID(str(place[1]))) if place else None
    except ValueError as error:
        raise refuse(422, "this cursor is not one of ours", column="cursor") from error


@router.get("/runs/{run}", response_model=Row)
def read_run(visit: Visit, run: UUID) -> Row:
    """Everything about one: progress, what it waits for, options, result, failures grouped."""
    found = shapes.one(runs.one(visit.connection, run), "no such run")
    return {
        **found,
        "batches": shapes.value(list(runs.batches(visit.connection, run))),
        "failures": shapes.value(list(runs.failures(visit.connection, run))),
        "requests": shapes.value(list(runs.requests(visit.connection, run))),
    }


@router.get("/runs/{run}/items")
def list_items(
    visit: Visit, run: UUID, state: str | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page:
    place = cursors.decode(cursor, 2)
    if place is not None and not all(isinstance(one, int) for one in place):
        raise refuse(422, "this cursor is not one of ours", column="cursor")
    after = (int(place[0]), int(place[1])) if place else (-1, 0)
    found = runs.items(visit.connection, run, state, limit + 1, after)
    return shapes.page(found, limit, lambda one: (one["seq"], one["place"]))


@router.post("/runs/{run}/stop", status_code=202, response_model=shapes.Requested)
def stop(visit: Visit, run: UUID, body: shapes.Why, key: Key = None) -> Response:
    """Waiting batches end at once, running ones at their next call."""

    def act() -> Row:
        return {**requested(writes.stop_run(visit.connection, run, body.why)), "run_id": str(run)}

    return once(visit, key, body.model_dump(), act)


@router.post("/runs/{run}/retry", status_code=202, response_model=shapes.Requested)
def retry(visit: Visit, run: UUID, body: shapes.RetryOne, key: Key = None) -> Response:
    """Run it again with the same options: all of it, or its `failures` alone."""

    def act() -> Row:
        return requested(
            writes.retry_run(visit.connection, run, body.why, only_failed=body.only_failed)
        )

    return once(visit, key, body.model_dump(), act)


@router.post("/runs/retry", status_code=202, response_model=Row)
def retry_failed(visit: Visit, body: shapes.Retry, key: Key = None) -> Response:
    """The last failed run of each schedule, again; a dry run lists them."""

    def act() -> Row:
        given = {"since": body.since, "schedule": body.schedule}
        found = visit.connection.execute(_FAILED, given).mappings().all()
        if not body.dry_run:
            for one in found:
                writes.retry_run(visit.connection, one["id"], body.why)
        return {"dry_run": body.dry_run, "runs": [shapes.row(one) for one in found]}

    return once(visit, None if body.dry_run else key, body.model_dump(), act)


@router.get("/requests/{number}", response_model=Row)
def read_request(visit: Visit, number: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Row:
    """What was asked, and beat's answer."""
    found = visit.connection.execute(_REQUEST, {"number": number}).mappings().one_or_none()
    return shapes.one(found, f"no request {number}")
