"""One schedule: its form, next runs, what it does now, runs, changes; run now, pause, backfill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.responses import Response

from console import forms, sql, writes
from console.access import Sent, Visit
from console.forms import Field
from console.queries import lists, runs, schedules
from console.refusals import Refused, attempt, refuse
from console.routes.actions import asked_by_form
from console.routes.overview import chart
from console.rows import Rows
from console.templating import Form, drawn_again, go_to, render
from console.writes import TIMINGS

router = APIRouter(prefix="/schedules")
#: Runs of the lines over time, and of the small ones.
MAX_RUNS, FEW_RUNS = 200, 60
#: Ways to say when, and what narrows them: trading sessions of an exchange, a beginning and an end.
_WHEN = (*TIMINGS, "timezone", "calendar", "calendar_hours", "starts_at", "ends_at", "jitter")
_FIRST = ("title", "note", "enabled")
_RARE = (
    "overlap", "catch_up", "catch_up_window", "max_runs", "pause_after_failures", "alert_after",
    "alert_on_partial", "max_attempts", "timeout", "expires", "queue", "priority", "batch_size",
    "batch_delay", "max_in_flight",
)  # fmt: skip
_HOURS = (("day", "any hour"), ("session", "open to close"))
#: Where one goes on to after an edit.
_SAVED = "/schedules/{name}?saved={revision}"
#: Columns that bulk may set.
ONE_COLUMN = ("every", "cron", "timezone", "note", *_RARE)


@dataclass(frozen=True)
class ScheduleForm:
    kind: Mapping[str, Any]
    timing: str
    #: By the names of columns; only a new schedule is given a name.
    columns: dict[str, Field]
    options: Sequence[Field]

    def some(self, names: str) -> list[Field]:
        """The ``first`` fields of the form, or those that are ``rare``."""
        return [self.columns[name] for name in (_FIRST if names == "first" else _RARE)]

    def values(self, connection: Connection, sent: Sent, options: Mapping[str, Any]) -> dict[str, Any]:
        """Columns as the form has them: one way to say when, options, and the rest."""
        found = {
            name: forms.parse(one, sent.getlist(name))
            for name, one in self.columns.items()
            if name in sent
        }
        found |= {name: None for name in TIMINGS if name != self.timing}
        columns = Rows(connection, "schedule").columns
        found = forms.defaulted(found, columns, new="name" in self.columns)
        return {**found, "options": forms.options_from(self.options, sent, options)}

    def other_options(self, sent: Sent, before: Mapping[str, Any]) -> dict[str, Any] | None:
        """Options of one run that differ from the schedule's; None: none does."""
        given = forms.options_from([one for one in self.options if one.name in sent], sent, before)
        return {name: value for name, value in given.items() if before.get(name) != value} or None


def form_of(
    connection: Connection, row: Mapping[str, Any], sent: Sent | None = None, *, new: bool = False
) -> ScheduleForm:
    """The form of a row, or as it was sent."""
    kind = sql.first(connection, "schedule_form.kind", name=row["task"])
    if kind is None:
        raise refuse(422, f'no kind of task "{row["task"]}"', column="task")
    columns = Rows(connection, "schedule").columns
    shown = [*_FIRST, *_WHEN, *_RARE, *(["name"] if new else [])]
    made = [forms.column_field(columns[name], row.get(name), new=new) for name in shown]
    fields = {one.name: one for one in forms.filled(made, sent)}
    # A choice where the kind allows only some lengths, else a text with its limits.
    every, lengths = fields["every"], [(one, one) for one in kind["allowed_every"] or ()]
    hint = "; ".join(filter(None, (every.hint, kind["limits"])))
    limited: dict[str, Any] = {"kind": "select", "choices": lengths} if lengths else {"hint": hint}
    fields["every"] = replace(every, **limited)
    markets = [(one["mic"], one["words"]) for one in sql.rows(connection, "schedule_form.markets")]
    for name, choices in (("calendar", markets), ("calendar_hours", _HOURS)):
        fields[name] = replace(fields[name], kind="select", choices=tuple(choices))
    timing = next((one for one in TIMINGS if row.get(one) is not None), "every")
    options = forms.schema_fields(kind["options_schema"], row.get("options") or {})
    timing = (sent or Sent()).get("timing", timing)
    return ScheduleForm(kind, timing, fields, forms.filled(options, sent))


def save_form(connection: Connection, form: Sent, name: str | None = None) -> sql.Row:
    """Make a schedule as a form has it, or edit the one of that name as it was read."""
    new = {"task": form.get("task", ""), "options": {}}
    row: Mapping[str, Any] = row_of(connection, name) if name else new
    made = form_of(connection, row, form, new=not name)
    values = made.values(connection, form, row["options"])
    if not name:
        return writes.create_schedule(connection, {**values, "task": row["task"]})
    return writes.update_schedule(connection, name, values, form.get("revision") or None)


def row_of(connection: Connection, name: str) -> sql.Row:
    """The row, lengths of time as people write them; an unknown name is refused."""
    return sql.rows(connection, "schedule_form.row", name=name)[0]


@router.get("/{name}")
def page(visit: Visit, name: str, saved: str = "") -> Response:
    connection, row = visit.connection, row_of(visit.connection, name)
    shown: dict[str, Any] = {
        "row": row,
        "at": forms.place(visit.refusal),
        "now": schedules.one(connection, name),
        "form": form_of(connection, row, visit.sent),
        "next_runs": sql.rows(connection, "schedules.next_runs", name=name, number=5),
        "runs": runs.Runs(schedule=name, limit=10).read(connection).rows,
        "last24": runs.strips(connection, [name])[name],
        "cost": sql.first(connection, "schedule.cost", name=name, task=row["task"]),
        "history": sql.rows(connection, "schedule.history", name=name, last=FEW_RUNS),
        "changes": lists.Edits(table="schedule", name=name, limit=8).read(connection).rows,
    }
    return render(visit, "schedule.html", saved=saved, **shown)


@router.post("/{name}", dependencies=[drawn_again()])
def save(visit: Visit, name: str, form: Form) -> Response:
    return go_to(_SAVED.format(**save_form(visit.connection, form, name)))


@router.post("/preview/next")
def preview(visit: Visit, form: Form) -> Response:
    """Next runs and words of a form as it stands: saved in a savepoint, which is then undone."""
    shown: dict[str, Any] = {"rows": [], "words": "", "refused": None}
    known, new = form.get("schedule"), form.get("name") or "preview-of-a-new-one"
    tried = Sent([*form.multi_items(), ("name", new), ("revision", "")])
    try:
        with attempt(visit.connection, keep=False):
            name = save_form(visit.connection, tried, known)["name"]
            shown["rows"] = sql.rows(visit.connection, "schedules.next_runs", name=name, number=5)
            shown["words"] = sql.scalar(visit.connection, "schedule.words", name=name)
    except Refused as refused:
        shown["refused"] = refused.refusal
    return render(visit, "preview.html", **shown)


@router.get("/{name}/beat")
def beat(visit: Visit, name: str, revision: int) -> Response:
    """Whether beat has planned that revision, and how long it took."""
    state = sql.first(visit.connection, "schedule.beat", name=name, revision=revision)
    return render(visit, "beat.html", name=name, revision=revision, state=state)


@router.get("/{name}/chart")
def chart_of(visit: Visit, name: str) -> Response:
    history = sql.rows(visit.connection, "schedule.history", name=name, last=MAX_RUNS)
    return chart(history, {"seconds": "seconds", "late": "late, s"}, "/runs/{id}")


@router.get("/{name}/{action}")
def ask(visit: Visit, name: str, action: str) -> Response:
    """A page that asks for what an action needs, and says what it would do."""
    if action not in {"run", "pause", "backfill", "copy", "delete"}:
        raise refuse(404, f"a schedule has no page {action}")
    given = {**(visit.sent or visit.request.query_params), "name": name, "dry_run": True}
    row, cost, refusal = row_of(visit.connection, name), None, visit.refusal
    if action == "backfill" and given.get("first") and given.get("last") and refusal is None:
        try:
            with attempt(visit.connection):
                cost = writes.do(visit.connection, "backfill", **given)
        except Refused as refused:
            refusal = refused.refusal
    form = form_of(visit.connection, row) if action == "run" else None
    shown = {"action": action, "given": given, "at": forms.place(refusal)}
    return render(visit, "schedule_ask.html", refusal=refusal, row=row, cost=cost, form=form, **shown)


asked_by_form(router, "/{name}/resume", "resume", _SAVED, "/schedules/{name}")
asked_by_form(router, "/{name}/pause", "pause", _SAVED, "/schedules/{name}/pause")
_BACKFILLS = "/runs?schedule={name}&trigger=backfill"
asked_by_form(router, "/{name}/backfill", "backfill", _BACKFILLS, "/schedules/{name}/backfill")


@router.post("/{name}/{action}", dependencies=[drawn_again()])
def act(visit: Visit, name: str, action: str, form: Form) -> Response:
    connection, why = visit.connection, form.get("why", "")
    match action:
        case "run":
            row = row_of(connection, name)
            options = form_of(connection, row).other_options(form, row["options"])
            made = writes.do(connection, "run", name=name, why=why, options=options)
            return go_to(f"/runs/{made['new_run_id']}")
        case "copy":
            made = writes.copy_schedule(connection, name, form.get("new_name", ""))
            return go_to(f"/schedules/{made['name']}")
        case "delete":
            Rows(connection, "schedule").delete({"name": name})
            return go_to("/schedules")
        case _:
            raise refuse(404, f"a schedule has no action {action}")
