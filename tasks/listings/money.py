"""The asking price in a text (pure): "1,299.50 USD", "₹1,45,000", "was $1200 now $950", "2.5k".

An amount beside a currency is the price, whatever other numbers the text has ("HD600 - 250 USD" and
"HD 600 250 USD" are 250).  Of several prices the asked one wins: the one after "now", "asking" or an
arrow; never what it was, what it cost new, a discount, or what its shipping or a deposit costs.  Where
"shipping" stands between two amounts, the smaller one is its cost.  Of a range it is the lower end.
A named currency that is not known is not taken for the site's.  Zero and negative amounts ("-5 USD")
are no price.
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from tasks.listings import amounts, extra_costs
from tasks.listings.amounts import Amount
from tasks.listings.currencies import UNKNOWN
from workers.upstreams import cleaned

#: Characters of a text that are read.
MAX_LENGTH = 300
#: Highest ratio of the ends of a range.
MAX_RANGE_RATIO = 10

#: Signs that point to what follows: arrows and triangles to the right or down.
_ARROWS = "".join(
    one
    for one in map(chr, (*range(0x2190, 0x2C00), *range(0x1F800, 0x1F900)))
    if re.search(
        r"^(?!.*LEFT).*(?:RIGHTWARDS|RIGHT-POINTING|DOWNWARDS|SOUTH EAST)", unicodedata.name(one, "")
    )
)

DISCOUNT, EXTRA, OLD, SOLD, PLAIN, ASKED = range(6)
_WORDS = re.compile(
    rf"(?P<free>{extra_costs.FREE})|(?P<extra>{extra_costs.WORDS}(?:\s+(?:is|costs?|ist)\b)?)"
    r"|\b(?:"
    r"(?P<old>was|were|(?:price\s+)?(?:reduced|drop(?:ped)?|lowered|down|marked\s+down|cut|slashed"
    r"|raised|increased)\s+from|(?:retail|list|original|orig|old|regular|reg|before|compare\s+at)"
    r"\.?\s+price|retail(?:s|ed|ing)?|msrp|rrp|uvp|np|neupreis|originally|orig|paid|bought(?:\s+\w+)?"
    r"\s+for|worth|instead\s+of|statt|formerly|previously|before|compare\s+at|reg)"
    r"|(?P<added>plus)|(?P<sold>sold\s+(?:for|at))"
    r"|(?P<asked>now|asking|asks?|price|reduced\s+to|dropped\s+to|lowered\s+to|down\s+to|only|jetzt"
    r"|nur|sale|sell(?:ing)?\s+(?:for|at)|vh?b|obo|listed\s+at|want(?:ing)?))\b"
    r"|(?P<plus>[+]\s*$)|(?P<arrow>(?:->|=>|>|\u00bb|[" + re.escape(_ARROWS) + r"])\s*$)",
    re.IGNORECASE,
)
#: Words after an amount.
_WORDS_AFTER = re.compile(
    r"^\s*(?:(?P<old>(?:new\s+)?(?:retail|msrp|rrp|uvp|list|originally|new\s+price)\b|(?:new|neu)\s*$)"
    rf"|(?P<extra>(?:(?:for|für|de|di|per|pour|voor|za)\s+)?{extra_costs.WORDS})"
    r"|(?P<asked>(?:asking|obo|ono|firm)\b))",
    re.IGNORECASE,
)
_EXTRA = re.compile(extra_costs.WORDS, re.IGNORECASE)
_RANKS = {
    "old": OLD, "extra": EXTRA, "added": EXTRA, "plus": EXTRA, "sold": SOLD, "free": PLAIN,
    "asked": ASKED, "arrow": ASKED,
}  # fmt: skip
_ENDS = re.compile(r"[,;|/!()\[\]]|\s[-\u2013\u2014]\s|[.]\s")
_PLUS = re.compile(r"[+]|\bplus\b", re.IGNORECASE)
#: "save $50", "reduced by $50", "$50 off", "reduced $50 to $900".
_DISCOUNT_BEFORE = re.compile(
    r"\b(?:sav(?:e|es|ed|ing)|discount\s+of|(?:reduced|dropped|lowered|cut|slashed|down|knocked)\s+by"
    r"|knocked(?:\s+off)?)[\s:]*$",
    re.IGNORECASE,
)
_DISCOUNT_AFTER = re.compile(r"\s*(?:off|discount)\b(?!-)", re.IGNORECASE)
_REDUCED = re.compile(r"\b(?:reduced|dropped|lowered|cut|slashed|down)\s*$", re.IGNORECASE)
_REDUCED_TO = re.compile(r"\s*to\b", re.IGNORECASE)
#: "300€50" is 300.50.
_CENTS_BEHIND_SIGN = re.compile(r"(\d)([€£])(\d\d)(?![\d.,])")
#: "1e10 USD" is a large number, and neither 1 nor 10.
_EXPONENT = re.compile(r"(?<![\w.,])(\d(?:\.\d+)?e\+?1?\d)(?!\w)", re.IGNORECASE)
#: Its point ends no sentence.
_INCLUSIVE = re.compile(r"\b(in[ck]l)\.", re.IGNORECASE)
_TO = re.compile(r"\s*(?:[-\u2010-\u2015~\u301c\uff5e]|to|bis)\s*$", re.IGNORECASE)
#: Struck-through text as people write it: "~~$1200~~", "~$1200~", "[s]1200[/s]", "<s>1200</s>", and the
#: combining strokes of Unicode.
_STRUCK = re.compile(
    r"~~(?!~)(?P<a>.*?)~~|(?<![\w~])~(?=[^\s~])(?P<b>[^~]*[^\s~])~(?![\w~])"
    r"|(?P<open>[\[<])(?P<tag>s|del|strike)[\]>](?P<c>.*?)[\[<]/(?P=tag)[\]>]"
    r"|(?P<d>(?:.[\u0335-\u0338]+\s?)+)",
    re.IGNORECASE | re.DOTALL,
)
_SEPARATORS = str.maketrans("\u066c\u066b\u2019\u02bc\uff0c\u060c\u2e41", ",.'',,,")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with two decimals and its currency (ISO 4217).

    Currency None: the text names none, or one that is not known (``is_unknown``).
    """

    amount: Decimal
    currency: str | None
    is_unknown: bool = False


@dataclass(slots=True)
class _Candidate:
    amount: Amount
    currency: str | None
    value: Decimal
    rank: int = PLAIN


@lru_cache(maxsize=1024)
def parse(text: str, site: str | None = None) -> Money | None:
    """The asking price in ``text`` on a site whose currency is ``site``; None if there is none.

    A struck-through price only says the currency of a bare number beside it.
    """
    text = _INCLUSIVE.sub(r"\1 ", _ascii_digits(cleaned(text)[:MAX_LENGTH]))
    text = _CENTS_BEHIND_SIGN.sub(r"\1,\3\2", text)
    text = _EXPONENT.sub(lambda number: f"{Decimal(number[0]):f}", text)
    price = _parse(_STRUCK.sub(" ", text), site)
    if price is None or price.currency is not None or price.is_unknown:
        return price
    struck = " ".join(found[0] for found in _STRUCK.finditer(text))
    old = _parse(re.sub("[\u0335-\u0338]", "", struck), site) if struck else None
    return Money(price.amount, old.currency, old.is_unknown) if old else price


def _parse(text: str, site: str | None) -> Money | None:
    found = [
        _Candidate(one, currency, value)
        for one in amounts.find_amounts(text)
        if (value := one.value(currency := one.currency(site))) is not None and not one.is_negative
    ]
    for one in found:
        if _is_discount(text, one.amount):
            one.rank = DISCOUNT
    _join_ranges(text, found)
    _rank(text, found)
    chosen = _chosen(text, found)
    if chosen is None:
        return None
    currency = chosen.currency
    if currency is None:
        # "was $1200, now 950": both have one currency.
        currency = next((one.currency for one in found if one.currency is not None), None)
    return Money(chosen.value, currency or None, currency == UNKNOWN)


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    text = text.translate(_SEPARATORS)
    return re.sub(r"\d", lambda digit: str(unicodedata.decimal(digit[0])), text)


def _is_discount(text: str, amount: Amount) -> bool:
    return bool(
        _DISCOUNT_BEFORE.search(text, 0, amount.left)
        or _DISCOUNT_AFTER.match(text, amount.right)
        or (_REDUCED.search(text, 0, amount.left) and _REDUCED_TO.match(text, amount.right))
    )


def _join_ranges(text: str, found: list[_Candidate]) -> None:
    """Keep the lower end of "$300-350" and "300-350 USD", with the currency of either."""
    for one, other in list(pairwise(found)):
        low, high = one.amount, other.amount
        is_range = _TO.match(text[low.right : high.left]) is not None
        if low.is_model or one.rank == DISCOUNT or not is_range:
            continue
        currency = one.currency if one.currency is not None else other.currency
        if low.multiple == 1:
            low.multiple = high.multiple
        value = low.value(currency)
        if value is not None and value < other.value <= MAX_RANGE_RATIO * value:
            one.currency, one.value, one.rank = currency, value, other.rank
            found.remove(other)
        else:
            low.multiple = 1 if one.value == low.value(currency) else low.multiple


def _rank(text: str, found: list[_Candidate]) -> None:
    end = 0
    for place, one in enumerate(found):
        gap, end = text[end : one.amount.left], one.amount.right
        if one.rank == DISCOUNT:
            continue
        one.rank = _rank_by_words(gap, is_named=one.amount.is_named)
        before = found[place - 1] if place else None
        if before and gap.strip().lower() == "to" and before.value > one.value:
            one.rank = ASKED
        if before and before.rank == one.rank == EXTRA:
            # "$30 shipping + $950": the second is the price.
            one.rank = PLAIN
        elif before and before.rank == PLAIN and _is_extra_before(gap, before, one):
            before.rank = EXTRA
            one.rank = PLAIN if one.rank == EXTRA else one.rank
        following = found[place + 1].amount.left if place + 1 < len(found) else len(text)
        tail = text[one.amount.right : following].lstrip(" (")
        stop = _ENDS.search(tail) or _PLUS.search(tail)
        if stop or following == len(text):
            after = _WORDS_AFTER.match(tail[: stop.start()] if stop else tail)
            if after is not None and one.rank == PLAIN:
                one.rank = _RANKS[after.lastgroup or ""]


def _is_extra_before(gap: str, before: _Candidate, one: _Candidate) -> bool:
    """Whether "shipping" in the gap belongs to the amount before it, which is the smaller one."""
    return before.value < one.value and not _ENDS.search(gap) and _EXTRA.search(gap) is not None


def _rank_by_words(gap: str, *, is_named: bool) -> int:
    """The rank that the words before an amount give it; a bare number must follow them at once."""
    segment = gap.rstrip(" (:=~")
    stops = list(_ENDS.finditer(segment))
    segment = segment[stops[-1].end() :] if stops else segment
    words = list(_WORDS.finditer(segment))
    if not words or (not is_named and words[-1].end() < len(segment.rstrip())):
        return PLAIN
    return _RANKS[words[-1].lastgroup or ""]


def _chosen(text: str, found: list[_Candidate]) -> _Candidate | None:
    found = [one for one in found if one.rank != DISCOUNT]
    sure = [
        one for one in found if one.amount.is_named or one.rank != PLAIN or one.currency is not None
    ]
    if not any(one.rank >= PLAIN for one in sure):
        bare = [one for one in found if one not in sure]
        # A capital right after a number belongs to a model: 800S, 6XX.
        plain = [
            one for one in bare if not one.amount.is_model and not text[one.amount.end :][:1].isupper()
        ]
        sure += (plain or bare)[:1]
    if not sure:
        return None
    best = max(one.rank for one in sure)
    fitting = [one for one in sure if one.rank == best]
    return fitting[-1] if best == ASKED else fitting[0]
