"""Rules: text to tree and back, what is refused and why, what fits (pure)."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.watches import checking, evaluation, fields, grammar, patterns
from tasks.watches.filters import Filters
from tasks.watches.grammar import RuleError
from tasks.watches.nodes import COMPARISONS, TEXT_OPERATORS, And, Clause, Node, Not, Or, shown

AD: dict[str, Any] = {
    "title": "Sennheiser HD800S (mint)",
    "price": Decimal(950),
    "currency": "USD",
    "shipping_regions": ["CONUS", "Canada"],
    "status": "active",
    "price_drop": Decimal(100),
    "price_drop_percent": Decimal("9.5"),
}

names = st.sampled_from([*fields.FIELDS["listing"]])
texts = st.text(st.characters(codec="utf-8", exclude_characters='"'), max_size=12) | st.just('a "b"')
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9)
values = texts | numbers
clauses = (
    st.builds(
        lambda name, op, value: Clause(name, op, (value,)),
        names,
        st.sampled_from((*COMPARISONS, *TEXT_OPERATORS)),
        values,
    )
    | st.builds(lambda name, low, high: Clause(name, "between", (low, high)), names, values, values)
    | st.builds(
        lambda name, op, some: Clause(name, op, tuple(some)),
        names,
        st.sampled_from(("in", "not in")),
        st.lists(values, min_size=1, max_size=3),
    )
    | st.builds(
        lambda name, op: Clause(name, op, ()), names, st.sampled_from(("is null", "is not null"))
    )
)


def joined(rules: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(rules, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, rules) | st.builds(And, several) | st.builds(Or, several)


rules: st.SearchStrategy[Node] = st.recursive(clauses, joined, max_leaves=8)


@given(rules)
def test_a_rule_printed_and_parsed_again_is_the_same(rule: Node) -> None:
    assert grammar.parse(shown(rule)) == rule


words = st.sampled_from(
    ("price", "title", "not", "and", "OR", "(", ")", "<", "=", "in", "between", "is", "null", "contains",
     '"x"', "'", "10", "%", ",", "&&", "\u0660", "price_drop", "5."),
)  # fmt: skip


@given(st.text(max_size=200) | st.lists(words, max_size=20).map(" ".join))
def test_no_text_makes_the_grammar_raise_anything_but_its_own_error(text: str) -> None:
    for version in (grammar.ORIGINAL, grammar.EXTENDED):
        try:
            rule = grammar.parse(text, version)
            checking.check(rule)
        except RuleError as error:
            refused: RuleError | None = error
        else:
            refused = None
            evaluation.compiled(rule)(evaluation.facts(AD))
        assert refused is None or (0 <= refused.at <= len(text) and str(refused))


@pytest.mark.parametrize(
    ("text", "kind", "at", "hint"),
    [
        ("price == 5", "syntax", 7, "write = instead of =="),
        ("price < 1 && price > 0", "syntax", 10, "write AND instead of &&"),
        ("price < 1,000", "syntax", 9, "numbers have no commas: 1000"),
        ("price <", "syntax", 7, None),
        ('titel contains "x"', "unknown_field", 0, 'did you mean "title"?'),
        ('price > 1 AND sellr = "x"', "unknown_field", 14, 'did you mean "seller"?'),
        ('price < "abc"', "type", 0, "price < 1000"),
        ('title matches "(a+)+"', "pattern", 0, None),
        ("price >= 10 %", "type", 0, "price_drop >= 10 %"),
        ("(" * 60 + "price = 1" + ")" * 60, "syntax", 0, None),
    ],
)
def test_a_rule_that_cannot_be_used_says_where_and_what_to_write(
    text: str, kind: str, at: int, hint: str | None
) -> None:
    with pytest.raises(RuleError) as refused:
        checking.check(grammar.parse(text))
    assert (refused.value.kind, refused.value.at, refused.value.hint) == (kind, at, hint)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('title not contains "hd800"', False),
        ('currency in ("EUR", "usd")', True),
        ('currency not in ("EUR", "usd")', False),
        ("price between 900 and 950", True),
        ("price not in (950)", False),
        ("condition is null", True),
        ("price is not null", True),
        ("price_drop >= 5 %", True),
        ("price_drop >= 10 %", False),
        ("price_drop >= 100", True),
        ('ships_to contains "US"', False),
        ('ships_to contains "canada"', True),
        ('condition != "Poor"', True),
        ('condition = "Poor"', False),
        ('NOT condition = "Poor"', True),
        ('condition not in ("Poor")', True),
    ],
)
def test_a_rule_fits_what_it_says(text: str, fits: bool) -> None:
    rule = grammar.parse(text)
    checking.check(rule)
    assert evaluation.compiled(rule)(evaluation.facts(AD)) is fits


def test_a_rule_is_explained_clause_by_clause() -> None:
    rule = grammar.parse('title contains "hd800" AND NOT (price > 1000 OR condition is null)')
    assert [(one.clause, one.value, one.fits) for one in evaluation.explain(rule, AD)] == [
        ('title contains "hd800"', "Sennheiser HD800S (mint)", True),
        ("price > 1000", Decimal(950), False),
        ("condition is null", None, True),
    ]


@pytest.mark.parametrize("subject", ["token", "quote"])
def test_tokens_and_prices_have_rules_too(subject: str) -> None:
    rule = grammar.parse('symbol = "PEPE" AND price_change >= 50')
    checking.check(rule, subject)
    found = evaluation.facts({"symbol": "Pepe", "price_change": 51.5}, subject)
    assert evaluation.compiled(rule, subject)(found)
    with pytest.raises(RuleError):
        checking.check(grammar.parse('title = "x"'), subject)


HOSTILE = ("a" * 299 + "!", "ab" * 150, " " * 300, "0" * 300, "a-" * 150)
pieces = st.sampled_from(
    ("a", "b", ".", "\\d", "\\s", "[ab]", "(a|b)", "(?:ab)", "a*", "a+", ".*", "(a*)*", "(a|a)*", "a{1,9}",
     "a?", "\\w+", "(?=a)", "\\1", "$", "^", "(", "[", "{2}", "(?:a?){9}", "x")
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(pieces, max_size=9).map("".join))
def test_a_pattern_that_is_taken_never_hangs(pattern: str) -> None:
    try:
        taken = patterns.compiled(pattern)
    except patterns.BadPattern:
        return
    began = time.process_time()
    for text in HOSTILE:
        taken.search(text[: patterns.LONGEST_TEXT])
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|a)*$", r"(a|aa)+", r"a*a*a*a*b", r"(?:a?){30}a{30}", r"(a)\1"]
)
def test_patterns_that_could_take_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(patterns.BadPattern):
        patterns.compiled(pattern)


@pytest.mark.parametrize(
    "pattern", [r"64\s*[Aa]udio", r"HD\s*6[0-9]{2}", r"(hd|hdv) ?8\d\d", r"^\[?sold", r"u12t.*mint"]
)
def test_patterns_that_people_write_are_taken(pattern: str) -> None:
    patterns.compiled(pattern)


def test_shipped_filters_leave_out_whatever_has_ended() -> None:
    for status, passes in (("active", True), ("sold", False), ("closed", False), ("traded", False)):
        assert Filters().passes({**AD, "status": status}) is passes


def test_a_region_is_a_word_and_anywhere_is_everywhere() -> None:
    limits = Filters(ships_to=("US",))
    assert limits.passes({**AD, "shipping_regions": ["US", "Canada"]})
    assert limits.passes({**AD, "shipping_regions": "Anywhere"})
    assert not limits.passes({**AD, "shipping_regions": "Australia"})
    assert not limits.passes({**AD, "shipping_regions": "CONUS"})


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(ValueError, match="no filter colours; there are categories"):
        Filters().overridden({"colours": ["red"]})
