"""Fields of forms: from a kind's JSON Schema and from the columns of a table, and back (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from console.rows import Column
from console.words import number, title
from workers.text.words import duration_words

#: Ends of names that say a unit.
_UNITS = {
    "usd": "USD",
    "pct": "%",
    "hours": "hours",
    "minutes": "minutes",
    "seconds": "seconds",
    "days": "days",
}
_NUMBER = re.compile(r"[+-]?(\d[\d,_ ]*)?(\.\d+)?([eE][+-]?\d+)?")
#: The database names an option in its message.
_OPTION = re.compile(r'^(?:option|options?:?) "([^"]+)"')
#: Prefix of an option's field in forms.
OPTION = "option."


@dataclass(frozen=True)
class Field:
    """One field of a form.  kind: text, number, boolean, select, checks, lines, json, moment."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    #: What stands in it: text, or several texts for checks.
    value: Any = ""
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False
    placeholder: str = ""
    #: The value that an empty field stands for; None: it has none.
    default: Any = None
    #: Names of values that a browser may suggest.
    suggestions: tuple[str, ...] = ()


def schema_fields(schema: Mapping[str, Any], options: Mapping[str, Any]) -> list[Field]:
    """A field for each option, in the order of the schema."""
    defs = schema.get("$defs", {})
    found = []
    for name, given in schema.get("properties", {}).items():
        rule = _resolved(given, defs)
        found.append(_option_field(name, rule, options, required=name in schema.get("required", ())))
    return found


def _resolved(rule: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """The rule itself: a reference followed, "X or null" as X."""
    merged = dict(rule)
    while "$ref" in merged:
        merged = {
            **defs.get(merged["$ref"].rsplit("/", 1)[-1], {}),
            **{k: v for k, v in merged.items() if k != "$ref"},
        }
    some = [one for one in merged.get("anyOf", ()) if one.get("type") != "null"]
    if len(some) == 1:
        merged = {**_resolved(some[0], defs), **{k: v for k, v in merged.items() if k != "anyOf"}}
    if "items" in merged:
        merged["items"] = _resolved(merged["items"], defs)
    return merged


def _option_field(
    name: str, rule: Mapping[str, Any], options: Mapping[str, Any], *, required: bool
) -> Field:
    default = rule.get("default")
    kind, choices = _kind(rule)
    made = Field(
        name=OPTION + name,
        label=title(name),
        kind=kind,
        hint=_hint(name, rule),
        choices=choices,
        required=required,
        default=default,
        placeholder=""
        if default in (None, [], {}) or kind not in {"text", "number"}
        else number(default),
    )
    return replace(made, value=_shown(made, options.get(name, default if kind == "checks" else None)))


def _kind(rule: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, str], ...]]:
    items = rule.get("items", {})
    if rule.get("enum") or "const" in rule:
        return "select", _choices(rule.get("enum") or [rule["const"]])
    match rule.get("type"):
        case "boolean":
            return "select", (("true", "yes"), ("false", "no"))
        case "integer" | "number":
            return "number", ()
        case "array" if items.get("enum"):
            return "checks", _choices(items["enum"])
        case "array" if items.get("type") == "string":
            return "lines", ()
        case "string":
            return "text", ()
    return "json", ()


def _choices(values: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(value), str(value).replace("_", " ")) for value in values)


def _hint(name: str, rule: Mapping[str, Any]) -> str:
    """What it is, in which unit and range, and what holds when it is empty."""
    parts = [str(rule.get("description", "")).rstrip(".")]
    unit = _UNITS.get(name.rsplit("_", 1)[-1], "")
    if (
        unit
        and unit.lower() not in parts[0].lower()
        and not (unit == "%" and "percent" in parts[0].lower())
    ):
        parts.append(unit)
    low, high = (
        rule.get("minimum", rule.get("exclusiveMinimum")),
        rule.get("maximum", rule.get("exclusiveMaximum")),
    )
    if low is not None and high is not None:
        parts.append(f"{number(low)} to {number(high)}")
    elif low is not None:
        parts.append(f"{'more than' if 'exclusiveMinimum' in rule else 'at least'} {number(low)}")
    elif high is not None:
        parts.append(f"at most {number(high)}")
    default = rule.get("default")
    if isinstance(default, bool):
        parts.append(f"default {'yes' if default else 'no'}")
    elif default not in (None, [], {}):
        parts.append(
            "default "
            + (", ".join(map(str, default)) if isinstance(default, list) else number(default))
        )
    return "; ".join(part for part in parts if part)


def _shown(made: Field, value: Any) -> Any:
    """A value as its field shows it."""
    if made.kind == "checks":
        return tuple(map(str, value or ()))
    if value is None:
        return ""
    if made.kind == "lines" and isinstance(value, list):
        return "\n".join(map(str, value))
    if made.kind == "json":
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return duration_words(value)
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else str(value)


def parse(made: Field, given: Sequence[str]) -> Any:
    """What a field holds; None when it is empty.  What cannot be read goes to the database as it is."""
    if made.kind == "checks":
        return list(given)
    text = given[-1].strip() if given else ""
    if text == "":
        return None
    if made.kind == "lines":
        return [line.strip() for line in re.split(r"[\n,;]", text) if line.strip()]
    if made.kind == "number":
        return _number(text)
    if made.kind == "json":
        with suppress(ValueError):
            return json.loads(text)
        return text
    if made.kind in {"select", "boolean"} and text in {"true", "false"} and _is_yes_or_no(made):
        return text == "true"
    return text


def _is_yes_or_no(made: Field) -> bool:
    return made.kind == "boolean" or {value for value, _ in made.choices} == {"true", "false"}


def _number(text: str) -> Any:
    if not _NUMBER.fullmatch(text):
        return text
    plain = re.sub(r"[,_ ]", "", text)
    try:
        return int(plain)
    except ValueError:
        with suppress(ValueError):
            return float(plain)
        return text


def options_from(
    fields: Sequence[Field], form: Mapping[str, Sequence[str]], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Options as the form has them; what no field shows stays as it was."""
    shown = {one.name.removeprefix(OPTION) for one in fields}
    options = {name: value for name, value in before.items() if name not in shown}
    for one in fields:
        name = one.name.removeprefix(OPTION)
        value = parse(one, form.get(one.name, ()))
        is_default = one.kind == "checks" and value == list(one.default or ()) and name not in before
        if value is None and one.kind == "lines" and before.get(name) == []:
            value = []  # an empty list that somebody chose is no default
        if value is not None and not is_default:
            options[name] = value
    return options


def filled(fields: Sequence[Field], form: Mapping[str, Sequence[str]]) -> list[Field]:
    """The fields as they were sent, to be drawn again."""
    return [
        replace(
            one,
            value=tuple(form.get(one.name, ()))
            if one.kind == "checks"
            else (form.get(one.name) or [""])[-1],
        )
        for one in fields
    ]


_NUMBERS = frozenset({"integer", "bigint", "smallint", "numeric", "double precision", "real"})


def column_field(column: Column, value: Any, choices: Sequence[tuple[str, str]] = ()) -> Field:
    """The field of a column, by its type; ``value`` as text or as the driver gives it."""
    kind = "text"
    if choices:
        kind = "select"
    elif column.type == "boolean":
        kind, choices = "select", (("true", "yes"), ("false", "no"))
    elif column.type in _NUMBERS:
        kind = "number"
    elif column.type.endswith("[]"):
        kind = "lines"
    elif column.type in {"json", "jsonb"}:
        kind = "json"
    elif column.type.startswith("timestamp"):
        kind = "moment"
    required = not column.nullable and column.preset is None and column.type != "boolean"
    made = Field(
        column.name, title(column.name), kind, column.comment or "", "", tuple(choices), required
    )
    return replace(made, value=_shown(made, value))


def default_words(expression: str | None) -> str:
    """The default of a column as people write it; empty: there is none, or it is computed."""
    found = re.fullmatch(r"'?([^'()]*)'?(::[a-z ]+(\[\])?)?", expression or "")
    return found[1] if found else ""


def option_refused(message: str) -> str | None:
    """The field of the option that a refusal names."""
    found = _OPTION.match(message)
    return OPTION + found[1] if found else None
