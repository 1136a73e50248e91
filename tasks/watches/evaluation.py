"""Whether a rule fits what was found (pure).  Text is compared without regard to case.

A field that is not known (None) fits no clause but ``!=``, ``not in`` and ``is null``; NOT turns
that round like anything else.  A region is a word: ``ships_to contains "US"`` fits "US only" and
"CONUS, US", but neither "CONUS" alone nor "Australia"; ``=`` means one of the regions.

A price is compared only with its own currency: that of the rule, else the site's, unless the rule
names currencies beside the price (``currency = "EUR" AND price < 300``).  A price in another one is
not known to the clause.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from rapidfuzz import fuzz, utils

from tasks.watches import patterns
from tasks.watches.comparing import folded, regions, visible
from tasks.watches.nodes import And, Clause, Node, Not, Or, number_of, shown_clause
from tasks.watches.watch import NUMBER, REGIONS, TEXT, Fields

#: Likeness from which ``fuzzy_contains`` takes two texts for the same (0 to 100).
MIN_LIKENESS = 80

#: Name of the fact that holds the currency of a site's prices.
SITE_CURRENCY = "site_currency"

#: Value by field; ("as found", field) holds a text before it is folded.
Facts = Mapping[Any, Any]
Test = Callable[[Facts], bool]
Currencies = frozenset[str] | None
_NUMBERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le,
    ">=": operator.ge,
}  # fmt: skip
#: Clauses that an unknown field fits.
FIT_UNKNOWN = ("!=", "not in", "is null")
_PRESENCE = ("is null", "is not null")


def facts(found: Mapping[str, Any], fields: Fields) -> dict[Any, Any]:
    """Prepare what was found for many tests: numbers as floats, texts also in lower case."""
    ready: dict[Any, Any] = {}
    for name, field in fields.items():
        value = found.get(name)
        if value is None:
            ready[name] = None
        elif field.kind == NUMBER:
            ready[name] = float(value)
        else:
            text = visible(value if isinstance(value, str) else ", ".join(value))
            ready[name] = folded(text)
            ready["as found", name] = text
    site = found.get(SITE_CURRENCY)
    ready[SITE_CURRENCY] = folded(site) if site else None
    return ready


def compiled(node: Node, fields: Fields, currency: Currencies = None) -> Test:
    """Compile a checked rule to a function of facts; ``currency`` None means the site's own."""
    match node:
        case Clause():
            test = _clause(node, fields)
            return _in_own_currency(node, test, currency) if is_money(node, fields) else test
        case Not():
            inner = compiled(node.node, fields, currency)
            return lambda found: not inner(found)
        case And():
            currency = named_currencies(node) or currency
            return reduce(_both, (compiled(one, fields, currency) for one in node.nodes))
        case Or():
            return reduce(_either, (compiled(one, fields, currency) for one in node.nodes))


def is_money(clause: Clause, fields: Fields) -> bool:
    return fields[clause.field].is_money and clause.operator not in _PRESENCE


def named_currencies(node: And) -> Currencies:
    """The currencies that an AND names beside its prices, None when it names none."""
    for one in node.nodes:
        if isinstance(one, Clause) and one.field == "currency" and one.operator in {"=", "in"}:
            return frozenset(folded(str(value)).strip() for value in one.values)
    return None


def is_comparable(found: Facts, currency: Currencies) -> bool:
    """Whether the price found is in a currency that the rule means."""
    meant = currency or ({found[SITE_CURRENCY]} if found[SITE_CURRENCY] else None)
    return meant is None or found["price"] is None or found["currency"] in meant


def _in_own_currency(clause: Clause, test: Test, currency: Currencies) -> Test:
    unknown = clause.operator in FIT_UNKNOWN
    return lambda found: test(found) if is_comparable(found, currency) else unknown


def _both(one: Test, other: Test) -> Test:
    return lambda found: one(found) and other(found)


def _either(one: Test, other: Test) -> Test:
    return lambda found: one(found) or other(found)


def _clause(clause: Clause, fields: Fields) -> Test:
    name, unknown = clause.field, clause.operator in FIT_UNKNOWN
    kind = fields[name].kind
    if clause.operator == "is null":
        return lambda found: found[name] is None
    if clause.operator == "is not null":
        return lambda found: found[name] is not None
    if clause.operator in {"matches", "fuzzy_contains"}:
        fits = _search(clause)
        key = ("as found", name)
        return lambda found: found[name] is not None and fits(found[key])
    if clause.operator == "contains" and kind == TEXT:
        # The most frequent clause: one call instead of two.
        wanted = folded(str(clause.values[0]))
        return lambda found: (text := found[name]) is not None and wanted in text
    fits = number_test(clause) if kind == NUMBER else text_test(clause, kind)

    def test(found: Facts) -> bool:
        value = found[name]
        return unknown if value is None else fits(value)

    return test


def number_test(clause: Clause) -> Callable[[Any], bool]:
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


def text_test(clause: Clause, kind: str = TEXT) -> Callable[[str], bool]:
    values = [folded(str(value)) for value in clause.values]
    if clause.operator in {"=", "!=", "in", "not in"}:
        values = [value.strip() for value in values]
    wanted = values[0]
    if kind == REGIONS:
        return _regions(clause.operator, values)
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


def _regions(operator: str, values: list[str]) -> Callable[[str], bool]:
    wanted = values[0]
    if operator == "contains":
        word = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
        return lambda text: word.search(text) is not None
    if operator in {"startswith", "endswith"}:
        begins = operator == "startswith"
        return lambda text: any(
            one.startswith(wanted) if begins else one.endswith(wanted) for one in (text, *regions(text))
        )
    among = set(values)
    negated = operator in {"!=", "not in"}
    return lambda text: among.isdisjoint((text, *regions(text))) is negated


def _search(clause: Clause) -> Callable[[str], bool]:
    wanted = visible(str(clause.values[0]))
    if clause.operator == "matches":
        pattern = patterns.compiled(wanted)
        return lambda text: pattern.search(text[: patterns.MAX_TEXT]) is not None
    words = utils.default_process(wanted)
    return lambda text: _alike(words, text)


def _alike(words: str, text: str) -> bool:
    found = fuzz.token_set_ratio(
        words, text, processor=utils.default_process, score_cutoff=MIN_LIKENESS
    )
    return bool(found >= MIN_LIKENESS)


@dataclass(frozen=True, slots=True)
class Explained:
    clause: str
    value: Any
    fits: bool
    note: str | None = None


def explain(
    node: Node, found: Mapping[str, Any], fields: Fields, currency: Currencies = None
) -> list[Explained]:
    ready = facts(found, fields)
    return [
        Explained(
            shown_clause(one), found.get(one.field), compiled(one, fields, meant)(ready),
            _note(ready, meant) if is_money(one, fields) else None,
        )
        for one, meant in _with_currency(node, currency)
    ]  # fmt: skip


def has_other_currency(
    node: Node, found: Mapping[str, Any], fields: Fields, currency: Currencies
) -> bool:
    ready = facts(found, fields)
    return any(
        is_money(one, fields) and not is_comparable(ready, meant)
        for one, meant in _with_currency(node, currency)
    )


def _with_currency(node: Node, currency: Currencies) -> Iterator[tuple[Clause, Currencies]]:
    """Every clause from left to right, with the currencies that its price is compared in."""
    match node:
        case Clause():
            yield node, currency
        case Not():
            yield from _with_currency(node.node, currency)
        case And():
            for one in node.nodes:
                yield from _with_currency(one, named_currencies(node) or currency)
        case Or():
            for one in node.nodes:
                yield from _with_currency(one, currency)


def _note(ready: Facts, currency: Currencies) -> str | None:
    """The currency of the comparison, and why there was none."""
    site = ready[SITE_CURRENCY]
    if currency is None and site is None:
        return None
    meant = " or ".join(sorted(currency)).upper() if currency else f"{site.upper()}, the site's"
    if is_comparable(ready, currency):
        return f"compared in {meant}"
    own = ready["currency"].upper() if ready["currency"] else "a currency that is not known"
    return f"not compared: the price is in {own}, the rule means {meant}"
