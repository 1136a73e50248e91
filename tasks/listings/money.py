"""Prices as people write them in ads (pure): "1,299.50 USD", "95,000 JPY", "1.200 EUR"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from price_parser import Price

#: ISO 4217 codes that ads name in words; symbols are price-parser's business.
CODES = (
    "USD", "EUR", "GBP", "JPY", "CAD", "AUD", "NZD", "CHF", "SEK", "NOK", "DKK", "SGD", "HKD",
    "CNY", "KRW", "INR", "PLN", "CZK", "HUF", "THB", "MYR", "PHP", "TWD", "MXN", "BRL", "ZAR",
)  # fmt: skip
SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "A$": "AUD", "C$": "CAD", "US$": "USD"}
_NUMBER = r"\d{1,3}(?:[ ,.'\u00a0]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_CODE = "|".join(CODES)
#: An amount next to a currency is the price, whatever other numbers the text has ("HD600 - 250 USD").
_BESIDE = re.compile(
    rf"(?<![A-Za-z\d])({_NUMBER})\s*({_CODE}|[€£¥$])|({_CODE}|US\$|C\$|A\$|[€£¥$])\s*({_NUMBER})",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"^\d{1,3}([.,'\u00a0 ])\d{3}(?:\1\d{3})*$")
GREATEST = Decimal(10) ** 11


@dataclass(frozen=True, slots=True)
class Money:
    """An amount and its currency (None: the text names none)."""

    amount: Decimal
    currency: str | None


def parse(text: str) -> Money | None:
    """The price that ``text`` names, or None when it names none."""
    beside = _BESIDE.search(text)
    if beside is not None:
        digits = beside.group(1) or beside.group(4)
        named = (beside.group(2) or beside.group(3)).upper()
        amount = _amount(digits)
        return Money(amount, SYMBOLS.get(named, named)) if amount is not None else None
    found = Price.fromstring(text)
    if found.amount_text is None:
        return None
    amount = _amount(found.amount_text)
    return Money(amount, SYMBOLS.get(found.currency or "")) if amount is not None else None


def _amount(digits: str) -> Decimal | None:
    """The number that ``digits`` mean: a separator before three digits groups, before two parts."""
    text = digits.strip()
    if _GROUPED.match(text):
        text = re.sub(r"\D", "", text)
        amount: Decimal | None = Decimal(text)
    else:
        amount = Price.fromstring(text).amount
    return amount if amount is not None and 0 < amount < GREATEST else None
