"""Schedules and actions on many of them; runs, their items, and what people asked of them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from console import bulk, rows, sql, writes
from console.access import Visit
from console.api import shapes
from console.api.shapes import Number, Once, Page, Row, Tag, requested
from console.queries import runs, schedules
from console.queries.strip import capped
from console.refusals import refuse
from workers.ledger.retried import ONLY_FAILED
from workers.ledger.states import RUN_STATES

of_schedules, of_runs = APIRouter(tags=["schedules"]), APIRouter(tags=["runs"])


def _require(column: str, given: str | None, *known: str) -> None:
    if given is not None and given not in known:
        raise refuse(422, f'no {column} "{given}"', f"One of {', '.join(known)}.", column)


@of_schedules.get("/schedules")
def list_schedules(visit: Visit, asked: Annotated[schedules.Filter, Query()]) -> Page:
    _require("sort", asked.sort, *schedules.SORTS)
    which = schedules.choose(visit.connection, asked)
    total = capped(which.count, schedules.MAX_COUNTED) if asked.count else None
    return shapes.page(schedules.page(visit.connection, which), total)


@of_schedules.post("/schedules", status_code=201, response_model=Row)
def create_schedule(visit: Visit, body: Row) -> Response:
    return shapes.tagged(writes.create_schedule(visit.connection, body), 201)


@of_schedules.get("/schedules/{name}", response_model=Row)
def read_schedule(visit: Visit, name: str) -> Response:
    """Every column, how it went, and its next five due times; ETag is its revision."""
    writes.require_schedule(visit.connection, name)
    row = rows.get(visit.connection, "schedule", {"name": name})
    status = schedules.one(visit.connection, name) or {}
    coming = schedules.next_runs(visit.connection, name)
    return shapes.tagged({**status, **row, "next_runs": coming})


@of_schedules.patch("/schedules/{name}", response_model=Row)
def update_schedule(visit: Visit, name: str, body: Row, tag: Tag) -> Response:
    """Edit the columns given; a timing replaces the earlier one."""
    return shapes.tagged(writes.update_schedule(visit.connection, name, body, tag))


@of_schedules.delete("/schedules/{name}", status_code=204)
def delete_schedule(visit: Visit, name: str, tag: Tag) -> None:
    """History stays under its name."""
    writes.delete_schedule(visit.connection, name, tag)


@of_schedules.post("/schedules/{name}/copy", status_code=201, response_model=Row)
def copy_schedule(visit: Visit, name: str, body: shapes.Copy) -> Response:
    """A disabled copy under a new name."""
    return shapes.tagged(writes.copy_schedule(visit.connection, name, body.name), 201)


@of_schedules.post("/schedules/{name}/pause", response_model=Row)
def pause(visit: Visit, name: str, body: shapes.Pause) -> Response:
    return shapes.tagged(writes.do(visit.connection, "pause", name=name, **body.model_dump()))


@of_schedules.post("/schedules/{name}/resume", response_model=Row)
def resume(visit: Visit, name: str) -> Response:
    return shapes.tagged(writes.do(visit.connection, "resume", name=name))


@of_schedules.post("/schedules/{name}/run", status_code=202, response_model=shapes.Requested)
def run_now(visit: Visit, name: str, body: shapes.RunNow, once: Once) -> Response:
    """Run it now, by its overlap policy; the id of its run is known at once."""
    given = body.model_dump()
    return once(body, lambda: requested(writes.do(visit.connection, "run", name=name, **given)))


@of_schedules.post("/schedules/{name}/backfill", status_code=202, response_model=Row)
def backfill(visit: Visit, name: str, body: shapes.Backfill, once: Once) -> Response:
    """Run every due time of a range; a dry run says what it costs and when it would end."""
    given = body.model_dump(mode="json")
    return once(body, lambda: writes.backfill(visit.connection, name, **given), dry_run=body.dry_run)


@of_schedules.get("/schedules/{name}/next-runs")
def next_runs(visit: Visit, name: str, number: Annotated[int, Query(ge=1, le=100)] = 5) -> Page:
    return Page(items=schedules.next_runs(visit.connection, name, number))


@of_schedules.get("/schedules/{name}/strip")
def strip_of(visit: Visit, name: str) -> Page:
    """Its last 24 runs, the oldest first."""
    return Page(items=runs.strips(visit.connection, [name])[name])


@of_schedules.post("/bulk/preview")
def preview(visit: Visit, body: shapes.Chosen) -> Row:
    """How many are chosen, how many would change, and the first of them."""
    return bulk.preview(visit.connection, body.which(), body.action)


@of_schedules.post("/bulk", status_code=202, response_model=Row)
def apply(visit: Visit, body: shapes.Bulk, once: Once) -> Response:
    given = body.model_dump(include={"why", "until", "column", "value"}, mode="json")

    def act() -> Row:
        done = bulk.apply(visit.connection, body.which(), body.action, given, body.expected)
        return {"operation": done[0], "changed": done[1]}

    return once(body, act)


@of_schedules.post("/bulk/{operation}/resume", status_code=202)
def resume_operation(visit: Visit, operation: UUID) -> Row:
    """Resume exactly what that pause paused and nobody has touched since."""
    made, number = bulk.resume_operation(visit.connection, operation)
    return {"operation": made, "changed": number}


@of_schedules.post("/pause-all")
def pause_all(visit: Visit, body: shapes.Why) -> Row:
    return writes.do(visit.connection, "pause_all", why=body.why)


@of_schedules.post("/resume-all")
def resume_all(visit: Visit) -> Row:
    return writes.do(visit.connection, "resume_all")


@of_runs.get("/runs")
def list_runs(visit: Visit, asked: Annotated[runs.Filter, Query()]) -> Page:
    _require("state", asked.state, *runs.GROUPS, *RUN_STATES)
    return shapes.page(runs.listed(visit.connection, asked))


@of_runs.get("/runs/{run}")
def read_run(visit: Visit, run: UUID) -> Row:
    """Everything about one: progress, what it waits for, options, result, failures grouped."""
    found = sql.first(visit.connection, "runs.one", id=run)
    if found is None:
        raise refuse(404, "no such run")
    return {**found, **runs.about(visit.connection, run)}


@of_runs.get("/runs/{run}/items")
def list_items(visit: Visit, run: UUID, asked: Annotated[runs.ItemFilter, Query()]) -> Page:
    return shapes.page(runs.items(visit.connection, run, asked))


@of_runs.post("/runs/{run}/stop", status_code=202, response_model=shapes.Requested)
def stop(visit: Visit, run: UUID, body: shapes.Why, once: Once) -> Response:
    """Waiting batches end at once, running ones at their next call."""
    given = {"run": run, "why": body.why}
    return once(
        body, lambda: {**requested(writes.do(visit.connection, "stop", **given)), "run_id": run}
    )


@of_runs.post("/runs/{run}/retry", status_code=202, response_model=shapes.Requested)
def retry(visit: Visit, run: UUID, body: shapes.RetryOne, once: Once) -> Response:
    """Run it again with the same options: all of it, or its `failures` alone."""
    given = {"run": run, "why": body.why, "options": ONLY_FAILED if body.only_failed else None}
    return once(body, lambda: requested(writes.do(visit.connection, "retry", **given)))


@of_runs.post("/runs/retry", status_code=202, response_model=Row)
def retry_failed(visit: Visit, body: shapes.Retry, once: Once) -> Response:
    """The last failed run of each schedule, again; a dry run lists them."""

    def act() -> Row:
        given = {"since": body.since, "schedule": body.schedule}
        found = sql.rows(visit.connection, "runs.last_failed", **given)
        for one in found if not body.dry_run else ():
            writes.do(visit.connection, "retry", run=one["id"], why=body.why, options=None)
        return {"dry_run": body.dry_run, "runs": found}

    return once(body, act, dry_run=body.dry_run)


@of_runs.get("/requests/{number}")
def read_request(visit: Visit, number: Number) -> Row:
    """What was asked, and beat's answer."""
    found = sql.first(visit.connection, "runs.request", number=number)
    return rows.present(found, "request", {"id": number})
