"""Numbers in a text and the currencies beside them (pure); `money` chooses among them.

A separator before exactly three digits groups thousands ("1.200 EUR" is 1200); before one or two
digits it is the decimal separator.  "1,45,000" is grouped as in India.  A point before three digits
is the decimal separator of a currency with three decimals ("1.250 KWD").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

from price_parser import Price

from tasks.listings import currencies
from tasks.listings.currencies import (
    ABBREVIATION,
    ABBREVIATION_AFTER,
    CODE,
    COUNTRY,
    NAME,
    NAME_AFTER,
    SIGN,
)

#: The column takes no more (units of the currency).
MAX_AMOUNT = Decimal(10) ** 11
CENT = Decimal("0.01")
_GAPS = " ,.'"
#: Words for powers of ten after a number.
_WORDS = {
    "k": 10**3, "grand": 10**3, "thousand": 10**3, "mio": 10**6, "mln": 10**6, "million": 10**6,
    "lakh": 10**5, "lac": 10**5, "crore": 10**7, "rb": 10**3, "ribu": 10**3, "jt": 10**6,
    "juta": 10**6, "tr": 10**6, "triệu": 10**6, "tys": 10**3, "тыс": 10**3, "млн": 10**6,
}  # fmt: skip
#: The same in characters that need no blank before the next number.
_CHARACTERS = {
    "百": 10**2, "千": 10**3, "万": 10**4, "萬": 10**4, "百万": 10**6, "千万": 10**7, "億": 10**8,
    "亿": 10**8, "백": 10**2, "천": 10**3, "만": 10**4, "백만": 10**6, "천만": 10**7, "억": 10**8,
}  # fmt: skip
_MULTIPLES = _WORDS | _CHARACTERS
_POWER = re.compile(
    rf"\s?(?:(?P<word>{'|'.join(_WORDS)})s?(?![^\W\d_])(?:(?<=tys|тыс)\.)?"
    rf"|(?P<character>{'|'.join(sorted(_CHARACTERS, key=len, reverse=True))}))",
    re.IGNORECASE,
)
_FURTHER = re.compile(r"(\s?)(\d{1,3}(?:,\d{3})+|\d+)(?![\d.,]*\d)")
_NUMBER = re.compile(
    r"(?<!\d)(?<!\d[.,'])("
    r"[1-9]\d?(?:,\d\d)+,\d{3}(?:\.\d+)?(?!\d)"
    rf"|[1-9]\d{{0,2}}(?:[{_GAPS}]\d{{3}})+(?:[.,]\d{{1,2}})?"
    r"|\d+(?:[.,]\d+)?|(?<![\w.,])\.\d{1,2})(?!\d)"
)
_GROUPED = re.compile(rf"[1-9]\d{{0,2}}([{_GAPS}])\d{{3}}(?:\1\d{{3}})*$|[1-9]\d?(?:,\d\d)+,\d{{3}}$")
_THOUSANDTHS = re.compile(r"\d+\.\d{3}$")
#: "950,-", "950.-", "1,45,000/-" and "950:-" are amounts without decimals; "950+", "950ish", "950."
_TAIL = r"(?:[.,:]\s?[-\u2013\u2014]{1,2}|/-|[+]|-?ish|[.](?=\s))?\s*"
_BEFORE = re.compile(
    rf"(?:(?P<code>{CODE})[\s:]*\(?)?(?P<sign>{SIGN})\s*$|(?P<code2>{CODE})\)?[\s:.]*(?:\(|[-\u2013\u2014]\s)?\s*$"
    rf"|(?:(?P<abbreviation>{ABBREVIATION})|(?P<name>{NAME}))[\s:]*\(?\s*$"
)
_AFTER = re.compile(
    rf"{_TAIL}(?:(?P<sign>{SIGN})\s*)?\(?(?P<code>{CODE})"
    rf"|{_TAIL}\$\s*\(?(?P<country>{COUNTRY})"
    rf"|{_TAIL}\(?(?:(?P<abbreviation>{ABBREVIATION_AFTER})|(?P<name>{NAME_AFTER})|(?P<sign2>{SIGN}))"
)
#: The country of a dollar before the number: "$950 CAN".
_DOLLARS_COUNTRY = re.compile(rf"{_TAIL}\(?(?P<country>{COUNTRY})")
_RAND = re.compile(r"(?:^|[\s(:,;])(?P<sign>R)\s?$")
#: Highest distance of a currency before its number, and of the end of one after it (characters).
MAX_DISTANCE = 28
MAX_DISTANCE_AFTER = 50
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
    #: What stands behind the power: the 5,000 of "9万5000".
    rest: Decimal = Decimal(0)
    is_negative: bool = False

    @property
    def left(self) -> int:
        return self.before.start() if self.before else self.start

    @property
    def right(self) -> int:
        return self.after.end() if self.after else self.end

    @property
    def is_named(self) -> bool:
        return self.before is not None or self.after is not None

    def currency(self, site: str | None) -> str | None:
        """ISO 4217; UNKNOWN for an unknown one, None when none stands beside it.

        A code outranks a sign, and a sign a name, except that a name decides which dollar is meant.
        """
        codes = [_group(found, "code", "code2") for found in (self.before, self.after)]
        if country := _group(self.after, "country"):
            codes.append(f"{country.removesuffix('.')}$")
        others = [
            _group(found, *names)
            for names in (("sign", "sign2", "abbreviation"), ("abbreviation", "name"))
            for found in (self.before, self.after)
        ]
        named = [currencies.resolve(word, site) for word in (*codes, *others) if word]
        plain = [word for word in others if word]
        if not any(codes) and len(named) > 1 and plain[0] in currencies.SHARED:
            # "$5,000 pesos" are no dollars; "$300 DT 990" has a model behind it.
            return named[1] or (named[1] if plain[1] == _group(self.after, "name") else named[0])
        return named[0] if named else None

    def value(self, currency: str | None) -> Decimal | None:
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
        found = (found * self.multiple + self.rest).quantize(CENT, ROUND_HALF_UP)
        return found if 0 < found < MAX_AMOUNT else None


def _group(found: re.Match[str] | None, *names: str) -> str | None:
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
    end = 0
    while found := _NUMBER.search(text, end):
        digits, start = found[1], found.start()
        multiple, rest, end = _power(text, found.end())
        is_model = _MODEL.search(text, 0, start) is not None
        before = _BEFORE.search(text, max(0, start - MAX_DISTANCE), start)
        first, gap, second = digits.partition(" ")
        # "K 701 150 USD", "Mojo2 450 GBP"
        is_attached = text[:start][-1:].isalpha() and _RAND.search(text, 0, start) is None
        is_name = is_attached or (is_model and len(first) == 3)
        if is_name and before is None and gap and second[0] != "0":
            digits, start = second, start + len(first) + 1
            before, is_model = None, False
        if before is None and sum(map(str.isdigit, digits)) >= 3 and not text[end:][:1].isalpha():
            before = _RAND.search(text, max(0, start - MAX_DISTANCE), start)
        if re.match(r"\s?%", text[end:]):
            continue
        after = _AFTER.match(text, end, end + MAX_DISTANCE_AFTER)
        if _group(before, "sign") == "$" and (after is None or not _group(after, "code")):
            after = _DOLLARS_COUNTRY.match(text, end, end + MAX_DISTANCE) or after
        yield Amount(
            digits, multiple, start, end, before, after, is_model and before is None, rest
        )  # fmt: skip


def _power(text: str, end: int) -> tuple[int, Decimal, int]:
    """The power of ten behind a number, the rest behind that, and where both end.

    "9万5千" and "9万5000" are 95,000; a single digit says tenths of the power: "1k5" is 1,500.
    """
    if (power := _POWER.match(text, end)) is None:
        return 1, Decimal(0), end
    first, multiple = power, _multiple(power)
    last, rest, end = multiple, Decimal(0), power.end()
    while further := _FURTHER.match(text, end):
        gap, digits = further.groups()
        number = int(digits.replace(",", ""))
        power = _POWER.match(text, further.end())
        if power is not None and _multiple(power) < last:
            last = _multiple(power)
            rest, end = rest + number * last, power.end()
            continue
        if power is None and not gap and len(digits) == 1:
            rest, end = rest + Decimal(number * last) / 10, further.end()
        elif power is None and number < last and _joins(first, gap, digits):
            rest, end = rest + number, further.end()
        break
    return multiple, rest, end


def _multiple(power: re.Match[str]) -> int:
    word = power["character"] or power["word"].lower()
    return _MULTIPLES.get(word) or _MULTIPLES[word.removesuffix("s")]


def _joins(power: re.Match[str], gap: str, digits: str) -> bool:
    return not gap if power["character"] else "," in digits and _multiple(power) > 1000


def _belongs_to_first(text: str, one: Amount, other: Amount) -> bool:
    at_one = not text[one.end].isspace()
    at_other = text[other.start - 1] != "(" and not text[other.start - 1].isspace()
    if at_one != at_other:
        return at_one
    is_code = _group(one.after, "code", "name", "abbreviation") is not None
    if other.after:
        return True
    if one.before:
        return is_code and _group(one.before, "code", "code2") is None
    return is_code and not one.is_model
