"""Schedules: the list with search, filters and sorts, new ones, and one action on many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import RedirectResponse, Response

from console import bulk, cursors, writes
from console.access import Visit, VisitOf
from console.pages import layout, schedule_form
from console.pages.layout import Form
from console.queries import runs, schedules
from console.queries.schedules import Filter
from console.refusals import Refusal, Refused, attempt

router = APIRouter(prefix="/schedules")
PAGE = 50
_KINDS = text("select name, description from task_kind where retired_at is null order by name")
_QUEUES = text("select distinct queue from task_kind where retired_at is null order by 1")


def filter_of(given: Mapping[str, str]) -> Filter:
    """What the address says; upkeep that is well stays folded unless it is asked for."""
    words = {name: given.get(name) or None for name in ("q", "state", "task", "queue")}
    folded = None if any(words.values()) or given.get("upkeep") else False
    return Filter(**words, upkeep=folded)


def look(row: Mapping[str, Any]) -> str:
    """The word whose glyph stands for a row: what a person has to know first."""
    state = str(row["state"])
    if state.startswith(("set aside", "paused itself", "LATE")):
        return "failed"
    if state.startswith("paused"):
        return "paused"
    if state == "disabled":
        return state
    return str(row["active_state"] or row["last_state"] or "")


@router.get("")
def list_page(visit: Visit, sort: str = schedules.NEED, after: str = "", done: str = "") -> Response:
    given = dict(visit.request.query_params)
    chosen = filter_of(given)
    sort = sort if sort in schedules.SORTS else schedules.NEED
    known = schedules.choose(visit.connection, chosen)
    found, place = schedules.page(visit.connection, known, sort, PAGE, cursors.decode(after, 3))
    rows = [{**row, "look": look(dict(row))} for row in found]
    return layout.page(
        visit,
        "schedules.html",
        rows=rows,
        more=cursors.encode(*place) if place else None,
        after=after,
        given={**asdict(chosen), "upkeep": given.get("upkeep"), "sort": sort},
        number=known.count,
        problems=len(schedules.problems(visit.connection)),
        folded=schedules.folded(visit.connection) if chosen.upkeep is False and not after else None,
        strips=runs.strips(visit.connection, [row["name"] for row in rows]),
        queues=visit.connection.execute(_QUEUES).scalars().all(),
        actions=bulk.ACTIONS,
        done=done,
    )


@router.get("/new")
def new_page(visit: Visit, task: str = "") -> Response:
    return _new(visit, task, None, None)


def _new(visit: VisitOf, task: str, form: Form | None, refusal: Refusal | None) -> Response:
    made = schedule_form.of(visit.connection, {"task": task}, form, new=True) if task else None
    return layout.page(
        visit,
        "schedule_new.html",
        refusal.status if refusal else 200,
        kinds=layout.dicts(visit.connection.execute(_KINDS)),
        task=task,
        form=made,
        refusal=refusal,
        at=schedule_form.place(refusal),
    )


@router.post("/new")
def create(visit: Visit, form: Form) -> Response:
    task = layout.word(form, "task")
    try:
        with attempt(visit.connection):
            made = schedule_form.of(visit.connection, {"task": task}, form, new=True)
            row = writes.create_schedule(
                visit.connection,
                {"task": task, **schedule_form.values(visit.connection, made, form, {})},
            )
    except Refused as refused:
        return _new(visit, task, form, refused.refusal)
    return RedirectResponse(f"/schedules/{row['name']}?saved={row['revision']}", 303)


@router.get("/bulk")
def preview_page(visit: Visit) -> Response:
    """What one action would do to the chosen, counted; nothing is changed."""
    parameters = visit.request.query_params
    return _preview(visit, {name: parameters.getlist(name) for name in parameters}, None)


def _preview(visit: VisitOf, given: Mapping[str, Sequence[str]], refusal: Refusal | None) -> Response:
    action, chosen = layout.word(given, "action") or "pause", _chosen(given)
    counted = bulk.preview(visit.connection, chosen, action)
    return layout.page(
        visit,
        "bulk.html",
        refusal.status if refusal else 200,
        action=action,
        counted=counted,
        sample=schedules.rows_of(visit.connection, counted["sample"]),
        given=given,
        chosen=asdict(chosen) if isinstance(chosen, Filter) else None,
        columns=schedule_form.ONE_COLUMN,
        refusal=refusal,
    )


def _chosen(given: Mapping[str, Sequence[str]]) -> Filter | list[str]:
    """The rows that were ticked, else all that pass the filter."""
    if given.get("name"):
        return list(given["name"])
    return filter_of({name: values[-1] for name, values in given.items()})


@router.post("/bulk")
def act(visit: Visit, form: Form) -> Response:
    action, expected = layout.word(form, "action"), layout.word(form, "expected")
    values: dict[str, Any] = {name: layout.word(form, name) for name in ("why", "column", "value")}
    try:
        with attempt(visit.connection):
            values["until"] = schedule_form.until(visit.connection, layout.word(form, "until"))
            number = int(expected) if expected.isdecimal() else None
            operation, count = bulk.apply(visit.connection, _chosen(form), action, values, number)
    except Refused as refused:
        return _preview(visit, form, refused.refusal)
    return RedirectResponse(f"/schedules/operations/{operation}?count={count}&action={action}", 303)


@router.get("/operations/{operation}")
def operation_page(visit: Visit, operation: UUID, count: int = 0, action: str = "") -> Response:
    return layout.page(visit, "operation.html", operation=operation, count=count, action=action)


@router.post("/operations/{operation}/resume")
def resume_operation(visit: Visit, operation: UUID) -> Response:
    """Resume exactly what that operation paused."""
    with attempt(visit.connection):
        _, count = bulk.resume_operation(visit.connection, operation)
    return RedirectResponse(f"/schedules?done={count}", 303)


@router.post("/all/{action}")
def everything(visit: Visit, action: str, form: Form) -> Response:
    """One switch for all schedules; single pauses survive it."""
    with attempt(visit.connection):
        if action == "pause":
            writes.pause_all(visit.connection, layout.word(form, "why"))
        else:
            writes.resume_all(visit.connection)
    return RedirectResponse("/schedules", 303)
