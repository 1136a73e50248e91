"""Whether a rule makes sense (pure): its fields exist, its values fit them, its patterns are safe.

A rule is checked when it is saved, so that one that can never match, or matches everything by a
typing error, is refused with a sentence instead of staying silent.  Each clause is looked at alone;
`satisfying` looks at the rule as a whole.
"""

from decimal import Decimal
from pkgutil import resolve_name

from rapidfuzz import fuzz, process, utils
from rapidfuzz.distance import JaroWinkler

from tasks.watches import patterns, satisfying
from tasks.watches.comparing import folded, visible
from tasks.watches.grammar import RuleError
from tasks.watches.nodes import (
    COMPARISONS,
    TEXT_OPERATORS,
    Clause,
    Node,
    clauses,
    number_of,
    shown_clause,
)
from tasks.watches.watch import NUMBER, Field, Fields

_ORDER = ("<", ">", "<=", ">=", "between")
_ALWAYS = ("is null", "is not null")
_EXACT = ("=", "!=", "in", "not in")
#: Likeness from which a name is suggested (0 to 100).
MIN_LIKENESS = 60
#: Texts that have nothing in common: a pattern that fits all of them fits everything.
_PROBES = ("aaaaaaaa", "ZZZZZZZZ", "00000000", "--------", "éééééééé", "中中中中中中中中", "(a) 1, B!")


def check(node: Node, fields: Fields) -> None:
    for clause in clauses(node):
        _check_clause(clause, fields)
    satisfying.check(node, fields)


def _suggestion(name: str, fields: Fields) -> str:
    known = [*fields, *(alias for field in fields.values() for alias in field.aliases)]
    wanted = name.lower()
    # As a whole first: "pric" is nearer to price than to the beginning of price_drop.
    found = process.extractOne(wanted, known, scorer=fuzz.ratio, score_cutoff=MIN_LIKENESS)
    found = found or process.extractOne(wanted, known, score_cutoff=MIN_LIKENESS)
    return f'did you mean "{found[0]}"?' if found else f"fields: {', '.join(fields)}"


def _check_clause(clause: Clause, fields: Fields) -> None:
    field = fields.get(clause.field)
    if field is None:
        message, hint = f'there is no field "{clause.field}"', _suggestion(clause.field, fields)
        raise RuleError("unknown_field", message, at=clause.at, hint=hint)
    if clause.operator in _ALWAYS:
        return
    if field.kind == NUMBER:
        _check_number(clause)
    elif clause.operator in _ORDER:
        message = f"{clause.field} is text: it has no more and less"
        raise RuleError("type", message, at=clause.at, hint=f'{clause.field} contains "…"')
    else:
        _check_text(clause, field)


def _check_text(clause: Clause, field: Field) -> None:
    for value in clause.values:
        if isinstance(value, Decimal):
            # Read as numbers, 007 would be 7 and 1e3 would be 1E+3.
            message = f"{clause.field} is text: write the number in quotes"
            raise RuleError("type", message, at=clause.at, hint=f'{clause.field} contains "650"')
        if not folded(value).strip():
            message = f"{clause.field} {clause.operator} an empty text fits nothing or everything"
            raise RuleError("value", message, at=clause.at, hint=f"{clause.field} is null")
    if field.values and clause.operator in _EXACT:
        _check_known(clause, field.values)
    if field.codes and clause.operator in _EXACT:
        _check_code(clause, resolve_name(field.codes))
    if clause.operator == "matches":
        _check_pattern(clause)
    if clause.operator == "fuzzy_contains" and not utils.default_process(str(clause.values[0])).strip():
        message = "fuzzy_contains compares letters and digits: here are none"
        raise RuleError("value", message, at=clause.at, hint=f'{clause.field} contains "…"')


def _check_known(clause: Clause, known: tuple[str, ...]) -> None:
    for value in clause.values:
        if folded(str(value)).strip() not in known:
            message = f'no {clause.field} is "{value}"'
            raise RuleError("value", message, at=clause.at, hint=f"there are {', '.join(known)}")


def _check_code(clause: Clause, known: tuple[str, ...]) -> None:
    for value in clause.values:
        code = str(value).strip().upper()
        if code not in known:
            # Of those equally near the one that begins alike: EUD is EUR, not USD.
            near = process.extractOne(code, known, scorer=JaroWinkler.similarity, score_cutoff=0.6)
            hint = f'did you mean "{near[0]}"?' if near else f'three letters: {clause.field} = "EUR"'
            raise RuleError("value", f'"{value}" is not a {clause.field}', at=clause.at, hint=hint)


def _check_pattern(clause: Clause) -> None:
    try:
        pattern = patterns.compiled(visible(str(clause.values[0])))
    except patterns.BadPattern as error:
        raise RuleError("pattern", str(error), at=clause.at) from None
    if all(map(pattern.search, _PROBES)):
        message = f"{shown_clause(clause)} fits every text"
        raise RuleError("pattern", message, at=clause.at, hint=f'{clause.field} matches "HD ?6[0-9]+"')
    if pattern.search("") and not any(map(pattern.search, _PROBES)):
        message = f"{shown_clause(clause)} fits only an empty text, and there is none"
        raise RuleError("pattern", message, at=clause.at, hint=f"{clause.field} is null")


def _check_number(clause: Clause) -> None:
    if clause.operator in TEXT_OPERATORS:
        message = f"{clause.field} is a number: {clause.operator} is for text"
        raise RuleError("type", message, at=clause.at, hint=f"{clause.field} < 1000")
    for value in clause.values:
        if number_of(value) is None:
            message = f"{clause.field} is a number, {value!r} is not"
            raise RuleError("type", message, at=clause.at, hint=f"{clause.field} {COMPARISONS[2]} 1000")
