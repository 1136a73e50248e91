"""Finds rules that fit nothing or everything (pure).

A rule is tried with every combination of what its clauses can say together; of a text that no clause
writes out, each clause may fit or not.  Rules of more than MAX_CASES combinations are not looked into.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from tasks.watches.comparing import folded
from tasks.watches.evaluation import FIT_UNKNOWN, number_test, text_test
from tasks.watches.grammar import RuleError
from tasks.watches.nodes import And, Clause, Node, Not, Or, clauses, number_of, shown_clause
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


#: What each clause says of one field in one case.
State = Mapping[Clause, bool]
MAX_CASES = 1024
_NEGATED = ("!=", "not in")
_EXACT = ("=", "!=", "in", "not in")
_PATTERNS = ("matches", "fuzzy_contains")
_OF_OPERATOR = {
    "<": lambda n: Interval(high=n, high_open=True), "<=": lambda n: Interval(high=n),
    ">": lambda n: Interval(low=n, low_open=True), ">=": lambda n: Interval(low=n),
    "=": lambda n: Interval(n, n), "!=": lambda n: Interval(n, n),
}  # fmt: skip


def check(node: Node, fields: Fields) -> None:
    """Raise RuleError when a clause or the whole rule fits nothing, or everything."""
    for clause in clauses(node):
        _check_clause(clause, fields)
    try:
        found = {_fits(node, said) for said in _cases(node, fields)}
    except OverflowError:
        return
    if found == {False}:
        hint = "write OR between them"
        raise RuleError("value", "nothing can match: parts of it contradict each other", hint=hint)
    if found == {True}:
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


def _cases(node: Node, fields: Fields) -> Iterator[dict[Clause, bool]]:
    """What the clauses may say together: at least every case that exists."""
    by_field: dict[str, list[Clause]] = {}
    for one in dict.fromkeys(clauses(node)):
        by_field.setdefault(one.field, []).append(one)
    states = [
        [*_states_without_value(fields[name], found), *_states(fields[name], found)]
        for name, found in by_field.items()
    ]
    if math.prod(map(len, states)) > MAX_CASES:
        return
    for chosen in product(*states):
        yield {clause: said for state in chosen for clause, said in state.items()}


def _states_without_value(field: Field, found: Sequence[Clause]) -> Iterator[State]:
    yield {one: one.operator in FIT_UNKNOWN for one in found}
    if field.is_money:
        # A price in a currency that the rule does not mean.
        yield {one: one.operator in {*_NEGATED, "is not null"} for one in found}


def _states(field: Field, found: Sequence[Clause]) -> Iterator[State]:
    present = {one: one.operator == "is not null" for one in found if not one.values}
    tested = [one for one in found if one.values]
    if field.kind == NUMBER:
        tests = {one: number_test(one) for one in tested}
        bounds = {number_of(value) or 0.0 for one in tested for value in one.values}
        for number in _between({*bounds, field.minimum or 0.0, field.maximum or 0.0}):
            if not Interval(number, number).within(_known(field)).is_empty:
                yield present | {one: test(number) for one, test in tests.items()}
        return
    exact = [one for one in tested if one.operator in _EXACT and field.kind == TEXT]
    # A pattern looks at the text as it was found, of which a literal is one spelling.
    literal = {one: text_test(one) for one in tested if one.operator not in _PATTERNS}
    for text in {*field.values, *(folded(str(value)).strip() for one in exact for value in one.values)}:
        known = present | {one: test(text) for one, test in literal.items()}
        yield from _free_states(tested, known)
    if not field.values:
        yield from _free_states(tested, present | {one: one.operator in _NEGATED for one in exact})


def _free_states(found: Sequence[Clause], known: State) -> Iterator[State]:
    """Each clause that is not known may fit or not."""
    free = [one for one in found if one not in known]
    atoms = list(dict.fromkeys(map(_atom, free)))
    if 2 ** len(atoms) > MAX_CASES:
        raise OverflowError
    for chosen in product((False, True), repeat=len(atoms)):
        said = dict(zip(atoms, chosen, strict=True))
        yield {**known, **{one: (one.operator in _NEGATED) is not said[_atom(one)] for one in free}}


def _atom(clause: Clause) -> tuple[str, frozenset[str]]:
    operator = {"!=": "in", "not in": "in", "=": "in"}.get(clause.operator, clause.operator)
    exactly = operator in _PATTERNS
    return operator, frozenset(str(one) if exactly else folded(str(one)) for one in clause.values)


def _between(bounds: set[float]) -> list[float]:
    """The numbers, one between each two, and one beyond each end."""
    known = sorted(bounds)
    middles = [(one + other) / 2 for one, other in pairwise(known)]
    return [known[0] - 1, *known, *middles, known[-1] + 1]


def _fits(node: Node, said: State) -> bool:
    match node:
        case Clause():
            return said[node]
        case Not():
            return not _fits(node.node, said)
        case And():
            return all(_fits(one, said) for one in node.nodes)
        case Or():
            return any(_fits(one, said) for one in node.nodes)
