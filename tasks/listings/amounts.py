"""Numbers in a text and the currencies beside them (pure); `money` chooses among them.

A separator before exactly three digits groups thousands ("1.200 EUR" is 1200); before one or two
digits it is the decimal separator.  "1,45,000" is grouped as in India.  A point before three digits
is the decimal separator of a currency with three decimals ("1.250 KWD").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

from price_parser import Price

from tasks.listings import currencies
from tasks.listings.currencies import ABBREVIATION, ABBREVIATION_AFTER, CODE, NAME, SIGN

#: The column takes no more (units of the currency).
MAX_AMOUNT = Decimal(10) ** 11
CENT = Decimal("0.01")
_GAPS = " ,.'"
_MULTIPLES = {
    "k": 10**3, "万": 10**4, "萬": 10**4, "lakh": 10**5, "lac": 10**5, "crore": 10**7,
    "rb": 10**3, "ribu": 10**3, "jt": 10**6, "juta": 10**6,
}  # fmt: skip
_NUMBER = re.compile(
    r"(?<!\d)(?<!\d[.,'])("
    r"[1-9]\d?(?:,\d\d)+,\d{3}(?:\.\d+)?(?!\d)"
    rf"|[1-9]\d{{0,2}}(?:[{_GAPS}]\d{{3}})+(?:[.,]\d{{1,2}})?"
    r"|\d+(?:[.,]\d+)?)(?!\d)"
    r"(\s?(?:万|萬|k\b|(?:lakh|lac|crore)s?\b|rb\b|ribu\b|jt\b|juta\b))?",
    re.IGNORECASE,
)
_GROUPED = re.compile(rf"[1-9]\d{{0,2}}([{_GAPS}])\d{{3}}(?:\1\d{{3}})*$|[1-9]\d?(?:,\d\d)+,\d{{3}}$")
_THOUSANDTHS = re.compile(r"\d+\.\d{3}$")
#: "950,-", "950.-", "1,45,000/-" and "950:-" are amounts without decimals.
_TAIL = r"(?:[.,:]\s?[-\u2013\u2014]{1,2}|/-)?\s*"
_BEFORE = re.compile(
    rf"(?:(?P<code>{CODE})[\s:]*\(?)?(?P<sign>{SIGN})\s*$|(?P<code2>{CODE})[\s:.]*\(?\s*$"
    rf"|(?:(?P<abbreviation>{ABBREVIATION})|(?P<name>{NAME}))[\s:]*\(?\s*$"
)
_AFTER = re.compile(
    rf"{_TAIL}(?:(?P<sign>{SIGN})\s*)?\(?(?P<code>{CODE})"
    rf"|{_TAIL}\(?(?:(?P<abbreviation>{ABBREVIATION_AFTER})|(?P<name>{NAME})|(?P<sign2>{SIGN}))"
)
_RAND = re.compile(r"(?:^|[\s(:,;])(?P<sign>R)\s?$")
#: Highest distance of a currency from its number (characters).
MAX_DISTANCE = 28
#: A model's name in capitals before its number ("HD 600", "K 701"), but not "VB 1 200" (German: or
#: best offer) nor a word for an asking price in capitals.
_MODEL = re.compile(
    r"(?<![A-Za-z\d])(?!VH?B|[FV]P|VK|ASK|ASKING|PRICE|NOW|FOR|ONLY|OBO|WAS|SALE)[A-Z]{1,8}[ -]?$"
)
_MINUS = re.compile(rf"(?:^|{SIGN}|{CODE})\s*[-\u2212]$")


@dataclass(slots=True)
class Amount:
    """A number in a text, its place, and the currencies beside it."""

    digits: str
    multiple: int
    start: int
    end: int
    before: re.Match[str] | None
    after: re.Match[str] | None
    is_model: bool
    is_negative: bool = False

    @property
    def left(self) -> int:
        """Its start, currency included."""
        return self.before.start() if self.before else self.start

    @property
    def right(self) -> int:
        """Its end, currency included."""
        return self.after.end() if self.after else self.end

    @property
    def is_named(self) -> bool:
        """Whether a currency stands beside it."""
        return self.before is not None or self.after is not None

    def currency(self, site: str | None) -> str | None:
        """ISO 4217; UNKNOWN for an unknown one, None when none stands beside it.

        A code outranks a sign, and a sign a name, except that a name decides which dollar is meant.
        """
        codes = [_group(found, "code", "code2") for found in (self.before, self.after)]
        others = [
            _group(found, *names)
            for names in (("sign", "sign2", "abbreviation"), ("abbreviation", "name"))
            for found in (self.before, self.after)
        ]
        named = [currencies.resolve(word, site) for word in (*codes, *others) if word]
        plain = [word for word in others if word]
        if not any(codes) and len(named) > 1 and plain[0] in currencies.SHARED and named[1]:
            return named[1]
        return named[0] if named else None

    def value(self, currency: str | None) -> Decimal | None:
        """The amount with two decimals; None when it is out of range."""
        text = self.digits
        if _GROUPED.match(text) and not (
            currency in currencies.IN_THOUSANDTHS and _THOUSANDTHS.match(text)
        ):
            text = re.sub(r"[^0-9]", "", text)
        if text.isdigit():
            found: Decimal | None = Decimal(text)
        else:
            # Without grouping, the last separator is the decimal one; price-parser would guess.
            separators = re.findall(r"[.,]", text)
            found = Price.fromstring(
                text, decimal_separator=separators[-1] if separators else None
            ).amount
        if found is None or not 0 < found < MAX_AMOUNT:
            return None
        found = (found * self.multiple).quantize(CENT, ROUND_HALF_UP)
        return found if 0 < found < MAX_AMOUNT else None


def _group(found: re.Match[str] | None, *names: str) -> str | None:
    """The first of these groups that matched."""
    groups = found.groupdict() if found else {}
    return next((groups[name] for name in names if groups.get(name)), None)


def find_amounts(text: str) -> list[Amount]:
    """Numbers that may be amounts, in order; a currency between two belongs to one of them."""
    found = list(_numbers(text))
    for one, other in pairwise(found):
        if one.after and other.before and one.after.end() > other.before.start():
            if _belongs_to_first(text, one, other):
                other.before = None
            else:
                one.after = None
    for one in found:
        # The minus stands before the number, or before its currency.
        one.is_negative = any(_MINUS.search(text, 0, end) for end in {one.start, one.left})
    # A number in a word belongs to a model: HD600.
    return [one for one in found if one.is_named or not text[: one.start][-1:].isalpha()]


def _numbers(text: str) -> Iterator[Amount]:
    for found in _NUMBER.finditer(text):
        digits, start = found[1], found.start()
        is_model = _MODEL.search(text, 0, start) is not None
        before = _BEFORE.search(text, max(0, start - MAX_DISTANCE), start)
        first, gap, rest = digits.partition(" ")
        if is_model and before is None and gap and len(first) == 3 and rest[0] != "0":
            digits, start = rest, start + 4
            before, is_model = None, False
        if (
            before is None
            and sum(map(str.isdigit, digits)) >= 3
            and not text[found.end() :][:1].isalpha()
        ):
            before = _RAND.search(text, max(0, start - MAX_DISTANCE), start)
        if re.match(r"\s?%", text[found.end() :]):
            continue
        multiple = (found[2] or "").strip().lower().removesuffix("s")
        yield Amount(
            digits, _MULTIPLES.get(multiple, 1), start, found.end(), before,
            _AFTER.match(text, found.end(), found.end() + MAX_DISTANCE), is_model and before is None,
        )  # fmt: skip


def _belongs_to_first(text: str, one: Amount, other: Amount) -> bool:
    """Whether a currency between two numbers belongs to the first."""
    at_one = not text[one.end].isspace()
    at_other = not text[other.start - 1].isspace()
    if at_one != at_other:
        return at_one
    is_code = _group(one.after, "code", "name", "abbreviation") is not None
    if other.after:
        return True
    if one.before:
        return is_code and _group(one.before, "code", "code2") is None
    return is_code and not one.is_model
