"""The tree of a rule (pure): made by the grammar, and printed back to a text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

Value = str | Decimal
#: Fields that may be compared with a share: ``price_drop >= 10 %`` asks ``price_drop_percent``.
SHARES = ("price_drop",)
#: Operators between a field and a value, as they are written.
COMPARISONS = ("=", "!=", "<", ">", "<=", ">=")
TEXT_OPERATORS = ("contains", "startswith", "endswith", "matches", "fuzzy_contains")


@dataclass(frozen=True, slots=True)
class Clause:
    """One test of one field; ``at`` is where it stands in the rule's text (characters)."""

    field: str
    operator: str
    values: tuple[Value, ...]
    at: int = 0

    def __eq__(self, other: object) -> bool:
        """Equal without regard to ``at``."""
        if not isinstance(other, Clause):
            return NotImplemented
        mine, theirs = (self.field, self.operator), (other.field, other.operator)
        return mine == theirs and self.values == other.values

    def __hash__(self) -> int:
        return hash((self.field, self.operator, self.values))


@dataclass(frozen=True, slots=True)
class Not:
    node: Node


@dataclass(frozen=True, slots=True)
class And:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    nodes: tuple[Node, ...]


Node = Clause | Not | And | Or


def clauses(node: Node) -> Iterator[Clause]:
    match node:
        case Clause():
            yield node
        case Not():
            yield from clauses(node.node)
        case And() | Or():
            for one in node.nodes:
                yield from clauses(one)


def loosened(node: Node, margin: Decimal) -> Node:
    """The rule with the bounds of its comparisons moved by a share of themselves, so that it fits more.

    With a negative margin it fits less.
    """
    match node:
        case Clause():
            return _loosened_clause(node, margin)
        case Not():
            return Not(loosened(node.node, -margin))
        case And() | Or():
            return type(node)(tuple(loosened(one, margin) for one in node.nodes))


def _loosened_clause(clause: Clause, margin: Decimal) -> Clause:
    # Which way each bound moves.
    ways = {"<": (1,), "<=": (1,), ">": (-1,), ">=": (-1,), "between": (-1, 1)}.get(clause.operator)
    if ways is None:
        return clause
    bounds = [Decimal(str(number_of(value) or 0)) for value in clause.values]
    moved = (one + way * margin * abs(one) for one, way in zip(bounds, ways, strict=True))
    return replace(clause, values=tuple(moved))


def shown_clause(clause: Clause) -> str:
    field = clause.field
    values = [quoted(value) for value in clause.values]
    if clause.operator in {"is null", "is not null"}:
        return f"{field} {clause.operator}"
    if clause.operator in {"in", "not in"}:
        return f"{field} {clause.operator} ({', '.join(values)})"
    if clause.operator == "between":
        return f"{field} between {values[0]} and {values[1]}"
    share = field.removesuffix("_percent")
    is_share = share != field and share in SHARES and clause.operator in COMPARISONS
    if is_share and isinstance(clause.values[0], Decimal):
        return f"{share} {clause.operator} {values[0]} %"
    return f"{field} {clause.operator} {values[0]}"


def quoted(value: Value) -> str:
    """A value in quotes that it does not contain: the language has no escapes."""
    if isinstance(value, Decimal):
        return str(value)
    return f"'{value}'" if '"' in value else f'"{value}"'


def number_of(value: Value) -> float | None:
    """A value as a number: 1000, "1000", but not "abc"."""
    try:
        found = float(value) if isinstance(value, Decimal) else float(Decimal(value.strip()))
    except (ArithmeticError, ValueError):
        return None
    return found if found == found and abs(found) != float("inf") else None  # noqa: PLR0124 - NaN
