"""Whether a rule makes sense (pure): its fields exist, its values fit them, its patterns are safe.

A rule is checked when it is saved, so that one that can never match, or matches everything by a
typing error, is refused with a sentence instead of staying silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tasks.watches import fields, patterns
from tasks.watches.grammar import RuleError
from tasks.watches.nodes import COMPARISONS, TEXT_OPERATORS, And, Clause, Node, Not, Or, Value

_ORDER = ("<", ">", "<=", ">=", "between")
_ALWAYS = ("is null", "is not null")


def clauses(node: Node) -> Iterator[Clause]:
    """Every clause of a rule, from left to right."""
    match node:
        case Clause():
            yield node
        case Not():
            yield from clauses(node.node)
        case And() | Or():
            for one in node.nodes:
                yield from clauses(one)


def check(node: Node, subject: str = "listing") -> None:
    """RuleError for the first clause that cannot be meant; ``subject`` is a key of FIELDS."""
    for clause in clauses(node):
        _check_clause(clause, subject)


def _check_clause(clause: Clause, subject: str) -> None:
    kind = fields.FIELDS[subject].get(clause.field)
    if kind is None:
        like = fields.suggestion(clause.field, subject)
        raise RuleError(
            "unknown_field",
            f'there is no field "{clause.field}"',
            at=clause.at,
            hint=f'did you mean "{like}"?' if like else f"fields: {', '.join(fields.FIELDS[subject])}",
        )
    if clause.operator in _ALWAYS:
        return
    if kind == fields.NUMBER:
        _check_number(clause)
    elif clause.operator in _ORDER:
        message = f"{clause.field} is text: it has no more and less"
        raise RuleError("type", message, at=clause.at, hint=f'{clause.field} contains "…"')
    elif clause.operator == "matches":
        try:
            patterns.compiled(text_of(clause.values[0]))
        except patterns.BadPattern as error:
            raise RuleError("pattern", str(error), at=clause.at) from None


def _check_number(clause: Clause) -> None:
    if clause.operator in TEXT_OPERATORS:
        message = f"{clause.field} is a number: {clause.operator} is for text"
        raise RuleError("type", message, at=clause.at, hint=f"{clause.field} < 1000")
    for value in clause.values:
        if number_of(value) is None:
            message = f"{clause.field} is a number, {value!r} is not"
            raise RuleError("type", message, at=clause.at, hint=f"{clause.field} {COMPARISONS[2]} 1000")


def number_of(value: Value) -> float | None:
    """A value as a number: 1000, "1000", but not "abc"."""
    try:
        found = float(value) if isinstance(value, Decimal) else float(Decimal(value.strip()))
    except (ArithmeticError, ValueError):
        return None
    return found if found == found and abs(found) != float("inf") else None  # noqa: PLR0124 - NaN


def text_of(value: Value) -> str:
    """A value as text."""
    return str(value)
