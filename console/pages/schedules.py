"""Schedules: the list with search, filters and sorts, new ones, and one action on many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import RedirectResponse, Response

from console import bulk, sql, writes
from console.access import Visit, VisitOf
from console.pages import schedule_form
from console.pages.layout import Form, done, word
from console.queries import runs, schedules
from console.queries.schedules import MAX_COUNTED, UPKEEP, Filter
from console.queries.strip import capped
from console.refusals import Refusal
from console.templating import render

router = APIRouter(prefix="/schedules")


class Asked(Filter):
    """As people see it: upkeep that is well stays folded unless it is asked for."""

    #: Of an operation that was resumed just now.
    done: int = Field(default=0, exclude=True)

    def folded(self) -> Asked:
        chosen = self.q or self.state or self.task or self.queue or self.upkeep
        known = self.sort if self.sort in schedules.SORTS else schedules.NEED
        return self.model_copy(update={"upkeep": None if chosen else False, "sort": known})


def look(row: Mapping[str, object]) -> str:
    """The word whose glyph stands for a row: what a person has to know first."""
    state = str(row["state"])
    if state.startswith(("set aside", "paused itself", "LATE")):
        return "failed"
    if state.startswith(("paused", "disabled")):
        return state.partition(" ")[0]
    return str(row["active_state"] or row["last_state"] or "")


@router.get("")
def list_page(visit: Visit, asked: Annotated[Asked, Query()]) -> Response:
    connection, chosen = visit.connection, asked.folded()
    known = schedules.choose(connection, chosen)
    found = schedules.page(connection, known)
    folded = None
    if chosen.upkeep is False and not asked.cursor:
        folded = sql.first(connection, "schedules.upkeep", queue=UPKEEP, most=MAX_COUNTED + 1)
    return render(
        visit,
        "schedules.html",
        rows=[{**row, "look": look(row)} for row in found.rows],
        more=found.next,
        cursor=asked.cursor,
        given={**chosen.given, "upkeep": asked.upkeep},
        number=capped(known.count, MAX_COUNTED),
        problems=len(schedules.problems(connection)),
        folded=folded,
        strips=runs.strips(connection, [row["name"] for row in found.rows]),
        queues=[row["queue"] for row in sql.rows(connection, "schedules.queues")],
        actions=bulk.ACTIONS,
        done=asked.done,
    )


@router.get("/new")
def new_page(visit: Visit, task: str = "") -> Response:
    return _new(visit, task)


def _new(
    visit: VisitOf, task: str, form: Form | None = None, refusal: Refusal | None = None
) -> Response:
    made = schedule_form.of(visit.connection, {"task": task}, form, new=True) if task else None
    return render(
        visit,
        "schedule_new.html",
        refusal=refusal,
        kinds=sql.rows(visit.connection, "overview.kinds"),
        task=task,
        form=made,
        at=schedule_form.place(refusal),
    )


@router.post("/new")
def create(visit: Visit, form: Form) -> Response:
    task = word(form, "task")

    def act() -> str:
        made = schedule_form.of(visit.connection, {"task": task}, form, new=True)
        values = made.values(visit.connection, form, {})
        row = writes.create_schedule(visit.connection, {"task": task, **values})
        return f"/schedules/{row['name']}?saved={row['revision']}"

    return done(visit, act, lambda refusal: _new(visit, task, form, refusal))


@router.get("/bulk")
def preview_page(visit: Visit) -> Response:
    """What one action would do to the chosen, counted; nothing is changed."""
    parameters = visit.request.query_params
    return _preview(visit, {name: parameters.getlist(name) for name in parameters})


def _preview(
    visit: VisitOf, given: Mapping[str, Sequence[str]], refusal: Refusal | None = None
) -> Response:
    action, chosen = word(given, "action") or "pause", _chosen(given)
    counted = bulk.preview(visit.connection, chosen, action)
    return render(
        visit,
        "bulk.html",
        refusal=refusal,
        action=action,
        counted=counted,
        sample=schedules.rows_of(visit.connection, counted["sample"]),
        given=given,
        chosen=chosen.given if isinstance(chosen, Filter) else None,
        columns=schedule_form.ONE_COLUMN,
    )


def _chosen(given: Mapping[str, Sequence[str]]) -> Filter | list[str]:
    """The rows that were ticked, else all that pass the filter."""
    if given.get("name"):
        return list(given["name"])
    return Asked.model_validate({name: values[-1] for name, values in given.items()}).folded()


@router.post("/bulk")
def act(visit: Visit, form: Form) -> Response:
    action, expected = word(form, "action"), word(form, "expected")
    number = int(expected) if expected.isdecimal() else None

    def apply() -> str:
        values = {name: word(form, name) for name in ("why", "column", "value")}
        values["until"] = schedule_form.until(visit.connection, word(form, "until")) or ""
        made, count = bulk.apply(visit.connection, _chosen(form), action, values, number)
        return f"/schedules/operations/{made}?count={count}&action={action}"

    return done(visit, apply, lambda refusal: _preview(visit, form, refusal))


@router.get("/operations/{operation}")
def operation_page(visit: Visit, operation: UUID, count: int = 0, action: str = "") -> Response:
    return render(visit, "operation.html", operation=operation, count=count, action=action)


@router.post("/operations/{operation}/resume")
def resume_operation(visit: Visit, operation: UUID) -> Response:
    """Resume exactly what that operation paused."""
    _, count = bulk.resume_operation(visit.connection, operation)
    return RedirectResponse(f"/schedules?done={count}", 303)


@router.post("/all/{action}")
def everything(visit: Visit, action: str, form: Form) -> Response:
    """One switch for all schedules; single pauses survive it."""
    if action == "pause":
        writes.pause_all(visit.connection, word(form, "why"))
    else:
        writes.resume_all(visit.connection)
    return RedirectResponse("/schedules", 303)
