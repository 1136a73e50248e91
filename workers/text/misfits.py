"""What Postgres says of a value that its type cannot hold, as a person reads it (pure)."""

import re
from typing import NamedTuple

#: A type of Postgres → what a value of it is, and how one is written.
_FORMS = {
    "interval": ("a length of time", "write 45s, 15m, 2h, 1d, or '1 hour 30 minutes'"),
    "timestamp": ("a time", "write '2026-12-24 17:00 Europe/Berlin', '2026-12-24T16:00Z'"),
    "date": ("a date", "write '2026-12-24'"),
    "numeric": ("a number", "write 0.5"),
    "boolean": ("true or false", None),
    **dict.fromkeys(("integer", "smallint", "bigint"), ("a whole number", "write 5")),
}
_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
_INVALID = re.compile(r'invalid input syntax for type (?P<type>[a-z ]+): "(?P<value>.*)"', re.DOTALL)
_RANGE = (
    re.compile(r'value "(?P<value>.*)" is out of range for type (?P<type>[a-z ]+)', re.DOTALL),
    re.compile(r'(?P<type>[a-z/]+)( field value)? out of range(: "(?P<value>.*)")?', re.DOTALL),
)


_TAKEN = re.compile(r"Key \((?P<column>\w+).*?\)=\((?P<value>.*)\) already exists\.", re.DOTALL)


def taken(table: str | None, detail: str | None) -> tuple[str, str] | None:
    """What the detail of a unique violation means, and the first column of its key."""
    if not (table and (found := _TAKEN.fullmatch(detail or ""))):
        return None
    return f'{table.replace("_", " ")} "{found["value"]}" exists already', found["column"]


class Misfit(NamedTuple):
    #: None where Postgres does not repeat it.
    value: str | None
    problem: str
    hint: str | None

    def __str__(self) -> str:
        return f'"{self.value}" {self.problem}' if self.value is not None else f"a value {self.problem}"


def misfit(message: str) -> Misfit | None:
    """The value that the message is about, and what is wrong; None when it is about something else."""
    if found := _INVALID.fullmatch(message):
        return _invalid(found["type"], found["value"])
    for pattern in _RANGE:
        if found := pattern.fullmatch(message):
            return _out_of_range(found["type"], found["value"])
    return None


def _invalid(kind: str, value: str) -> Misfit:
    form, hint = _FORMS.get(kind.removesuffix(" with time zone"), (kind, None))
    return Misfit(value, f"is not {form}", hint)


def _out_of_range(kind: str, value: str | None) -> Misfit | None:
    if kind in _BITS:
        greatest = (1 << _BITS[kind]) - 1
        return Misfit(value, "is out of range", f"write a whole number of at most {greatest}")
    if kind == "interval":
        return Misfit(value, "is too long", "write at most 36500 days")
    if kind in {"timestamp", "date", "date/time"}:
        # A day that no month has, or a year that the type does not reach.
        return _invalid("timestamp", value) if value is not None else None
    return None
