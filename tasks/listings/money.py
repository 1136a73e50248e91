"""Prices as people write them in ads (pure): "1,299.50 USD", "95,000 JPY", "1.200 EUR", "2.5k".

Rules for what is ambiguous: the amount beside a currency is the price, whatever other numbers the
text has ("HD600 - 250 USD" is 250, "HD 600 250 USD" too, "300-350 USD" is 350); a separator before
exactly three digits groups thousands ("1.200 EUR" is 1200), before one or two it begins the decimals;
a currency's code says more than a symbol ("$500 CAD", "CAD $500" and "$500 (CAD)" are Canadian);
nothing and less than nothing ("-5 USD") are no price.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from price_parser import Price
from price_parser.parser import CURRENCY_CODES  # type: ignore[attr-defined]

#: Codes that ads also write in small letters.
COMMON = (
    "USD", "EUR", "GBP", "JPY", "CAD", "AUD", "NZD", "CHF", "SEK", "NOK", "DKK", "SGD", "HKD",
    "CNY", "KRW", "INR", "PLN", "CZK", "HUF", "THB", "MYR", "PHP", "TWD", "MXN", "BRL", "ZAR",
    "ILS", "IDR", "VND", "AED",
)  # fmt: skip
#: Codes that are words as well ("ALL 300 shipped"), or no money.
_NONE = frozenset({"ALL", "TOP", "VAL", "SIT", "IMP", "XXX", "XTS", "RMB", "NTD"})
#: ISO 4217 codes (some of the past) that ads name: the rest count in capitals alone ("try 300").
CODES = (*COMMON, *(code for code in CURRENCY_CODES if code not in {*COMMON, *_NONE}))
SYMBOLS = {
    "US$": "USD", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "S$": "SGD",
    "HK$": "HKD", "NT$": "TWD", "R$": "BRL", "$": "USD", "\uff04": "USD", "€": "EUR", "£": "GBP",
    "\uffe1": "GBP", "¥": "JPY", "\uffe5": "JPY", "₩": "KRW", "₹": "INR", "₽": "RUB", "zł": "PLN",
    "RMB": "CNY", "NTD": "TWD",
}  # fmt: skip
WORDS = {"euro": "EUR", "dollar": "USD", "pound": "GBP", "yen": "JPY"}
#: More than any ad asks; what is above fits no column (units of the currency).
GREATEST = Decimal(10) ** 11
CENT = Decimal("0.01")
#: No price is longer; what follows is an ad's story (characters).
LONGEST = 300

_GAPS = " ,.'\u2019\u00a0\u2009\u202f"
_NUMBER = rf"([1-9]\d{{0,2}}(?:[{_GAPS}]\d{{3}})+(?:[.,]\d{{1,2}})?|\d+(?:[.,]\d+)?)(?!\d)(k\b)?"
#: "950,-" and "950.-" are 950.
_TAIL = r"(?:[.,]\s?[-\u2013\u2014]{1,2})?\s*"
_CODE = rf"((?i:{'|'.join(COMMON)})|{'|'.join(CODES[len(COMMON) :])})(?![A-Za-z])"
#: "AU $500" too; but "A $500 amp" is an amp.
_SYMBOL = (
    r"((?<![A-Za-z])(?:(?i:US|CA?|AU|NZ|HK|NT)\s?|[ASR])\$"
    rf"|{'|'.join(re.escape(symbol) for symbol in SYMBOLS if '$' not in symbol[1:])})"
)
_WORD = rf"((?i:{'|'.join(WORDS)}))(?i:s?)(?![A-Za-z])"
_ANY_SYMBOL = rf"(?:{_SYMBOL.replace('(', '(?:', 1)}\s*)?"
_START = r"(?<![A-Za-z\d.,])"
#: Number and currency side by side, the surest form first; groups: number, thousands, currency.
_BESIDE = tuple(
    (re.compile(pattern.replace("k\\b", "[kK]\\b")), currency_first)
    for pattern, currency_first in (
        (rf"{_START}{_NUMBER}{_TAIL}{_ANY_SYMBOL}\(?{_CODE}", False),
        (rf"\b{_CODE}[\s:]*\(?{_ANY_SYMBOL}{_NUMBER}", True),
        (rf"{_SYMBOL}\s*{_NUMBER}", True),
        (rf"{_START}{_NUMBER}{_TAIL}{_SYMBOL}", False),
        (rf"{_START}{_NUMBER}{_TAIL}\(?{_WORD}", False),
        (rf"\b{_WORD}[\s:]*{_NUMBER}", True),
    )
)
_ALONE = re.compile(rf"{_START}{_NUMBER}", re.IGNORECASE)
_GROUPED = re.compile(rf"^[1-9]\d{{0,2}}([{_GAPS}])\d{{3}}(?:\1\d{{3}})*$")
#: A model's name in capitals before its number: "HD 600", but not "VB 1 200" (German: or best offer).
_MODEL = re.compile(r"(?<![A-Za-z])(?!VH?B|[FV]P|VK)[A-Z]{2,}[ -]?$")
_LESS = re.compile(rf"(?:^|{_SYMBOL}|{_CODE})\s*[-\u2212]$")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with two decimals and its currency (ISO 4217; None: the text names none)."""

    amount: Decimal
    currency: str | None


def parse(text: str) -> Money | None:
    """The price that ``text`` names, or None when it names none."""
    text = text[:LONGEST].strip()
    for pattern, currency_first in _BESIDE:
        found = pattern.search(text)
        if found is None:
            continue
        parts = found.groups()
        named, digits, thousands = parts if currency_first else (parts[2], parts[0], parts[1])
        at = found.start(2 if currency_first else 1)
        amount = _amount(_own(digits, text[: found.start()]), thousands)
        less = _LESS.search(text[:at]) or _LESS.search(text[: found.start()])
        return Money(amount, _currency(named)) if amount is not None and not less else None
    alone = _ALONE.search(text)
    if alone is None or _LESS.search(text[: alone.start()]):
        return None
    amount = _amount(_own(alone.group(1), text[: alone.start()]), alone.group(2))
    return Money(amount, None) if amount is not None else None


def _currency(named: str) -> str:
    plain = re.sub(r"\s", "", named)
    return SYMBOLS.get(plain) or SYMBOLS.get(plain.upper()) or WORDS.get(plain.lower()) or plain.upper()


def _own(digits: str, before: str) -> str:
    """``digits`` without the number of a model that stands before them: "HD", "600 250" → "250"."""
    first, gap, rest = digits.partition(" ")
    return rest if gap and len(first) == 3 and _MODEL.search(before) else digits


def _amount(digits: str, thousands: str | None) -> Decimal | None:
    """The number that ``digits`` mean, or None when no ad can ask it."""
    text = digits.strip()
    if text.isascii() and text.isdigit():
        return _in_range(Decimal(text), thousands)
    if _GROUPED.match(text):
        text = re.sub(r"[^0-9]", "", text)
    # What separator is left last begins the decimals: price-parser is told, not left to guess.
    separators = re.findall(r"[.,]", text)
    text = text.replace("\u2019", "'").replace("\u2009", " ")
    amount = Price.fromstring(text, decimal_separator=separators[-1] if separators else None).amount
    return None if amount is None else _in_range(amount, thousands)


def _in_range(amount: Decimal, thousands: str | None) -> Decimal | None:
    """The amount in cents, or None when no ad can ask it."""
    if not 0 < amount < GREATEST:
        return None
    amount = (amount * 1000 if thousands else amount).quantize(CENT, ROUND_HALF_UP)
    return amount if 0 < amount < GREATEST else None
