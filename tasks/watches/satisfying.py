"""Finds rules that fit nothing or everything (pure); not every contradiction is found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.watches.comparing import folded
from tasks.watches.grammar import RuleError
from tasks.watches.nodes import And, Clause, Node, Not, Or, clauses, number_of, shown, shown_clause
from tasks.watches.watch import NUMBER, TEXT, Field, Fields


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from ``low`` to ``high``; an open end is excluded."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    @property
    def is_empty(self) -> bool:
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    def within(self, other: Interval) -> Interval:
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not closed)


_NEGATED = ("!=", "not in")
_OF_OPERATOR = {
    "<": lambda n: Interval(high=n, high_open=True), "<=": lambda n: Interval(high=n),
    ">": lambda n: Interval(low=n, low_open=True), ">=": lambda n: Interval(low=n),
    "=": lambda n: Interval(n, n), "!=": lambda n: Interval(n, n),
}  # fmt: skip


def check(node: Node, fields: Fields) -> None:
    """Raise RuleError when a clause or the whole rule fits nothing, or everything."""
    for clause in clauses(node):
        _check_clause(clause, fields)
    if _is_never(node, fields):
        hint = "write OR between them"
        raise RuleError("value", "nothing can match: parts of it contradict each other", hint=hint)
    if _is_always(node):
        raise RuleError("value", "everything matches: one of its parts is the opposite of another")


def _check_clause(clause: Clause, fields: Fields) -> None:
    found = _interval(clause, fields)
    if found is None:
        return
    if clause.operator == "between" and found.is_empty:
        low, high = clause.values
        message = f"nothing lies between {low} and {high}"
        hint = f"{clause.field} between {high} and {low}"
        raise RuleError("value", message, at=clause.at, hint=hint)
    known = _known(fields[clause.field])
    if found.within(known).is_empty:
        share = "every" if clause.operator in _NEGATED else "no"
        message = f"{share} {clause.field} fits {shown_clause(clause)}"
        raise RuleError("value", message, at=clause.at, hint=f"{clause.field} is {_words(known)}")


def _known(field: Field) -> Interval:
    low, high = field.above if field.minimum is None else field.minimum, field.maximum
    return Interval(
        -math.inf if low is None else low, math.inf if high is None else high, field.above is not None
    )


def _words(known: Interval) -> str:
    least = "more than" if known.low_open else "at least"
    most = "" if known.high == math.inf else f" and at most {known.high:g}"
    return f"{least} {known.low:g}{most}"


def _interval(clause: Clause, fields: Fields) -> Interval | None:
    if fields[clause.field].kind != NUMBER:
        return None
    numbers = [number_of(value) or 0.0 for value in clause.values]
    if clause.operator == "between":
        low, high = numbers
        return Interval(low, high)
    if clause.operator in {"in", "not in"}:
        known = _known(fields[clause.field])
        possible = [n for n in numbers if not Interval(n, n).within(known).is_empty] or numbers
        return Interval(min(possible), max(possible))
    made = _OF_OPERATOR.get(clause.operator)
    return made(numbers[0]) if made else None


def _is_never(node: Node, fields: Fields) -> bool:
    match node:
        case Clause():
            return False
        case Not():
            return _is_always(node.node)
        case Or():
            return all(_is_never(one, fields) for one in node.nodes)
        case And():
            return (
                any(_is_never(one, fields) for one in node.nodes)
                or _has_opposites(node.nodes)
                or _excludes(node.nodes, fields)
            )


def _is_always(node: Node) -> bool:
    match node:
        case Clause():
            return False
        case Not():
            return isinstance(node.node, And) and _has_opposites(node.node.nodes)
        case And():
            return all(_is_always(one) for one in node.nodes)
        case Or():
            return any(_is_always(one) for one in node.nodes) or _has_opposites(node.nodes)


def _has_opposites(nodes: Sequence[Node]) -> bool:
    said = {shown(one) for one in nodes}
    return any(isinstance(one, Not) and shown(one.node) in said for one in nodes)


def _excludes(nodes: Sequence[Node], fields: Fields) -> bool:
    """Whether clauses that must all fit leave a field no value."""
    ranges: dict[str, Interval] = {}
    texts: dict[str, set[str]] = {}
    for one in nodes:
        if not isinstance(one, Clause):
            continue
        found = None if one.operator in _NEGATED else _interval(one, fields)
        if found is not None:
            ranges[one.field] = found.within(ranges.get(one.field, Interval()))
        elif one.operator in {"=", "in"} and fields[one.field].kind == TEXT:
            among = {folded(str(value)).strip() for value in one.values}
            texts[one.field] = among & texts.get(one.field, among)
    return any(found.is_empty for found in ranges.values()) or not all(texts.values())
