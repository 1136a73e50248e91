"""The form of a schedule: when, its options from the kind's JSON Schema, and what is rarely changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, text

from console import forms
from console.forms import Field
from console.queries import tables
from console.refusals import Refusal, refuse
from console.sql import statement

#: Ways to say when; trading sessions of an exchange narrow every and cron.
TIMINGS = ("every", "cron", "at", "after")
_WHEN = (*TIMINGS, "timezone", "calendar", "calendar_hours", "starts_at", "ends_at", "jitter")
_FIRST = ("title", "note", "enabled")
_RARE = (
    "overlap", "catch_up", "catch_up_window", "max_runs", "pause_after_failures", "alert_after",
    "alert_on_partial", "max_attempts", "timeout", "expires", "queue", "priority", "batch_size",
    "batch_delay", "max_in_flight",
)  # fmt: skip
#: Columns that bulk may set.
ONE_COLUMN = ("every", "cron", "timezone", "note", *_RARE)
_KIND = statement("schedule_form", "kind")
_ROW = statement("schedule_form", "row")
_MARKETS = text("select mic, mic || coalesce(' · ' || title, '') as words from market order by mic")


@dataclass(frozen=True)
class ScheduleForm:
    kind: Mapping[str, Any]
    timing: str
    first: list[Field]
    when: dict[str, Field]
    options: list[Field]
    rare: list[Field]
    name: Field | None

    @property
    def fields(self) -> list[Field]:
        own = [self.name] if self.name else []
        return [*own, *self.first, *self.when.values(), *self.options, *self.rare]


def of(
    connection: Connection,
    row: Mapping[str, Any],
    sent: Mapping[str, Sequence[str]] | None,
    *,
    new: bool = False,
) -> ScheduleForm:
    """The form of a row, or as it was sent."""
    found = connection.execute(_KIND, {"name": row["task"]}).mappings().one_or_none()
    if found is None:
        raise refuse(422, f'no kind of task "{row["task"]}"', column="task")
    kind = dict(found)
    field = partial(_field, connection, row, new=new)
    when = {name: field(name) for name in _WHEN}
    when["every"] = _every(when["every"], kind)
    when["calendar"] = replace(when["calendar"], kind="select", choices=_pairs(connection, _MARKETS))
    hours = (("day", "any hour"), ("session", "open to close"))
    when["calendar_hours"] = replace(when["calendar_hours"], kind="select", choices=hours)
    options = forms.schema_fields(kind["options_schema"], row.get("options") or {})
    given = [field(name) for name in _FIRST]
    rare = [field(name) for name in _RARE]
    name = replace(field("name"), required=True) if new else None
    timing = next((one for one in TIMINGS if row.get(one) is not None), "every")
    if sent is not None:
        timing = sent.get("timing", [timing])[-1]
        given, options, rare = (forms.filled(part, sent) for part in (given, options, rare))
        when = dict(zip(when, forms.filled(list(when.values()), sent), strict=True))
        name = forms.filled([name], sent)[0] if name else None
    return ScheduleForm(kind, timing, given, when, options, rare, name)


def _field(connection: Connection, row: Mapping[str, Any], name: str, *, new: bool) -> Field:
    column = tables.described(connection, "schedule").columns[name]
    value = row.get(name)
    made = forms.column_field(column, None if value == "infinity" else value)
    default = forms.default_words(column.preset) if value is None and new else ""
    return replace(made, required=False, placeholder=default)


def _every(made: Field, kind: Mapping[str, Any]) -> Field:
    """A choice where the kind allows only some lengths, else a text with its limits."""
    if kind["allowed_every"]:
        allowed = tuple((one, one) for one in kind["allowed_every"])
        return replace(made, kind="select", choices=allowed, required=False)
    limits = [
        f"at least {kind['min_every']}" if kind["min_every"] else "",
        f"at most {kind['max_every']}" if kind["max_every"] else "",
    ]
    return replace(made, hint="; ".join([made.hint, *(one for one in limits if one)]))


def _pairs(connection: Connection, statement: Any) -> tuple[tuple[str, str], ...]:
    return tuple((one[0], one[1]) for one in connection.execute(statement))


def row_of(connection: Connection, name: str) -> dict[str, Any]:
    found = connection.execute(_ROW, {"name": name}).mappings().one_or_none()
    if found is None:
        connection.execute(text("select schedule_named(:name)"), {"name": name})
        raise refuse(404, f'no schedule named "{name}"')
    return dict(found)


def values(
    connection: Connection,
    made: ScheduleForm,
    sent: Mapping[str, Sequence[str]],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Columns as the form has them: one way to say when, options, and the rest.

    An empty field means null, or the default of a column that may not be null; a new row has defaults.
    """
    columns = tables.described(connection, "schedule").columns
    shown = [*made.first, *made.when.values(), *made.rare, *([made.name] if made.name else [])]
    found = {one.name: forms.parse(one, sent.get(one.name, ())) for one in shown if one.name in sent}
    found |= {name: None for name in TIMINGS if name != made.timing}
    for name in [name for name, value in found.items() if value is None]:
        if made.name:
            del found[name]
        elif not columns[name].nullable:
            found[name] = forms.default_words(columns[name].preset)
    return {**found, "options": forms.options_from(made.options, sent, options)}


def other_options(
    made: ScheduleForm, sent: Mapping[str, Sequence[str]], before: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Options of one run that differ from the schedule's; None: none does."""
    given = forms.options_from([one for one in made.options if one.name in sent], sent, before)
    return {name: value for name, value in given.items() if before.get(name) != value} or None


def place(refusal: Refusal | None) -> str | None:
    """The field that a refusal is about."""
    if refusal is None:
        return None
    return forms.option_refused(refusal.message) or refusal.column


_UNTIL = text("select (clock_timestamp() + cast(:length as interval))::text")


def until(connection: Connection, given: str) -> str | None:
    """Until when: a length of time such as "2 hours", a time, or nothing (until resumed)."""
    given = given.strip()
    if not given:
        return None
    if given[:4].isdecimal() and given[4:5] == "-":
        return given
    found: str = connection.execute(_UNTIL, {"length": given}).scalar_one()
    return found
