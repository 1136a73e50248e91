"""One schedule: its form, next runs, what it does now, runs, changes; run now, pause, backfill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import JSONResponse, RedirectResponse, Response

from console import writes
from console.access import Visit, VisitOf
from console.pages import layout, schedule_form
from console.pages.layout import Form
from console.pages.schedules import look
from console.queries import changes, runs, schedules
from console.refusals import Refusal, Refused, attempt, refuse
from console.sql import statement

router = APIRouter(prefix="/schedules")
#: Runs of the lines over time.
MAX_RUNS = 200

_HISTORY = statement("schedule", "history")
_COST = statement("schedule", "cost")
_BEAT = statement("schedule", "beat")
_PREVIEW = text("select * from next_runs(:name, 5)")
_WORDS = text("select schedule_words(s) from schedule s where name = :name")


@router.get("/{name}")
def page(visit: Visit, name: str, saved: str = "", done: str = "") -> Response:
    return _page(visit, name, None, None, saved=saved, done=done)


def _page(
    visit: VisitOf,
    name: str,
    sent: Form | None,
    refusal: Refusal | None,
    *,
    saved: str = "",
    done: str = "",
) -> Response:
    row = schedule_form.row_of(visit.connection, name)
    shown = schedules.one(visit.connection, name)
    history = layout.dicts(visit.connection.execute(_HISTORY, {"name": name, "last": 60}))
    return layout.page(
        visit,
        "schedule.html",
        refusal.status if refusal else 200,
        row=row,
        now={**shown, "look": look(dict(shown))} if shown else None,
        form=schedule_form.of(visit.connection, row, sent),
        next_runs=schedules.next_runs(visit.connection, name, 5),
        runs=runs.listed(visit.connection, runs.Filter(schedule=name), 10).rows,
        last24=runs.strips(visit.connection, [name])[name],
        history=history,
        late=sorted(one["late"] for one in history if one["late"] is not None),
        cost=visit.connection.execute(_COST, {"name": name, "task": row["task"]}).mappings().first(),
        changes=changes.listed(visit.connection, changes.Filter(table="schedule", name=name), 8).rows,
        refusal=refusal,
        at=schedule_form.place(refusal),
        saved=saved,
        done=done,
    )


@router.post("/{name}")
def save(visit: Visit, name: str, form: Form) -> Response:
    row = schedule_form.row_of(visit.connection, name)
    try:
        with attempt(visit.connection):
            made = schedule_form.of(visit.connection, row, form)
            given = schedule_form.values(visit.connection, made, form, row["options"])
            after = writes.update_schedule(
                visit.connection, name, given, layout.word(form, "revision") or None
            )
    except Refused as refused:
        return _page(visit, name, form, refused.refusal)
    return RedirectResponse(f"/schedules/{name}?saved={after['revision']}", 303)


class _Undone(Exception):
    """Ends the savepoint of a preview."""


@router.post("/preview/next")
def preview(visit: Visit, form: Form) -> Response:
    """Next runs and words of a form as it stands: saved in a savepoint, which is then undone."""
    name, found = layout.word(form, "schedule"), {}
    refusal = None
    try:
        with attempt(visit.connection):
            found = _tried(visit, name, form)
            raise _Undone
    except _Undone:
        pass
    except Refused as refused:
        refusal = refused.refusal
    return layout.page(
        visit,
        "preview.html",
        refusal=refusal,
        at=schedule_form.place(refusal),
        **{"rows": [], "words": "", **found},
    )


def _tried(visit: VisitOf, name: str, form: Form) -> dict[str, Any]:
    if name:
        row = schedule_form.row_of(visit.connection, name)
        made = schedule_form.of(visit.connection, row, form)
        writes.update_schedule(
            visit.connection, name, schedule_form.values(visit.connection, made, form, row["options"])
        )
    else:
        name, task = layout.word(form, "name") or "preview-of-a-new-one", layout.word(form, "task")
        made = schedule_form.of(visit.connection, {"task": task}, form, new=True)
        given = schedule_form.values(visit.connection, made, form, {})
        writes.create_schedule(visit.connection, {**given, "task": task, "name": name})
    rows = layout.dicts(visit.connection.execute(_PREVIEW, {"name": name}))
    return {"rows": rows, "words": visit.connection.execute(_WORDS, {"name": name}).scalar_one()}


@router.get("/{name}/beat")
def beat(visit: Visit, name: str, revision: int) -> Response:
    """Whether beat has planned that revision, and how long it took."""
    state = visit.connection.execute(_BEAT, {"name": name}).mappings().one_or_none()
    has = state is not None and (state["planned_revision"] or -1) >= revision
    return layout.page(visit, "beat.html", name=name, revision=revision, state=state, has=has)


@router.get("/{name}/chart")
def chart(visit: Visit, name: str) -> Response:
    rows = layout.dicts(visit.connection.execute(_HISTORY, {"name": name, "last": MAX_RUNS}))
    series = [
        {"label": label, "values": [row[key] for row in rows]}
        for label, key in (("seconds", "seconds"), ("late, s", "late"))
    ]
    return JSONResponse({"x": [row["at"] for row in rows], "series": series})


@router.get("/{name}/{action}")
def ask(visit: Visit, name: str, action: str) -> Response:
    """A page that asks for what an action needs, and says what it would do."""
    if action not in {"run", "pause", "backfill", "copy", "delete"}:
        raise refuse(404, f"a schedule has no page {action}")
    return _ask(visit, name, action, dict(visit.request.query_params), None)


def _ask(
    visit: VisitOf, name: str, action: str, given: Mapping[str, str], refusal: Refusal | None
) -> Response:
    row = schedule_form.row_of(visit.connection, name)
    cost = None
    if action == "backfill" and given.get("first") and given.get("last") and refusal is None:
        try:
            with attempt(visit.connection):
                cost = writes.backfill(
                    visit.connection,
                    name,
                    given["first"],
                    given["last"],
                    given.get("overlap", ""),
                    dry_run=True,
                )
        except Refused as refused:
            refusal = refused.refusal
    return layout.page(
        visit,
        "schedule_ask.html",
        refusal.status if refusal else 200,
        row=row,
        action=action,
        given=defaultdict(str, given),
        cost=cost,
        form=schedule_form.of(visit.connection, row, None) if action == "run" else None,
        refusal=refusal,
        at=schedule_form.place(refusal),
    )


@router.post("/{name}/{action}")
def act(visit: Visit, name: str, action: str, form: Form) -> Response:
    given = {key: values[-1] for key, values in form.items()}
    try:
        with attempt(visit.connection):
            return RedirectResponse(_done(visit, name, action, form, given), 303)
    except Refused as refused:
        if action in {"resume", "undo"}:
            return _page(visit, name, None, refused.refusal)
        return _ask(visit, name, action, given, refused.refusal)


def _done(visit: VisitOf, name: str, action: str, form: Form, given: Mapping[str, str]) -> str:
    """Do it; the address to go on to."""
    connection, why = visit.connection, given.get("why")
    if action == "run":
        row = schedule_form.row_of(connection, name)
        made = schedule_form.of(connection, row, None)
        options = schedule_form.other_options(made, form, row["options"])
        return f"/runs/{writes.run_now(connection, name, why, options)['new_run_id']}"
    if action == "pause":
        until = schedule_form.until(connection, given.get("until", ""))
        return f"/schedules/{name}?saved={writes.pause(connection, name, why, until)['revision']}"
    if action == "resume":
        return f"/schedules/{name}?saved={writes.resume(connection, name)['revision']}"
    if action == "backfill":
        writes.backfill(
            connection,
            name,
            given["first"],
            given["last"],
            given.get("overlap", ""),
            why=why,
            dry_run=False,
        )
        return f"/runs?{urlencode({'schedule': name, 'trigger': 'backfill'})}"
    if action == "copy":
        return f"/schedules/{writes.copy_schedule(connection, name, given.get('new_name', ''))['name']}"
    if action == "delete":
        writes.delete_schedule(connection, name)
        return "/schedules"
    raise refuse(404, f"a schedule has no action {action}")
