"""Fields of forms: from a kind's JSON Schema and from the columns of a table, and back (pure)."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from console.access import Sent
from console.refusals import Refusal
from console.rows import preset
from workers.text.short import number, title
from workers.text.words import duration_words

#: Ends of names that say a unit.
_UNITS = {"usd": "USD", "pct": "%", **{one: one for one in ("hours", "minutes", "seconds", "days")}}
_NUMBER = re.compile(r"[+-]?(\d[\d,_ ]*)?(\.\d+)?([eE][+-]?\d+)?")
#: Type of a column → kind of its field; all others are text.
_KINDS = {
    sa.Boolean: "select", sa.Integer: "number", sa.Numeric: "number", sa.ARRAY: "lines",
    sa.JSON: "json", sa.DateTime: "moment",
}  # fmt: skip
_KINDS_OF_JSON = {"boolean": "select", "integer": "number", "number": "number", "string": "text"}
#: A comment lists the words of a column: "waiting | sending | sent".
_WORDS = re.compile(r"[a-z_]+(?: \| [a-z_]+)+")
#: The database names an option in its message.
_OPTION = re.compile(r'^(?:option|options?:?) "([^"]+)"')
#: Prefix of an option's field in forms.
OPTION = "option."
_YES_OR_NO = (("true", "yes"), ("false", "no"))
_NOTHING: tuple[Any, ...] = (None, [], {})
Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Field:
    """One field of a form.  kind: text, number, boolean, select, checks, lines, json, moment."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    #: What stands in it: text, or several texts for checks.
    value: Any = ""
    choices: Choices = ()
    required: bool = False
    placeholder: str = ""
    #: The value that an empty field stands for; None: it has none.
    default: Any = None
    #: Names of values that a browser may suggest.
    suggestions: tuple[str, ...] = ()


def schema_fields(schema: Mapping[str, Any], options: Mapping[str, Any]) -> list[Field]:
    """A field for each option, in the order of the schema."""
    found = []
    for name, given in schema.get("properties", {}).items():
        rule = _resolved(given, schema.get("$defs", {}))
        (kind, choices), default = _kind(rule), rule.get("default")
        is_shown = default not in _NOTHING and kind in {"text", "number"}
        value = _shown(kind, options.get(name, default if kind == "checks" else None))
        made = Field(OPTION + name, title(name), kind, _hint(name, rule), value, choices)
        required = name in schema.get("required", ())
        placeholder = number(default) if is_shown else ""
        found.append(replace(made, required=required, placeholder=placeholder, default=default))
    return found


def _resolved(rule: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """The rule itself: a reference followed, "X or null" as X."""
    rest = {key: value for key, value in rule.items() if key not in {"$ref", "anyOf"}}
    some = [one for one in rule.get("anyOf", ()) if one.get("type") != "null"]
    if "$ref" in rule:
        return _resolved({**defs.get(rule["$ref"].rsplit("/", 1)[-1], {}), **rest}, defs)
    if len(some) == 1:
        return {**_resolved(some[0], defs), **rest}
    return {**rule, "items": _resolved(rule["items"], defs)} if "items" in rule else dict(rule)


def _kind(rule: Mapping[str, Any]) -> tuple[str, Choices]:
    items = rule.get("items", {})
    if rule.get("enum") or "const" in rule:
        return "select", _choices(rule.get("enum") or [rule["const"]])
    if items.get("enum"):
        return "checks", _choices(items["enum"])
    if items.get("type") == "string":
        return "lines", ()
    kind = _KINDS_OF_JSON.get(rule.get("type", ""), "json")
    return kind, _YES_OR_NO if kind == "select" else ()


def _choices(values: Sequence[Any]) -> Choices:
    return tuple((str(value), str(value).replace("_", " ")) for value in values)


def _hint(name: str, rule: Mapping[str, Any]) -> str:
    """What it is, in which unit and range, and what holds when it is empty."""
    said = str(rule.get("description", "")).rstrip(".")
    unit = _UNITS.get(name.rsplit("_", 1)[-1], "")
    is_said = unit.lower() in said.lower() or (unit == "%" and "percent" in said.lower())
    parts = [said, "" if is_said else unit]
    low, high = (
        rule.get(f"{end}imum", rule.get(f"exclusive{end.title()}imum")) for end in ("min", "max")
    )
    if low is not None and high is not None:
        parts.append(f"{number(low)} to {number(high)}")
    elif low is not None:
        parts.append(f"{'more than' if 'exclusiveMinimum' in rule else 'at least'} {number(low)}")
    elif high is not None:
        parts.append(f"at most {number(high)}")
    default = rule.get("default")
    if default not in _NOTHING:
        words = ", ".join(map(str, default)) if isinstance(default, list) else number(default)
        parts.append(f"default {words}")
    return "; ".join(filter(None, parts))


def _shown(kind: str, value: Any) -> Any:
    if kind == "checks":
        return tuple(map(str, value or ()))
    if value is None:
        return ""
    if kind == "lines" and isinstance(value, list):
        return "\n".join(map(str, value))
    if kind == "json":
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
    if made.kind == "number" and _NUMBER.fullmatch(text):
        plain = re.sub(r"[,_ ]", "", text)
        with suppress(ValueError):
            return int(plain) if plain.lstrip("+-").isdecimal() else float(plain)
    if made.kind == "json":
        with suppress(ValueError):
            return json.loads(text)
    return text == "true" if made.choices == _YES_OR_NO and text in {"true", "false"} else text


def options_from(fields: Sequence[Field], form: Sent, before: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the form has them; what no field shows stays as it was."""
    shown = {one.name.removeprefix(OPTION): one for one in fields}
    options = {name: value for name, value in before.items() if name not in shown}
    for name, one in shown.items():
        value = parse(one, form.getlist(one.name))
        is_default = one.kind == "checks" and value == list(one.default or ()) and name not in before
        if value is None and one.kind == "lines" and before.get(name) == []:
            value = []  # an empty list that somebody chose is no default
        if value is not None and not is_default:
            options[name] = value
    return options


def filled(fields: Sequence[Field], form: Sent | None) -> Sequence[Field]:
    """The fields as they were sent, to be drawn again."""
    if form is None:
        return fields
    sent = [(one, form.getlist(one.name) or [""]) for one in fields]
    return [replace(one, value=tuple(it) if one.kind == "checks" else it[-1]) for one, it in sent]


def column_field(column: sa.Column[Any], value: Any, choices: Choices = (), *, new: bool) -> Field:
    """The field of a column, by its type and comment; ``value`` as text or as the driver gives it."""
    is_boolean = isinstance(column.type, sa.Boolean)
    kind = next((kind for of, kind in _KINDS.items() if isinstance(column.type, of)), "text")
    if choices or is_boolean:
        kind, choices = "select", choices or _YES_OR_NO
    required = not column.nullable and preset(column) is None and not is_boolean
    hint = column.comment or ""
    made = Field(column.name, title(column.name), kind, hint, _shown(kind, value), choices, required)
    listed = _WORDS.search(hint) if kind == "text" else None
    suggestions = tuple(listed[0].split(" | ")) if listed else ()
    placeholder = default_words(column) if new and value is None else ""
    return replace(made, suggestions=suggestions, placeholder=placeholder)


def defaulted(values: Mapping[str, Any], columns: Any, *, new: bool) -> dict[str, Any]:
    """An empty field is null, or the default of a column that takes no null; a new row has defaults."""
    if new:
        return {name: value for name, value in values.items() if value is not None}
    empty = {name for name, value in values.items() if value is None and not columns[name].nullable}
    return {**values, **{name: default_words(columns[name]) or None for name in empty}}


def default_words(column: sa.Column[Any]) -> str:
    """The default of a column as people write it; empty: there is none, or it is computed."""
    found = re.fullmatch(r"'?([^'()]*)'?(::[a-z ]+(\[\])?)?", preset(column) or "")
    return found[1] if found else ""


def place(refusal: Refusal | None, fields: Sequence[Field] = ()) -> str | None:
    """The field that a refusal is about: an option, a column, or one with which its message begins."""
    if refusal is None:
        return None
    if option := _OPTION.match(refusal.message):
        return OPTION + option[1]
    names = [one.name for one in fields]
    if not names or refusal.column in names:
        return refusal.column
    return next((name for name in names if re.match(rf'"?{name}\b', refusal.message)), None)
