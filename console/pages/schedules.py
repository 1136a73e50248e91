"""Schedules: the list with search, filters and sorts, new ones, and one action on many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from console import bulk, sql, writes
from console.access import Visit
from console.pages import schedule_form
from console.queries import runs, schedules
from console.queries.schedules import MAX_COUNTED, UPKEEP, Filter
from console.queries.strip import capped
from console.templating import Form, drawn_again, go_to, render, word

router = APIRouter(prefix="/schedules")


class Asked(Filter):
    """As people see it: upkeep that is well stays folded unless it is asked for."""

    #: Of an operation that was resumed just now.
    done: int = Field(default=0, exclude=True)
    operation: UUID | None = Field(default=None, exclude=True)

    def folded(self) -> Asked:
        chosen = self.q or self.state or self.task or self.queue
        known = self.sort if self.sort in schedules.SORTS else schedules.NEED
        upkeep = self.upkeep if chosen or self.upkeep is not None else False
        return self.model_copy(update={"upkeep": upkeep, "sort": known})


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
        "folded": None,
    }
    if chosen.upkeep is False and not asked.cursor:
        counted = {"queue": UPKEEP, "most": MAX_COUNTED + 1, "problems": problems}
        shown["folded"] = sql.first(connection, "schedules.upkeep", **counted)
    return render(visit, "schedules.html", found=found, asked=asked, actions=bulk.ACTIONS, **shown)


@router.get("/new")
def new_page(visit: Visit, task: str = "") -> Response:
    task = word(visit.sent or {}, "task") or task
    made = schedule_form.of(visit.connection, {"task": task}, visit.sent, new=True) if task else None
    kinds, at = sql.rows(visit.connection, "overview.kinds"), schedule_form.place(visit.refusal)
    return render(visit, "schedule_new.html", task=task, form=made, kinds=kinds, at=at)


@router.post("/new", dependencies=[drawn_again("/schedules/new")])
def create(visit: Visit, form: Form) -> Response:
    task = word(form, "task")
    made = schedule_form.of(visit.connection, {"task": task}, form, new=True)
    values = made.values(visit.connection, form, {})
    row = writes.create_schedule(visit.connection, {"task": task, **values})
    return go_to(f"/schedules/{row['name']}?saved={row['revision']}")


@router.get("/bulk")
def preview_page(visit: Visit) -> Response:
    """What one action would do to the chosen, counted; nothing is changed."""
    asked = visit.request.query_params
    given = visit.sent or {name: asked.getlist(name) for name in asked}
    action, chosen = word(given, "action") or "pause", _chosen(given)
    counted = bulk.preview(visit.connection, chosen, action)
    sample = schedules.rows_of(visit.connection, counted["sample"])
    filtered = chosen.given if isinstance(chosen, Filter) else None
    shown = {"action": action, "counted": counted, "sample": sample, "given": given}
    columns = schedule_form.ONE_COLUMN
    return render(visit, "bulk.html", chosen=filtered, columns=columns, **shown)


def _chosen(given: Mapping[str, Sequence[str]]) -> Filter | list[str]:
    """The rows that were ticked, else all that pass the filter."""
    if given.get("name"):
        return list(given["name"])
    return Asked.model_validate({name: values[-1] for name, values in given.items()}).folded()


@router.post("/bulk", dependencies=[drawn_again("/schedules/bulk")])
def act(visit: Visit, form: Form) -> Response:
    action, expected = word(form, "action"), word(form, "expected")
    number = int(expected) if expected.isdecimal() else None
    values: dict[str, Any] = {name: word(form, name) for name in ("why", "column", "value")}
    values["until"] = schedule_form.until(visit.connection, word(form, "until"))
    made, count = bulk.apply(visit.connection, _chosen(form), action, values, number)
    return go_to(f"/schedules/operations/{made}?count={count}&action={action}")


@router.get("/operations/{operation}")
def operation_page(visit: Visit, operation: UUID, count: int = 0, action: str = "") -> Response:
    return render(visit, "operation.html", operation=operation, count=count, action=action)


@router.post("/operations/{operation}/resume")
def resume_operation(visit: Visit, operation: UUID) -> Response:
    made, count = bulk.resume_operation(visit.connection, operation)
    return go_to(f"/schedules?done={count}&operation={made}")


@router.post("/all/{action}")
def everything(visit: Visit, action: str, form: Form) -> Response:
    """One switch for all schedules; single pauses survive it."""
    if action == "pause":
        writes.do(visit.connection, "pause_all", why=word(form, "why"))
    else:
        writes.do(visit.connection, "resume_all")
    return go_to("/schedules")
