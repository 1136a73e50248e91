"""Rules: text to tree and back, what is refused and why, what fits (pure)."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.watches import (
    checking,
    evaluation,
    grammar,
    parsed_rules,
    patterns,
    registry,
    satisfying,
)  # fmt: skip
from tasks.watches.filters import Filters
from tasks.watches.grammar import RuleError
from tasks.watches.nodes import (
    COMPARISONS,
    TEXT_OPERATORS,
    And,
    Clause,
    Node,
    Not,
    Or,
    loosened,
    shown_clause,
)

AD: dict[str, Any] = {
    "title": "Sennheiser HD800S (mint)",
    "price": Decimal(950),
    "currency": "USD",
    "shipping_regions": ["CONUS", "Canada"],
    "status": "active",
    "price_drop": Decimal(100),
    "price_drop_percent": Decimal("9.5"),
}

LISTING = registry.fields("listing")


def shown(node: Node, *, inside: int = 0) -> str:
    """The rule's text; parsed again it gives the same rule."""
    match node:
        case Clause():
            return shown_clause(node)
        case Not():
            return f"NOT {shown(node.node, inside=3)}"
        case And():
            words, level = " AND ", 2
        case Or():
            words, level = " OR ", 1
    text = words.join(shown(one, inside=level + 1) for one in node.nodes)
    return f"({text})" if inside > level else text


names = st.sampled_from([*LISTING])
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
    assert grammar.parse(shown(rule), LISTING) == rule


words = st.sampled_from(
    ("price", "title", "not", "and", "OR", "(", ")", "<", "=", "in", "between", "is", "null", "contains",
     '"x"', "'", "10", "%", ",", "&&", "\u0660", "price_drop", "5."),
)  # fmt: skip


bounds = st.decimals(-1000, 1000, places=1)
comparisons: st.SearchStrategy[Node] = st.recursive(
    st.builds(lambda op, value: Clause("price", op, (value,)), st.sampled_from(COMPARISONS), bounds)
    | st.builds(lambda low, high: Clause("price", "between", (low, high)), bounds, bounds),
    joined,
    max_leaves=6,
)


@given(comparisons, bounds)
def test_a_loosened_rule_fits_whatever_the_rule_fits(rule: Node, price: Decimal) -> None:
    facts = evaluation.facts({"price": price}, LISTING)
    if evaluation.compiled(rule, LISTING)(facts):
        assert evaluation.compiled(loosened(rule, Decimal("0.05")), LISTING)(facts)
    assert loosened(rule, Decimal(0)) == rule


@given(st.text(max_size=200) | st.lists(words, max_size=20).map(" ".join))
def test_no_text_makes_the_grammar_raise_anything_but_its_own_error(text: str) -> None:
    for version in (grammar.ORIGINAL, grammar.EXTENDED):
        try:
            rule = grammar.parse(text, LISTING, version)
            checking.check(rule, LISTING)
        except RuleError as error:
            refused: RuleError | None = error
        else:
            refused = None
            evaluation.compiled(rule, LISTING)(evaluation.facts(AD, LISTING))
        assert refused is None or (0 <= refused.at <= len(text) and str(refused))


@pytest.mark.parametrize(
    ("text", "kind", "at", "hint"),
    [
        ("price == 5", "syntax", 7, "write = instead of =="),
        ("price < 1 && price > 0", "syntax", 10, "write AND instead of &&"),
        ("price < 1,000", "syntax", 9, "numbers have no commas: 1000"),
        ("price <", "syntax", 7, None),
        ('titel contains "x"', "unknown_field", 0, 'did you mean "title"?'),
        ("pric < 3", "unknown_field", 0, 'did you mean "price"?'),
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
        checking.check(grammar.parse(text, LISTING), LISTING)
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
    rule = grammar.parse(text, LISTING)
    checking.check(rule, LISTING)
    assert evaluation.compiled(rule, LISTING)(evaluation.facts(AD, LISTING)) is fits


def test_a_rule_is_explained_clause_by_clause() -> None:
    rule = grammar.parse('title contains "hd800" AND NOT (price > 1000 OR condition is null)', LISTING)
    assert [(one.clause, one.value, one.fits) for one in evaluation.explain(rule, AD, LISTING)] == [
        ('title contains "hd800"', "Sennheiser HD800S (mint)", True),
        ("price > 1000", Decimal(950), False),
        ("condition is null", None, True),
    ]


@pytest.mark.parametrize("subject", ["token", "quote"])
def test_tokens_and_prices_have_rules_too(subject: str) -> None:
    fields = registry.fields(subject)
    rule = grammar.parse('symbol = "PEPE" AND price_change >= 50', fields)
    checking.check(rule, fields)
    found = evaluation.facts({"symbol": "Pepe", "price_change": 51.5}, fields)
    assert evaluation.compiled(rule, fields)(found)
    with pytest.raises(RuleError):
        checking.check(grammar.parse('title = "x"', fields), fields)


HOSTILE = ("a" * 299 + "!", "ab" * 150, " " * 300, "0" * 300, "a-" * 150)
pieces = st.sampled_from(
    ("a", "b", ".", "\\d", "\\s", "[ab]", "(a|b)", "(?:ab)", "a*", "a+", ".*", "(a*)*", "(a|a)*", "a{1,9}",
     "a?", "\\w+", "(?=a)", "\\1", "$", "^", "(", "[", "{2}", "(?:a?){9}", "x")
)  # fmt: skip


@given(st.lists(pieces, max_size=9).map("".join))
def test_a_pattern_that_is_taken_never_hangs(pattern: str) -> None:
    try:
        taken = patterns.compiled(pattern)
    except patterns.BadPattern:
        return
    began = time.process_time()
    for text in HOSTILE:
        taken.search(text[: patterns.MAX_TEXT])
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


@pytest.mark.parametrize(
    ("regions", "region", "passes"),
    [
        ("Europe (not UK)", "UK", False),
        ("Europe (not UK)", "Europe", True),
        ("CONUS only, no Canada", "Canada", False),
        ("Worldwide except UK", "UK", False),
        ("Worldwide except UK", "Canada", True),
        ("Not worldwide: US", "Canada", False),
        ("Anywhere in the US", "Canada", False),
        ("Anywhere in the US", "US", True),
        ("Anywhere in the world", "Canada", True),
        ("World-wide", "Canada", True),
    ],
)
def test_a_region_that_a_list_leaves_out_does_not_pass(regions: str, region: str, passes: bool) -> None:
    assert Filters(ships_to=(region,)).passes({**AD, "shipping_regions": regions}) is passes


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(ValueError, match="no filter colours; there are categories"):
        Filters().overridden({"colours": ["red"]})


@pytest.mark.outside(21)
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("title = 5", 'title contains "650"'),
        ("title = 007", 'title contains "650"'),
        ("title contains 1e3", 'title contains "650"'),
        ("title in (5, 6)", 'title contains "650"'),
        ('title contains ""', "title is null"),
        ("title contains ' '", "title is null"),
        ('title contains "\u200b"', "title is null"),
        ('title = ""', "title is null"),
        ('title in ("a", "")', "title is null"),
        ('ships_to contains ""', "shipping_regions is null"),
        ("price between 1000 and 900", "price between 900 and 1000"),
        ("price < 0", "price is more than 0"),
        ("price <= 0", "price is more than 0"),
        ("price = -5", "price is more than 0"),
        ("price != -5", "price is more than 0"),
        ("price in (-5, 0)", "price is more than 0"),
        ("price_drop > 100 %", "price_drop_percent is more than 0 and at most 100"),
        ("price > 5 and price < 3", "write OR between them"),
        ("price >= 5 and price < 5", "write OR between them"),
        (
            'price between 1 and 5 and price between 6 and 9 and title contains "x"',
            "write OR between them",
        ),
        ('title = "a" and title = "b"', "write OR between them"),
        ('title contains "a" and NOT title contains "a"', "write OR between them"),
        ('title contains "a" or NOT title contains "a"', None),
        ('status = "avaliable"', "there are active, sold, closed, traded, expired, deleted"),
        ('currency = "$"', 'three letters: currency = "EUR"'),
        ('currency in ("USD", "eud")', 'did you mean "EUR"?'),
        ('title matches ".*"', 'title matches "HD ?6[0-9]+"'),
        ('title matches "a*"', 'title matches "HD ?6[0-9]+"'),
        ('title matches "."', 'title matches "HD ?6[0-9]+"'),
        ('title matches ".{3,}"', 'title matches "HD ?6[0-9]+"'),
        ('title matches "^"', 'title matches "HD ?6[0-9]+"'),
        ('title matches "(hd|)"', 'title matches "HD ?6[0-9]+"'),
        ('title matches "^$"', "title is null"),
        ('title fuzzy_contains "!!!"', 'title contains "…"'),
        ("price in ()", "a list holds at least one value: in (1, 2)"),
    ],
)
def test_a_rule_that_fits_nothing_or_everything_is_refused_with_a_hint(
    text: str, hint: str | None
) -> None:
    with pytest.raises(RuleError) as refused:
        checking.check(grammar.parse(text, LISTING), LISTING)
    assert refused.value.hint == hint
    assert str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "price > 0", "price >= 0", "price between 5 and 5", "price > 3 and price < 5", 'title contains "5"', "price != 5",
        'title = "a" or title = "b"', "price > 5 or price < 3", 'ships_to = "US" and ships_to = "Canada"',
        "price in (0, 5)", 'status != "sold"', 'currency in ("EUR", "usd")', 'title matches "\\d"', 'title matches "^\\["',
        "price < 5 and NOT price > 3", "seller_reputation >= -5", "price_drop >= 100 %",
    ],
)  # fmt: skip
def test_a_rule_that_can_fit_and_can_fail_is_taken(text: str) -> None:
    checking.check(grammar.parse(text, LISTING), LISTING)


def fits(text: str, ad: dict[str, Any], currency: str | None = None) -> bool:
    rule = grammar.parse(text, LISTING)
    checking.check(rule, LISTING)
    meant = frozenset({currency.casefold()}) if currency else None
    return evaluation.compiled(rule, LISTING, meant)(evaluation.facts(ad, LISTING))


@pytest.mark.outside(21)
@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('title contains "cafe\u0301"', "CAF\u00c9 racer"),
        ('title contains "caf\u00e9"', "Cafe\u0301 racer"),
        ('title = "caf\u00e9"', "cafe\u0301"),
        ('title startswith "caf\u00e9"', "CAFE\u0301 racer"),
        ('title matches "^caf\u00e9"', "cafe\u0301 racer"),
        ('title matches "^cafe\u0301"', "caf\u00e9 racer"),
        ('title in ("x", "cafe\u0301")', "caf\u00e9"),
        ('title contains "HD  650"', "HD 650"),
        ('title contains "HD\u00a0650"', "HD 650"),
        ('title contains "HD 650"', "HD\u200b 650"),
        ('title contains "H\u200bD 650"', "HD 650"),
        ('title contains "stra\u00dfe"', "STRASSE"),
        ('title contains "\u212b"', "\u00e5ngstrom"),
    ],
)
def test_texts_that_look_the_same_are_the_same(text: str, title: str) -> None:
    assert fits(text, {**AD, "title": title})


@pytest.mark.outside(21)
@pytest.mark.parametrize(
    "regions",
    [
        ["CONUS", "Canada"],
        *("CONUS, Canada", "CONUS; Canada", "CONUS / Canada", "CONUS and Canada", "CONUS & Canada"),
        *("CONUS + Canada", "CONUS \u00b7 Canada", "CONUS \u2022 Canada"),
    ],
)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ships_to = "Canada"', True),
        ('ships_to = " canada"', True),
        ('ships_to contains "Canada"', True),
        ('ships_to != "Canada"', False),
        ('ships_to in ("Canada", "EU")', True),
        ('ships_to not in ("Canada", "EU")', False),
        ('ships_to = "Mexico"', False),
        ('ships_to = "US"', False),
        ('ships_to startswith "can"', True),
        ('ships_to endswith "us"', True),
    ],
)
def test_a_region_of_a_list_is_found_by_every_operator(text: str, expected: bool, regions: Any) -> None:
    assert fits(text, {**AD, "shipping_regions": regions}) is expected


@pytest.mark.outside(21)
@pytest.mark.parametrize(
    ("text", "currency", "expected"),
    [
        ("price < 300", None, False),
        ("price < 300", "EUR", True),
        ("price < 300", "USD", False),
        ('currency = "EUR" and price < 300', None, True),
        ('currency in ("EUR", "USD") and price < 300', None, True),
        ('currency in ("EUR", "USD") and (price < 300 or price > 9000)', None, True),
        ('(currency = "USD" and price < 300) or (currency = "EUR" and price < 280)', None, True),
        ('currency = "EUR" and price < 300', "USD", True),
        ("price_drop > 10", None, False),
        ("price_drop > 10", "EUR", True),
        ("price_drop >= 5 %", None, True),
        ("price is not null", None, True),
        ("price is null", None, False),
        ("price != 250", None, True),
    ],
)
def test_a_price_is_compared_only_with_its_own_currency(
    text: str, currency: str | None, expected: bool
) -> None:
    ad = {
        **AD,
        "price": Decimal(250),
        "currency": "EUR",
        "price_drop": Decimal(20),
        "site_currency": "USD",
    }
    assert fits(text, ad, currency) is expected


@pytest.mark.outside(21)
def test_a_price_in_a_currency_that_is_not_known_is_compared_with_nothing() -> None:
    ad = {**AD, "price": Decimal(250), "currency": None, "site_currency": "USD"}
    assert not fits("price < 300", ad)
    assert not fits("price < 300", ad, "EUR")


@pytest.mark.outside(21)
def test_what_a_price_is_compared_in_is_explained() -> None:
    rule = grammar.parse(
        'title contains "hd" and (price < 300 or currency = "EUR" and price < 280)', LISTING
    )
    ad = {**AD, "price": Decimal(250), "currency": "EUR", "site_currency": "USD"}
    assert [(one.clause, one.fits, one.note) for one in evaluation.explain(rule, ad, LISTING)] == [
        ('title contains "hd"', True, None),
        ("price < 300", False, "not compared: the price is in EUR, the rule means USD, the site's"),
        ('currency = "EUR"', True, None),
        ("price < 280", True, "compared in EUR"),
    ]


@pytest.mark.outside(20)
@pytest.mark.parametrize(
    ("wanted", "category", "passes"),
    [
        ("DACs and amps", "DACs", True),
        ("DACs", "DACs and amps", True),
        ("Headphones & IEMs", "IEMs", True),
        ("headphones", "Full-Size Headphones", True),
        ("full-size-headphones", "Full-Size Headphones", True),
        ("Ko\u0308pfe", "K\u00d6PFE", True),
        ("headphones", "DAPs", False),
        ("DACs and amps", "Cables", False),
        ("DACs and amps", None, False),
    ],
)
def test_a_category_filter_takes_either_as_part_of_the_other(
    wanted: str, category: str | None, passes: bool
) -> None:
    assert Filters(categories=(wanted,)).passes({**AD, "category": category}) is passes


@pytest.mark.outside(20)
@pytest.mark.parametrize(
    "own",
    [{"categories": [""]}, {"categories": "DACs"}, {"ships_to": [" "]}, {"listing_types": [5]},
     {"min_seller_reputation": "ten"}],
)  # fmt: skip
def test_a_filter_that_cannot_be_meant_is_refused(own: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="^filter "):
        Filters().overridden(own)


def test_a_region_whose_name_has_an_and_is_found_whole() -> None:
    ad = {**AD, "shipping_regions": "US, Bosnia and Herzegovina"}
    assert fits('ships_to = "Bosnia and Herzegovina"', ad)
    assert fits('ships_to = "US"', ad)


@pytest.mark.outside(21)
@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("price is null and price < 5", "nothing can match"),
        ("price is null and price is not null", "nothing can match"),
        ("price = 5 and price != 5", "nothing can match"),
        ("price in (1, 2) and price not in (1, 2)", "nothing can match"),
        ("price < 100 and (price > 200 or price > 300)", "nothing can match"),
        ("price < 100 and not price < 200", "nothing can match"),
        ('title = "a" and not title = "A"', "nothing can match"),
        ('title = "a" and title contains "b"', "nothing can match"),
        ('title contains "a" and not (title contains "a" or title contains "b")', "nothing can match"),
        ('status = "sold" and status != "sold"', "nothing can match"),
        ("price is null or price is not null", "everything matches"),
        ("price != 5 or price != 6", "everything matches"),
        ('status = "sold" or status != "sold"', "everything matches"),
    ],
)
def test_a_rule_that_fits_nothing_or_everything_as_a_whole_is_refused(rule: str, problem: str) -> None:
    with pytest.raises(RuleError, match=problem):
        parsed_rules.parsed(rule, 2, "listing")


@pytest.mark.parametrize(
    "rule",
    [
        "price < 300 or price >= 300",
        "not (price >= 0)",
        'title = "Abc" and title matches "Abc"',
        'title contains "a" and title contains "b" and not title contains "ab"',
        'ships_to = "Canada" and ships_to = "CONUS"',
    ],
)
def test_a_rule_that_something_may_fit_is_taken(rule: str) -> None:
    parsed_rules.parsed(rule, 2, "listing")


few = st.builds(
    lambda op, value: Clause("price", op, (Decimal(value),)), st.sampled_from(COMPARISONS), st.integers(1, 3)
) | st.builds(
    lambda field, op, value: Clause(field, op, (value,)),
    st.sampled_from(("title", "shipping_regions")),
    st.sampled_from(("=", "!=", *TEXT_OPERATORS)),
    st.sampled_from(("a", "A", "ab", "b")),
) | st.builds(
    lambda field, op: Clause(field, op, ()),
    st.sampled_from(("price", "title", "status")), st.sampled_from(("is null", "is not null")),
) | st.builds(lambda op: Clause("status", op, ("sold",)), st.sampled_from(("=", "!=")))  # fmt: skip
listings = st.fixed_dictionaries(
    {
        "price": st.sampled_from([None, *map(Decimal, ("0.5", "1", "1.5", "2", "3", "4"))]),
        "title": st.sampled_from([None, "a", "A", "ab", "b a", "c"]),
        "shipping_regions": st.sampled_from([None, "a", "a, b", "B, ab"]),
        "status": st.sampled_from([None, "sold", "active"]),
        "currency": st.sampled_from(["USD", "EUR"]),
    }
)


@given(st.recursive(few, joined, max_leaves=6), listings)
def test_what_is_refused_as_a_whole_fits_no_listing_or_every_one(
    rule: Node, ad: dict[str, Any]
) -> None:
    facts = evaluation.facts(ad, LISTING) | {evaluation.SITE_CURRENCY: "usd"}
    try:
        satisfying.check(rule, LISTING)
    except RuleError as error:
        fits_all = str(error).startswith("everything")
        assert evaluation.compiled(rule, LISTING)(facts) is fits_all, shown(rule)
