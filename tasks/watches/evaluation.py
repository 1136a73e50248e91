"""Whether a rule fits what was found (pure).  Text is compared without regard to case.

A field that is not known (None) fits no clause but ``!=``, ``not in`` and ``is null``; NOT turns
that round like anything else.  A region is a word: ``ships_to contains "US"`` fits "US only" and
"CONUS, US", but neither "CONUS" alone nor "Australia".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from rapidfuzz import fuzz, utils

from tasks.watches import fields, patterns
from tasks.watches.checking import number_of, text_of
from tasks.watches.nodes import And, Clause, Node, Not, Or, shown_clause

#: From how alike two texts are the same to ``fuzzy_contains`` (0 to 100).
ALIKE = 80

#: By field; ("as found", field) has a text as it was written.
Facts = Mapping[Any, Any]
Test = Callable[[Facts], bool]
_NUMBERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le,
    ">=": operator.ge,
}  # fmt: skip
#: Clauses that an unknown field fits.
_FIT_UNKNOWN = ("!=", "not in", "is null")


def facts(found: Mapping[str, Any], subject: str = "listing") -> dict[Any, Any]:
    """What was found, ready to be tested often: numbers as floats, texts beside their lower case."""
    ready: dict[Any, Any] = {}
    for name, kind in fields.FIELDS[subject].items():
        value = found.get(name)
        if value is None:
            ready[name] = None
        elif kind == fields.NUMBER:
            ready[name] = float(value)
        else:
            text = value if isinstance(value, str) else ", ".join(value)
            ready[name] = text.casefold()
            ready["as found", name] = text
    return ready


def compiled(node: Node, subject: str = "listing") -> Test:
    """The rule as a function of facts; the rule has been checked."""
    match node:
        case Clause():
            return _clause(node, subject)
        case Not():
            inner = compiled(node.node, subject)
            return lambda found: not inner(found)
        case And():
            return reduce(_both, (compiled(one, subject) for one in node.nodes))
        case Or():
            return reduce(_either, (compiled(one, subject) for one in node.nodes))


def _both(one: Test, other: Test) -> Test:
    return lambda found: one(found) and other(found)


def _either(one: Test, other: Test) -> Test:
    return lambda found: one(found) or other(found)


def _clause(clause: Clause, subject: str) -> Test:
    name, unknown = clause.field, clause.operator in _FIT_UNKNOWN
    kind = fields.FIELDS[subject][name]
    if clause.operator == "is null":
        return lambda found: found[name] is None
    if clause.operator == "is not null":
        return lambda found: found[name] is not None
    if clause.operator in {"matches", "fuzzy_contains"}:
        fits = _search(clause)
        key = ("as found", name)
        return lambda found: found[name] is not None and fits(found[key])
    if clause.operator == "contains" and kind == fields.TEXT:
        # What most clauses of most rules are, so it costs one call instead of two.
        wanted = text_of(clause.values[0]).casefold()
        return lambda found: (text := found[name]) is not None and wanted in text
    fits = _number(clause) if kind == fields.NUMBER else _text(clause, kind)

    def test(found: Facts) -> bool:
        value = found[name]
        return unknown if value is None else fits(value)

    return test


def _number(clause: Clause) -> Callable[[Any], bool]:
    values = [number_of(value) or 0.0 for value in clause.values]
    if clause.operator == "between":
        low, high = values
        return lambda value: low <= value <= high
    if clause.operator == "in":
        return lambda value: value in values
    if clause.operator == "not in":
        return lambda value: value not in values
    compare, wanted = _NUMBERS[clause.operator], values[0]
    return lambda value: compare(value, wanted)


def _text(clause: Clause, kind: str) -> Callable[[str], bool]:
    values = [text_of(value).casefold() for value in clause.values]
    wanted = values[0]
    if clause.operator == "contains" and kind == fields.REGIONS:
        word = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
        return lambda text: word.search(text) is not None
    tests: dict[str, Callable[[str], bool]] = {
        "=": lambda text: text == wanted,
        "!=": lambda text: text != wanted,
        "contains": lambda text: wanted in text,
        "startswith": lambda text: text.startswith(wanted),
        "endswith": lambda text: text.endswith(wanted),
        "in": lambda text: text in values,
        "not in": lambda text: text not in values,
    }
    return tests[clause.operator]


def _search(clause: Clause) -> Callable[[str], bool]:
    wanted = text_of(clause.values[0])
    if clause.operator == "matches":
        pattern = patterns.compiled(wanted)
        return lambda text: pattern.search(text[: patterns.LONGEST_TEXT]) is not None
    words = utils.default_process(wanted)
    return lambda text: _alike(words, text)


def _alike(words: str, text: str) -> bool:
    found = fuzz.token_set_ratio(words, text, processor=utils.default_process, score_cutoff=ALIKE)
    return bool(found >= ALIKE)


@dataclass(frozen=True, slots=True)
class Explained:
    """One clause, what the field was, and whether it fitted."""

    clause: str
    value: Any
    fits: bool


def explain(node: Node, found: Mapping[str, Any], subject: str = "listing") -> list[Explained]:
    """Why a rule fits or does not, clause by clause."""
    from tasks.watches.checking import clauses

    ready = facts(found, subject)
    return [
        Explained(shown_clause(one), found.get(one.field), compiled(one, subject)(ready))
        for one in clauses(node)
    ]
