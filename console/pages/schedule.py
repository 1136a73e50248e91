"""One schedule: its form, next runs, what it does now, runs, changes; run now, pause, backfill."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from console import sql, writes
from console.access import Visit, VisitOf
from console.pages import schedule_form
from console.pages.overview import chart
from console.queries import lists, runs, schedules
from console.refusals import Refused, attempt, refuse
from console.templating import Form, drawn_again, go_to, render, word

router = APIRouter(prefix="/schedules")
#: Runs of the lines over time, and of the small ones.
MAX_RUNS, FEW_RUNS = 200, 60


@router.get("/{name}")
def page(visit: Visit, name: str, saved: str = "") -> Response:
    connection = visit.connection
    row = schedule_form.row_of(connection, name)
    history = sql.rows(connection, "schedule.history", name=name, last=FEW_RUNS)
    changed = lists.ChangeFilter(table="schedule", name=name, limit=8)
    shown: dict[str, Any] = {
        "now": schedules.one(connection, name),
        "form": schedule_form.of(connection, row, visit.sent),
        "next_runs": schedules.next_runs(connection, name),
        "runs": runs.listed(connection, runs.Filter(schedule=name, limit=10)).rows,
        "last24": runs.strips(connection, [name])[name],
        "late": sorted(
            timedelta(seconds=float(one["late"])) for one in history if one["late"] is not None
        ),
        "cost": sql.first(connection, "schedule.cost", name=name, task=row["task"]),
        "changes": lists.changes(connection, changed).rows,
    }
    shown |= {"row": row, "history": history, "at": schedule_form.place(visit.refusal)}
    return render(visit, "schedule.html", saved=saved, **shown)


def _saved(name: str, row: sql.Row) -> str:
    return f"/schedules/{name}?saved={row['revision']}"


def _from_form(visit: VisitOf, name: str, form: Form) -> dict[str, Any]:
    row = schedule_form.row_of(visit.connection, name)
    made = schedule_form.of(visit.connection, row, form)
    return made.values(visit.connection, form, row["options"])


@router.post("/{name}", dependencies=[drawn_again("/schedules/{name}")])
def save(visit: Visit, name: str, form: Form) -> Response:
    given, revision = _from_form(visit, name, form), word(form, "revision") or None
    made = writes.update_schedule(visit.connection, name, given, revision)
    return go_to(_saved(name, made))


@router.post("/preview/next")
def preview(visit: Visit, form: Form) -> Response:
    """Next runs and words of a form as it stands: saved in a savepoint, which is then undone."""
    shown: dict[str, Any] = {"rows": [], "words": "", "refused": None}
    try:
        with attempt(visit.connection, keep=False):
            name = _try(visit, word(form, "schedule"), form)
            shown["rows"] = schedules.next_runs(visit.connection, name)
            shown["words"] = sql.scalar(visit.connection, "schedule.words", name=name)
    except Refused as refused:
        shown["refused"] = refused.refusal
    return render(visit, "preview.html", **shown)


def _try(visit: VisitOf, name: str, form: Form) -> str:
    connection = visit.connection
    if name:
        writes.update_schedule(connection, name, _from_form(visit, name, form))
        return name
    task, name = word(form, "task"), word(form, "name") or "preview-of-a-new-one"
    made = schedule_form.of(connection, {"task": task}, form, new=True)
    given = made.values(connection, form, {})
    writes.create_schedule(connection, {**given, "task": task, "name": name})
    return name


@router.get("/{name}/beat")
def beat(visit: Visit, name: str, revision: int) -> Response:
    """Whether beat has planned that revision, and how long it took."""
    state = sql.first(visit.connection, "schedule.beat", name=name)
    has = state is not None and (state["planned_revision"] or -1) >= revision
    return render(visit, "beat.html", name=name, revision=revision, state=state, has=has)


@router.get("/{name}/chart")
def chart_of(visit: Visit, name: str) -> Response:
    history = sql.rows(visit.connection, "schedule.history", name=name, last=MAX_RUNS)
    return chart(history, {"seconds": "seconds", "late": "late, s"})


@router.get("/{name}/{action}")
def ask(visit: Visit, name: str, action: str) -> Response:
    """A page that asks for what an action needs, and says what it would do."""
    if action not in {"run", "pause", "backfill", "copy", "delete"}:
        raise refuse(404, f"a schedule has no page {action}")
    given = _last(visit.sent) if visit.sent else visit.request.query_params
    row, cost, refusal = schedule_form.row_of(visit.connection, name), None, visit.refusal
    if action == "backfill" and given.get("first") and given.get("last") and refusal is None:
        try:
            with attempt(visit.connection):
                cost = writes.backfill(visit.connection, name, **_range(given))
        except Refused as refused:
            refusal = refused.refusal
    form = schedule_form.of(visit.connection, row) if action == "run" else None
    at, entered = schedule_form.place(refusal), defaultdict(str, given)
    asked = {"action": action, "given": entered, "at": at}
    return render(visit, "schedule_ask.html", refusal=refusal, row=row, cost=cost, form=form, **asked)


def _last(form: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in form.items()}


def _range(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given.get(name, "") for name in ("first", "last", "overlap")}


@router.post("/{name}/resume", dependencies=[drawn_again("/schedules/{name}")])
def resume(visit: Visit, name: str) -> Response:
    return go_to(_saved(name, writes.do(visit.connection, "resume", name=name)))


@router.post("/{name}/{action}", dependencies=[drawn_again("/schedules/{name}/{action}")])
def act(visit: Visit, name: str, action: str, form: Form) -> Response:
    return go_to(_act(visit, name, action, form))


def _act(visit: VisitOf, name: str, action: str, form: Form) -> str:
    """Do it; the address to go on to."""
    connection, why = visit.connection, word(form, "why")
    match action:
        case "run":
            row = schedule_form.row_of(connection, name)
            options = schedule_form.of(connection, row).other_options(form, row["options"])
            made = writes.do(connection, "run", name=name, why=why, options=options)
            return f"/runs/{made['new_run_id']}"
        case "pause":
            until = schedule_form.until(connection, word(form, "until"))
            return _saved(name, writes.do(connection, "pause", name=name, why=why, until=until))
        case "backfill":
            writes.backfill(connection, name, why=why, dry_run=False, **_range(_last(form)))
            return f"/runs?{urlencode({'schedule': name, 'trigger': 'backfill'})}"
        case "copy":
            made = writes.copy_schedule(connection, name, word(form, "new_name"))
            return f"/schedules/{made['name']}"
        case "delete":
            writes.delete_schedule(connection, name)
            return "/schedules"
    raise refuse(404, f"a schedule has no action {action}")
