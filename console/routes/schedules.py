"""Schedules: the list with search, filters and sorts, new ones, and one action on many."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from console import bulk, forms, shapes, sql, writes
from console.access import Sent, Visit
from console.queries import runs, schedules
from console.queries.schedules import MAX_COUNTED, UPKEEP, Filter
from console.queries.strip import capped
from console.routes.actions import asked_by_api, asked_by_form
from console.routes.schedule import ONE_COLUMN, form_of, save_form
from console.rows import Rows
from console.shapes import Once, Page, Row, Tag
from console.templating import Form, drawn_again, go_to, render

router, api = APIRouter(prefix="/schedules"), APIRouter(tags=["schedules"])


class Asked(Filter):
    """As people see it: upkeep that is well stays folded unless it is asked for."""

    #: Of an operation that was resumed just now.
    done: int = Field(default=0, exclude=True)
    operation: UUID | None = Field(default=None, exclude=True)

    def folded(self) -> Asked:
        chosen = self.q or self.state or self.task or self.queue
        upkeep = self.upkeep if chosen or self.upkeep is not None else False
        return self.model_copy(update={"upkeep": upkeep})


@router.get("")
def list_page(visit: Visit, asked: Annotated[Asked, Query()]) -> Response:
    connection, chosen = visit.connection, asked.folded()
    known = schedules.choose(connection, chosen)
    found, problems = schedules.page(connection, known), schedules.problems(connection)
    shown: dict[str, Any] = {
        "number": capped(known.count, MAX_COUNTED),
        "problems": capped(len(problems), MAX_COUNTED),
        "strips": runs.strips(connection, [row["name"] for row in found.rows]),
        "queues": [row["queue"] for row in sql.rows(connection, "schedules.queues")],
        "given": {**chosen.given, "upkeep": asked.upkeep},
        "folded": chosen.upkeep is False
        and not asked.cursor
        and sql.first(
            connection, "schedules.upkeep", queue=UPKEEP, most=MAX_COUNTED + 1, problems=problems
        ),
    }
    return render(visit, "schedules.html", found=found, asked=asked, actions=bulk.ACTIONS, **shown)


@router.get("/_new")
def new_page(visit: Visit, task: str = "") -> Response:
    task = (visit.sent or Sent()).get("task", task)
    made = form_of(visit.connection, {"task": task}, visit.sent, new=True) if task else None
    kinds, at = sql.rows(visit.connection, "overview.kinds"), forms.place(visit.refusal)
    return render(visit, "schedule_new.html", task=task, form=made, kinds=kinds, at=at)


@router.post("/_new", dependencies=[drawn_again()])
def create(visit: Visit, form: Form) -> Response:
    row = save_form(visit.connection, form)
    return go_to(f"/schedules/{row['name']}?saved={row['revision']}")


@router.get("/_bulk")
def preview_page(visit: Visit) -> Response:
    """What one action would do to the chosen, counted; nothing is changed."""
    given = visit.sent or visit.request.query_params
    action, chosen = given.get("action", "") or "pause", _chosen(given)
    counted = bulk.preview(visit.connection, chosen, action)
    sample = schedules.rows_of(visit.connection, counted["sample"])
    shown: dict[str, Any] = {"action": action, "counted": counted, "sample": sample, "given": given}
    shown["chosen"] = chosen.given if isinstance(chosen, Filter) else None
    return render(visit, "bulk.html", columns=ONE_COLUMN, **shown)


def _chosen(given: Sent) -> Filter | list[str]:
    """The rows that were ticked, else all that pass the filter."""
    return given.getlist("name") or Asked.model_validate(dict(given)).folded()


@router.post("/_bulk", dependencies=[drawn_again()])
def act(visit: Visit, form: Form) -> Response:
    action, expected = form.get("action", ""), form.get("expected", "")
    number = int(expected) if expected.isdecimal() else None
    values = {name: form.get(name) or None for name in ("why", "until", "column", "value")}
    made, count = bulk.apply(visit.connection, _chosen(form), action, values, number)
    return go_to(f"/schedules/_operations/{made}?count={count}&action={action}")


@router.get("/_operations/{operation}")
def operation_page(visit: Visit, operation: UUID, count: int = 0, action: str = "") -> Response:
    return render(visit, "operation.html", operation=operation, count=count, action=action)


@router.post("/_operations/{operation}/resume")
def resume_page(visit: Visit, operation: UUID) -> Response:
    made, count = bulk.resume_operation(visit.connection, operation)
    return go_to(f"/schedules?done={count}&operation={made}")


# One switch for all schedules; single pauses survive it.
asked_by_form(router, "/_all/pause", "pause_all", "/schedules")
asked_by_form(router, "/_all/resume", "resume_all", "/schedules")


@api.get("/schedules")
def list_schedules(visit: Visit, asked: Annotated[schedules.Filter, Query()]) -> Page:
    which = schedules.choose(visit.connection, asked)
    total = capped(which.count, schedules.MAX_COUNTED) if asked.count else None
    return shapes.page(asked, lambda _: schedules.page(visit.connection, which), total)


@api.post("/schedules", status_code=201, response_model=Row)
def create_schedule(visit: Visit, body: Row) -> Response:
    return shapes.tagged(writes.create_schedule(visit.connection, body), 201)


@api.get("/schedules/{name}", response_model=Row)
def read_schedule(visit: Visit, name: str) -> Response:
    """Every column, how it went, and its next five due times; ETag is its revision."""
    row = Rows(visit.connection, "schedule").get({"name": name})
    status = schedules.one(visit.connection, name) or {}
    coming = sql.rows(visit.connection, "schedules.next_runs", name=name, number=5)
    return shapes.tagged({**status, **row, "next_runs": coming})


@api.patch("/schedules/{name}", response_model=Row)
def update_schedule(visit: Visit, name: str, body: Row, tag: Tag) -> Response:
    """Edit the columns given; a timing replaces the earlier one."""
    return shapes.tagged(writes.update_schedule(visit.connection, name, body, tag))


@api.delete("/schedules/{name}", status_code=204)
def delete_schedule(visit: Visit, name: str, tag: Tag) -> None:
    """History stays under its name."""
    Rows(visit.connection, "schedule").delete({"name": name}, tag)


@api.post("/schedules/{name}/copy", status_code=201, response_model=Row)
def copy_schedule(visit: Visit, name: str, body: shapes.Copy) -> Response:
    """A disabled copy under a new name."""
    return shapes.tagged(writes.copy_schedule(visit.connection, name, body.name), 201)


asked_by_api(api, "/schedules/{name}/pause", "pause", shapes.Pause)
asked_by_api(api, "/schedules/{name}/resume", "resume")
asked_by_api(api, "/schedules/{name}/run", "run", shapes.RunNow, "run_now")
asked_by_api(api, "/schedules/{name}/backfill", "backfill", shapes.Backfill)


@api.get("/schedules/{name}/next-runs")
def next_runs(visit: Visit, name: str, number: Annotated[int, Query(ge=1, le=100)] = 5) -> Page:
    return Page(items=sql.rows(visit.connection, "schedules.next_runs", name=name, number=number))


@api.get("/schedules/{name}/strip")
def strip_of(visit: Visit, name: str) -> Page:
    """Its last 24 runs, the oldest first."""
    sql.first(visit.connection, "writes.require", name=name)
    return Page(items=runs.strips(visit.connection, [name])[name])


@api.post("/bulk/preview")
def preview(visit: Visit, body: shapes.Chosen) -> Row:
    """How many are chosen, how many would change, and the first of them."""
    return bulk.preview(visit.connection, body.which(), body.action)


@api.post("/bulk", status_code=202, response_model=Row)
def apply(visit: Visit, body: shapes.Bulk, once: Once) -> Response:
    given = body.model_dump(include={"why", "until", "column", "value"}, mode="json")

    def act() -> Row:
        done = bulk.apply(visit.connection, body.which(), body.action, given, body.expected)
        return {"operation": done[0], "changed": done[1]}

    return once(body, act)


@api.post("/bulk/{operation}/resume", status_code=202)
def resume_operation(visit: Visit, operation: UUID) -> Row:
    """Resume exactly what that pause paused and nobody has touched since."""
    made, number = bulk.resume_operation(visit.connection, operation)
    return {"operation": made, "changed": number}


asked_by_api(api, "/pause-all", "pause_all", shapes.Why)
asked_by_api(api, "/resume-all", "resume_all")
