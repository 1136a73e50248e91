"""Prices as CLDR writes them, in every language that it knows: each is read as its own currency, or as unknown."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal

import pytest
from babel import Locale, localedata, numbers
from hypothesis import given
from hypothesis import strategies as st

from tasks.listings import currencies, money

pytestmark = pytest.mark.outside(18)

#: Signs of CLDR that are a letter or a word, or whose alphabet does not say which currency they are.
NOT_READ = {
    "F", "K", "S", "E", "L", "D", "Q", "P", "G", "M", "\u200b", "ЛСЛ", "Kg.", "mk", "Cf", "සිෆ්එ", "ر", "Ls", "Vẽj.", "CFP",
    "Bs.", "ANG",
}  # fmt: skip
#: Tok Pisin's sister groups by other steps; the others write letters that are no sign before a number.
LANGUAGES = [one for one in sorted(localedata.locale_identifiers()) if not one.startswith("tok")]
locales = st.sampled_from(LANGUAGES)


@given(locales, st.data(), st.decimals("1", "9999999", places=2))
def test_what_cldr_writes_is_read_as_its_own_currency_on_its_own_site(
    language: str, data: st.DataObject, amount: Decimal
) -> None:
    locale = Locale.parse(language)
    known = sorted(set(locale.currency_symbols) & set(currencies.CODES))
    currency = data.draw(st.sampled_from(known))
    sign = locale.currency_symbols[currency]
    places = numbers.get_currency_precision(currency)
    if sign in NOT_READ or sign in currencies.AFTER or places > 2:
        return
    amount = amount.quantize(Decimal(1).scaleb(-places))
    text = numbers.format_currency(amount, currency, locale=locale, currency_digits=True)
    assert money.parse(text, currency) == money.Money(amount, currency), text


@given(locales, st.data(), st.integers(1, 999))
def test_a_currency_of_cldr_is_never_taken_for_the_sites(
    language: str, data: st.DataObject, amount: int
) -> None:
    locale = Locale.parse(language)
    known = sorted(set(locale.currency_symbols) & set(currencies.CODES))
    currency = data.draw(st.sampled_from(known))
    sign = locale.currency_symbols[currency]
    if sign in NOT_READ or sign in currencies.AFTER:
        return
    text = numbers.format_currency(amount, currency, locale=locale)
    # A site in no currency's own: whatever is named, it is not this one.
    found = money.parse(text, "XXX")
    assert found is not None
    assert found.is_unknown or found.currency is not None, text


@given(st.sampled_from(currencies.CODES), st.decimals("0.01", "99999999", places=2))
def test_every_code_of_iso_is_read_beside_an_amount(code: str, amount: Decimal) -> None:
    if code in currencies.IN_THOUSANDTHS:
        return
    for text in (
        f"{amount} {code}",
        f"{code} {amount}",
        f"{code}{amount}",
        f"{amount}{code}",
        f"{code}: {amount:,}",
    ):
        assert money.parse(text, "XXX") == money.Money(amount, code), text


@given(st.sampled_from(sorted(set(currencies.FULL_NAMES.values()))), st.integers(1, 9_999_999))
def test_the_english_name_of_a_currency_after_an_amount_is_read_as_it(code: str, amount: int) -> None:
    text = numbers.format_currency(amount, code, locale="en", format_type="name")
    assert money.parse(text, "XXX") == money.Money(Decimal(amount), code), text


@pytest.mark.parametrize("word", ["rials", "pesos", "shillings", "manat", "francs"])
def test_a_name_that_several_currencies_share_is_never_taken_for_the_sites(word: str) -> None:
    for text in (f"500 {word}", f"$500 {word}"):
        assert money.parse(text, "USD") == money.Money(Decimal(500), None, is_unknown=True), text


def test_spellings_and_statements_are_read_whatever_the_locale_is() -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    program = "from tasks.listings import commands, currencies, pages; from beat import gauges"

    subprocess.run([sys.executable, "-c", program], env={**os.environ, **locale}, check=True)
