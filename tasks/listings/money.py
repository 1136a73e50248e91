"""Prices as people write them in ads (pure): "1,299.50 USD", "95,000 JPY", "1.200 EUR", "2.5k".

Rules for what is ambiguous: the amount beside a currency is the price, whatever other numbers the
text has ("HD600 - 250 USD" is 250, "300-350 USD" is 350); a separator before exactly three digits
groups thousands ("1.200 EUR" is 1200), before one or two it begins the decimals; a currency's code
says more than a symbol ("$500 CAD" is Canadian); nothing and less than nothing are no price.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from price_parser import Price

#: ISO 4217 codes that ads name; symbols without a code are looked up in SYMBOLS.
CODES = (
    "USD", "EUR", "GBP", "JPY", "CAD", "AUD", "NZD", "CHF", "SEK", "NOK", "DKK", "SGD", "HKD",
    "CNY", "KRW", "INR", "PLN", "CZK", "HUF", "THB", "MYR", "PHP", "TWD", "MXN", "BRL", "ZAR",
    "ILS", "TRY", "RON", "IDR", "VND", "AED",
)  # fmt: skip
SYMBOLS = {
    "US$": "USD", "C$": "CAD", "CA$": "CAD", "CAD$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD",
    "S$": "SGD", "HK$": "HKD", "NT$": "TWD", "R$": "BRL", "$": "USD", "€": "EUR", "£": "GBP",
    "¥": "JPY", "₩": "KRW", "₹": "INR", "zł": "PLN",
}  # fmt: skip
#: More than any ad asks; what is above fits no column (units of the currency).
GREATEST = Decimal(10) ** 11
CENT = Decimal("0.01")
#: No price is longer; what follows is an ad's story (characters).
LONGEST = 300

_NUMBER = r"([1-9]\d{0,2}(?:[ ,.'\u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?)(?!\d)(k\b)?"
_CODE = rf"({'|'.join(CODES)})(?![A-Za-z])"
_SYMBOL = rf"({'|'.join(re.escape(s) for s in sorted(SYMBOLS, key=len, reverse=True))})"
_START = r"(?<![A-Za-z\d.,])"
#: Number and currency side by side, the surest form first; groups: number, thousands, currency.
_BESIDE = tuple(
    (re.compile(pattern, re.IGNORECASE), currency_first)
    for pattern, currency_first in (
        (rf"{_START}{_NUMBER}\s*{_CODE}", False),
        (rf"\b{_CODE}\s*{_NUMBER}", True),
        (rf"{_SYMBOL}\s*{_NUMBER}", True),
        (rf"{_START}{_NUMBER}\s*{_SYMBOL}", False),
    )
)
_ALONE = re.compile(rf"{_START}{_NUMBER}", re.IGNORECASE)
_GROUPED = re.compile(r"^[1-9]\d{0,2}([ ,.'\u00a0\u202f])\d{3}(?:\1\d{3})*$")
_BY_SYMBOL = {symbol.upper(): code for symbol, code in SYMBOLS.items()}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with two decimals and its currency (ISO 4217; None: the text names none)."""

    amount: Decimal
    currency: str | None


def parse(text: str) -> Money | None:
    """The price that ``text`` names, or None when it names none."""
    text = text[:LONGEST]
    for pattern, currency_first in _BESIDE:
        found = pattern.search(text)
        if found is None:
            continue
        parts = found.groups()
        named, digits, thousands = parts if currency_first else (parts[2], parts[0], parts[1])
        amount = _amount(digits, thousands)
        code = named.upper()
        return Money(amount, _BY_SYMBOL.get(code, code)) if amount is not None else None
    alone = _ALONE.search(text)
    if alone is None:
        return None
    amount = _amount(alone.group(1), alone.group(2))
    return Money(amount, None) if amount is not None else None


def _amount(digits: str, thousands: str | None) -> Decimal | None:
    """The number that ``digits`` mean, or None when no ad can ask it."""
    text = digits.strip()
    if _GROUPED.match(text):
        text = re.sub(r"[^0-9]", "", text)
    # What separator is left last begins the decimals: price-parser is told, not left to guess.
    separators = re.findall(r"[.,]", text)
    amount = Price.fromstring(text, decimal_separator=separators[-1] if separators else None).amount
    if amount is None or not 0 < amount < GREATEST:
        return None
    amount = (amount * 1000 if thousands else amount).quantize(CENT, ROUND_HALF_UP)
    return amount if 0 < amount < GREATEST else None
