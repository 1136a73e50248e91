"""Prices as people write them: whose money, which number, or none (pure)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.listings import money
from tasks.listings.money import Money

amounts = st.decimals("0.01", "99999999", places=2)
codes = st.sampled_from(money.CODES)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("CAD $500", "CAD"),
        ("AUD $500", "AUD"),
        ("AUD$500", "AUD"),
        ("SGD$500", "SGD"),
        ("C $500", "CAD"),
        ("AU $500", "AUD"),
        ("US $500", "USD"),
        ("500$ CAD", "CAD"),
        ("$500 (CAD)", "CAD"),
        ("500,- EUR", "EUR"),
        ("500,- €", "EUR"),
        ("500.- €", "EUR"),
        ("EUR: 500", "EUR"),
        ("500 (EUR)", "EUR"),
        ("500 euro", "EUR"),
        ("500 Euros", "EUR"),
        ("500 euro(s)", "EUR"),
        ("500 dollars", "USD"),
        ("500 pounds", "GBP"),
        ("\uffe5500", "JPY"),
        ("500 yen", "JPY"),
        ("500 RMB", "CNY"),
        ("500 RUB", "RUB"),
        ("500 UAH", "UAH"),
        ("500 BGN", "BGN"),
        ("for$500", "USD"),
        ("is$500", "USD"),
        ("A $500 amp", "USD"),
        ("$500-600", "USD"),
    ],
)
def test_a_currency_is_known_however_it_stands_beside_the_amount(text: str, currency: str) -> None:
    assert money.parse(text) == Money(Decimal(500), currency)


@pytest.mark.parametrize("text", ["ALL 300 shipped", "try 300", "Ron 300"])
def test_a_word_that_is_a_code_as_well_is_no_currency(text: str) -> None:
    assert money.parse(text) == Money(Decimal(300), None)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1\u2019200 CHF", 1200),
        ("1\u2009200 CHF", 1200),
        ("95,000 yen", 95000),
        ("HD 600 250 USD", 250),
        ("HD 800 1 250 USD", 1250),
        ("asking 1 200 EUR", 1200),
        ("VB 1 200 EUR", 1200),
        ("HD600 -250 USD", 250),
        ("- 250 USD", 250),
    ],
)
def test_the_number_of_a_model_and_a_dash_are_no_part_of_the_price(text: str, amount: int) -> None:
    found = money.parse(text)
    assert found is not None
    assert found.amount == amount


@pytest.mark.parametrize("text", ["-250 USD", "-5 USD", "USD -5", "$-5", "-$5", "\u22125 €", "-5"])
def test_less_than_nothing_is_no_price(text: str) -> None:
    assert money.parse(text) is None


@given(amounts, codes)
def test_a_code_says_more_than_a_dollar_beside_it(amount: Decimal, code: str) -> None:
    for text in (f"{code} ${amount}", f"${amount} {code}", f"${amount} ({code})", f"{amount}$ {code}"):
        assert money.parse(text) == Money(amount, code), text


@given(st.integers(1, 99_999_999), codes)
def test_a_whole_amount_may_end_in_a_dash(amount: int, code: str) -> None:
    for text in (f"{amount},- {code}", f"{amount}.- {code}", f"{code}: {amount}", f"{amount} ({code})"):
        assert money.parse(text) == Money(Decimal(amount), code), text


@given(amounts, st.sampled_from(["for", "is", "was", "asking", "Price:", "obo"]))
def test_a_word_before_a_dollar_changes_nothing(amount: Decimal, word: str) -> None:
    assert money.parse(f"{word}${amount}") == Money(amount, "USD")


@given(amounts, codes)
def test_an_amount_below_nothing_never_becomes_a_price(amount: Decimal, code: str) -> None:
    assert money.parse(f"-{amount} {code}") is None
    assert money.parse(f"{code} -{amount}") is None
