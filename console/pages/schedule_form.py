"""The form of a schedule: when, its options from the kind's JSON Schema, and what is rarely changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from console import forms, rows, sql, writes
from console.forms import Field
from console.refusals import Refusal, refuse
from console.writes import TIMINGS

#: What a form sends: name → its values.
Sent = Mapping[str, Sequence[str]]
#: Ways to say when, and what narrows them: trading sessions of an exchange, a beginning and an end.
_WHEN = (*TIMINGS, "timezone", "calendar", "calendar_hours", "starts_at", "ends_at", "jitter")
_FIRST = ("title", "note", "enabled")
_RARE = (
    "overlap", "catch_up", "catch_up_window", "max_runs", "pause_after_failures", "alert_after",
    "alert_on_partial", "max_attempts", "timeout", "expires", "queue", "priority", "batch_size",
    "batch_delay", "max_in_flight",
)  # fmt: skip
#: Columns that bulk may set.
ONE_COLUMN = ("every", "cron", "timezone", "note", *_RARE)


@dataclass(frozen=True)
class ScheduleForm:
    kind: Mapping[str, Any]
    timing: str
    first: list[Field]
    when: dict[str, Field]
    options: list[Field]
    rare: list[Field]
    #: Only a new schedule is given a name.
    name: Field | None

    def values(self, connection: Connection, sent: Sent, options: Mapping[str, Any]) -> dict[str, Any]:
        """Columns as the form has them: one way to say when, options, and the rest."""
        of = rows.table_of(connection, "schedule")
        shown = [*self.first, *self.when.values(), *self.rare, *([self.name] if self.name else [])]
        found = {one.name: forms.parse(one, sent[one.name]) for one in shown if one.name in sent}
        found |= {name: None for name in TIMINGS if name != self.timing}
        found = forms.defaulted(found, of, new=self.name is not None)
        return {**found, "options": forms.options_from(self.options, sent, options)}

    def other_options(self, sent: Sent, before: Mapping[str, Any]) -> dict[str, Any] | None:
        """Options of one run that differ from the schedule's; None: none does."""
        given = forms.options_from([one for one in self.options if one.name in sent], sent, before)
        return {name: value for name, value in given.items() if before.get(name) != value} or None


def of(
    connection: Connection, row: Mapping[str, Any], sent: Sent | None = None, *, new: bool = False
) -> ScheduleForm:
    """The form of a row, or as it was sent."""
    kind = sql.first(connection, "schedule_form.kind", name=row["task"])
    if kind is None:
        raise refuse(422, f'no kind of task "{row["task"]}"', column="task")
    columns = rows.table_of(connection, "schedule").columns

    def field(name: str) -> Field:
        value = row.get(name)
        made = forms.column_field(columns[name], None if value == "infinity" else value)
        default = forms.default_words(columns[name]) if value is None and new else ""
        return as_sent(replace(made, required=new and name == "name", placeholder=default))

    def as_sent(made: Field) -> Field:
        return made if sent is None else forms.filled([made], sent)[0]

    when = {name: field(name) for name in _WHEN}
    when["every"] = _every(when["every"], kind)
    markets = [(one["mic"], one["words"]) for one in sql.rows(connection, "schedule_form.markets")]
    when["calendar"] = replace(when["calendar"], kind="select", choices=tuple(markets))
    hours = (("day", "any hour"), ("session", "open to close"))
    when["calendar_hours"] = replace(when["calendar_hours"], kind="select", choices=hours)
    timing = next((one for one in TIMINGS if row.get(one) is not None), "every")
    options = forms.schema_fields(kind["options_schema"], row.get("options") or {})
    return ScheduleForm(
        kind=kind,
        timing=(sent or {}).get("timing", [timing])[-1],
        first=[field(name) for name in _FIRST],
        when=when,
        options=[as_sent(one) for one in options],
        rare=[field(name) for name in _RARE],
        name=field("name") if new else None,
    )


def _every(made: Field, kind: Mapping[str, Any]) -> Field:
    """A choice where the kind allows only some lengths, else a text with its limits."""
    if kind["allowed_every"]:
        return replace(made, kind="select", choices=tuple((one, one) for one in kind["allowed_every"]))
    limits = {"at least": kind["min_every"], "at most": kind["max_every"]}
    hints = [made.hint, *(f"{words} {limit}" for words, limit in limits.items() if limit)]
    return replace(made, hint="; ".join(hints))


def row_of(connection: Connection, name: str) -> sql.Row:
    """The row; lengths of time as people write them, times without an end as null."""
    found = sql.first(connection, "schedule_form.row", name=name)
    if found is None:
        writes.require_schedule(connection, name)
        raise refuse(404, f'no schedule named "{name}"')
    return found


def place(refusal: Refusal | None) -> str | None:
    return (forms.option_refused(refusal.message) or refusal.column) if refusal else None


def until(connection: Connection, given: str) -> str | None:
    """Until when: a length of time such as "2 hours", a time, or nothing (until resumed)."""
    given = given.strip()
    if not given or (given[:4].isdecimal() and given[4:5] == "-"):
        return given or None
    found: str = sql.scalar(connection, "schedule_form.until", length=given)
    return found
