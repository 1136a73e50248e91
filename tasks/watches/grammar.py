"""The language of rules: text to tree (pure; lark).

``field op value`` with NOT before AND before OR and parentheses.  Grammar 1 is the language that
rules had where they come from; grammar 2 adds ``not contains``, ``in (…)``, ``between … and …``,
``is null`` and ``price_drop >= 10 %``.  A rule's row says which it is written in.
"""

from decimal import Decimal
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError

from tasks.watches.nodes import SHARES, And, Clause, Node, Not, Or
from tasks.watches.watch import Fields

ORIGINAL, EXTENDED = 1, 2
MAX_LENGTH = 4000
MAX_DEPTH = 40

_GRAMMAR = r"""
?start: or_expr
?or_expr: and_expr (OR and_expr)*
?and_expr: not_expr (AND not_expr)*
?not_expr: NOT not_expr -> negation
         | "(" or_expr ")"
         | clause
%CLAUSES%
?value: STRING -> text
      | NUMBER -> number
COMPARISON: "<=" | ">=" | "!=" | "=" | "<" | ">"
OPERATOR.3: /(contains|startswith|endswith|matches|fuzzy_contains)\b/i
AND.3: /and\b/i
OR.3: /or\b/i
NOT.3: /not\b/i
NULL.3: /null\b/i
IN.3: /in\b/i
IS.3: /is\b/i
BETWEEN.3: /between\b/i
FIELD: /[A-Za-z][A-Za-z0-9_]*/
NUMBER: /[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?(?![A-Za-z0-9_.])/
STRING: /"[^"]*"|'[^']*'/
%ignore /[ \t\r\n]+/
"""
_CLAUSES = {
    ORIGINAL: """
clause: FIELD COMPARISON value -> compare
      | FIELD OPERATOR value -> compare
""",
    EXTENDED: """
clause: FIELD COMPARISON value -> compare
      | FIELD OPERATOR value -> compare
      | FIELD COMPARISON NUMBER "%" -> percent
      | FIELD NOT OPERATOR value -> not_compare
      | FIELD IN "(" value ("," value)* ")" -> among
      | FIELD NOT IN "(" value ("," value)* ")" -> not_among
      | FIELD BETWEEN value AND value -> between
      | FIELD IS NULL -> is_null
      | FIELD IS NOT NULL -> is_not_null
""",
}
#: Hints for signs that people know from other languages.
_HINTS = {
    "==": "write = instead of ==", "&&": "write AND instead of &&", "||": "write OR instead of ||",
    "<>": "write != instead of <>", "!": "write NOT instead of !", ",": "numbers have no commas: 1000",
    "$": "prices have no currency sign; compare currency on its own",
    "()": "a list holds at least one value: in (1, 2)",
}  # fmt: skip


class RuleError(ValueError):
    """A rule that is wrong.

    ``kind``: syntax, unknown_field, type or pattern; ``at``: where, from 0; ``hint``: what to write.
    """

    def __init__(self, kind: str, message: str, *, at: int = 0, hint: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.at = at
        self.hint = hint


@v_args(inline=True)
class _Build(Transformer[Token, Node]):
    def __init__(self, fields: Fields) -> None:
        super().__init__()
        self._names = {alias: name for name, field in fields.items() for alias in field.aliases}

    def _name(self, field: Token) -> str:
        lower = field.lower()
        return self._names.get(lower, lower)

    def _clause(self, field: Token, operator: str, *values: Any) -> Clause:
        return Clause(self._name(field), operator, values, field.start_pos or 0)

    def text(self, token: Token) -> str:
        return str(token)[1:-1]

    def number(self, token: Token) -> Decimal:
        return Decimal(str(token))

    def compare(self, field: Token, operator: Token, value: Any) -> Clause:
        return self._clause(field, operator.lower(), value)

    def not_compare(self, field: Token, _: Token, operator: Token, value: Any) -> Not:
        return Not(self._clause(field, operator.lower(), value))

    def percent(self, field: Token, operator: Token, value: Token) -> Clause:
        name = self._name(field)
        if name not in SHARES:
            message = f"{field} cannot be compared with a share"
            raise RuleError("type", message, at=field.start_pos or 0, hint="price_drop >= 10 %")
        return Clause(f"{name}_percent", str(operator), (Decimal(str(value)),), field.start_pos or 0)

    def among(self, field: Token, _: Token, *values: Any) -> Clause:
        return self._clause(field, "in", *values)

    def not_among(self, field: Token, _: Token, __: Token, *values: Any) -> Clause:
        return self._clause(field, "not in", *values)

    def between(self, field: Token, _: Token, low: Any, __: Token, high: Any) -> Clause:
        return self._clause(field, "between", low, high)

    def is_null(self, field: Token, *_: Token) -> Clause:
        return self._clause(field, "is null")

    def is_not_null(self, field: Token, *_: Token) -> Clause:
        return self._clause(field, "is not null")

    def negation(self, _: Token, node: Node) -> Not:
        return Not(node)

    def and_expr(self, *nodes: Any) -> Node:
        return And(tuple(node for node in nodes if not isinstance(node, Token)))

    def or_expr(self, *nodes: Any) -> Node:
        return Or(tuple(node for node in nodes if not isinstance(node, Token)))


@cache
def _parser(version: int) -> Lark:
    grammar = _GRAMMAR.replace("%CLAUSES%", _CLAUSES[version])
    if version == ORIGINAL:
        unused = ("NULL.3", "IN.3", "IS.3", "BETWEEN.3")
        grammar = "\n".join(line for line in grammar.splitlines() if not line.startswith(unused))
    return Lark(grammar, parser="lalr", propagate_positions=False)


def parse(text: str, fields: Fields, version: int = EXTENDED) -> Node:
    """Parse a rule about ``fields``; RuleError says what is wrong and where."""
    if len(text) > MAX_LENGTH:
        raise RuleError("syntax", f"a rule has at most {MAX_LENGTH} characters")
    if _depth(text) > MAX_DEPTH:
        raise RuleError("syntax", f"a rule is nested at most {MAX_DEPTH} deep")
    try:
        return _Build(fields).transform(_parser(version).parse(text))
    except UnexpectedInput as error:
        raise _explained(text, error) from None
    except VisitError as error:
        if isinstance(error.orig_exc, RuleError):
            raise error.orig_exc from None
        raise RuleError("syntax", str(error.orig_exc)) from None


def _depth(text: str) -> int:
    """Greatest number of open parentheses and NOTs; those in strings are counted too."""
    open_now = deepest = nots = 0
    for word in text.replace("(", " ( ").replace(")", " ) ").split():
        if word == "(":
            open_now += 1
        elif word == ")":
            open_now -= 1
        nots = nots + 1 if word.lower() == "not" else nots if word == "(" else 0
        deepest = max(deepest, open_now + nots)
    return deepest


def _explained(text: str, error: UnexpectedInput) -> RuleError:
    at = -1 if not isinstance(error.pos_in_stream, int) else error.pos_in_stream
    at = at if at >= 0 else len(text)
    rest = text[at:].lstrip()
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    if ended or not rest:
        return RuleError("syntax", "the rule ends where something is missing", at=len(text))
    around = text[max(0, at - 1) : at + 2]
    hint = next((hint for sign, hint in _HINTS.items() if sign in around), None)
    return RuleError("syntax", f"cannot be read from {rest[:20]!r} on", at=at, hint=hint)
