"""Parsers of texts in listings (pure): status, seller, numbers, regions, times."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

from tasks.listings import posted

#: Words that end a listing → its status.
STATUS_BY_WORD = {
    "sold": "sold", "closed": "closed", "withdrawn": "closed", "traded": "traded",
    "expired": "expired", "deleted": "deleted",
}  # fmt: skip
ACTIVE = "active"
#: "sold as a pair" and "not sold separately" say how it is sold, and not that it was.
_HOW = r"(?![\s-]+(?:as|separately|individually|together|with|without|only|in|by)\b)"
_TO = (
    r"(?:\s+(?:to|on(?=\s+(?:e-?bay|reverb|reddit|facebook|another)\b))\s[^\])}:\n]{1,60}?"
    r"|\s+(?:locally|elsewhere))?"
)
#: "Sold/Traded": the first counts.
_OR = r"(?:\s*/\s*(?:sold|closed|traded|withdrawn|expired))?"
_OPEN = r"[\[({*\u3010\u300c\u300a\u00ab<~=]"
_CLOSE = r"\])}*\u3011\u300d\u300b\u00bb>~="
#: "Sold: …", "SOLD - …", "[SOLD] …", "Sold to Bob: …", "SOLD!"; not "Closed-back", not "Soldier".
_BEFORE = re.compile(
    rf"^\W*(sold|closed|traded|withdrawn|expired){_OR}{_TO}\s*(?:[{_CLOSE}:!]+\s*|\s[-\u2013\u2014|]\s+|$)",
    re.IGNORECASE,
)
#: "… (sold)", "… [SOLD to Bob]", "… - sold".  No "closed" here: headphones are, at their backs.
_AFTER = re.compile(
    rf"(?:{_OPEN}\s*(sold|traded|withdrawn|expired){_OR}{_TO}\s*[{_CLOSE}!]"
    rf"|\s[-\u2013\u2014|:]\s*(sold|traded|withdrawn|expired)(?:\s+to\s.{{1,60}})?[\s!.]*$)",
    re.IGNORECASE,
)
#: In capitals they need no mark: "SOLD Focal Clear", "SOLD- Focal Clear", "Focal Clear SOLD".
_SHOUTED_BEFORE = re.compile(rf"^\W*(SOLD|TRADED)\b(?i:{_HOW})[\s\-\u2013\u2014|:!{_CLOSE}]*")
_SHOUTED_AFTER = re.compile(r"(?<!\b(?i:NOT) )(?<!\b(?i:BE) )(?<!\b(?i:BEING) )\b(SOLD|TRADED)[\s!.]*$")
_IN_TEXT = re.compile(rf"(?<!\bnot )(?<!\bbe )\b(sold|traded|withdrawn|expired){_HOW}\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")
#: A text with more words is a sentence and no label.
MAX_LABEL_WORDS = 5
#: Parts of a class name: is-sold, ad--sold, adSold.
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_NOT = frozenset({"not", "no", "non", "never", "un", "hide", "show"})
_SELLER = re.compile(
    r"^(?:listed\s+by|seller|posted\s+by|by)\s*:\s*|\s*\(\s*(?P<reputation>[-+\u2212]?[\d,]+)\s*\)$",
    re.IGNORECASE,
)
_REPUTATION = re.compile(r"[-+\u2212]?\d[\d,]*")
_EPOCH = re.compile(r"^\d{9,10}(?:\d{3})?$")
#: Fits the column.
MAX_REPUTATION = 2_000_000_000
#: Longest number with its commas (characters).
MAX_NUMBER_LENGTH = 30


def title_status(text: str) -> tuple[str, str]:
    """Status and bare title: "Sold: Focal Clear" → ("sold", "Focal Clear")."""
    lower = text.lower()
    # Most titles have no such word.
    if not any(word in lower for word in STATUS_BY_WORD):
        return ACTIVE, text
    before = _BEFORE.match(text) or _SHOUTED_BEFORE.match(text)
    if before:
        return STATUS_BY_WORD[before.group(1).lower()], text[before.end() :].strip() or text
    after = _AFTER.search(text) or _SHOUTED_AFTER.search(text)
    if after:
        word = next(filter(None, after.groups()))
        return STATUS_BY_WORD[word.lower()], text
    return ACTIVE, text


@lru_cache(maxsize=256)
def label_status(text: str | None) -> str | None:
    """The status in an overlay or label ("Sold/Traded"); None for another label ("For Sale")."""
    parts = [word.lower() for word in _LETTERS.findall((text or "")[:200])]
    if len(parts) > MAX_LABEL_WORDS:
        return None
    return _end_status(parts)


def text_status(text: str | None) -> str | None:
    """The status beside a price ("950 USD SOLD"); None for "500 USD, sold as a pair"."""
    found = _IN_TEXT.search(text or "")
    return STATUS_BY_WORD[found.group(1).lower()] if found else None


@lru_cache(maxsize=256)
def class_status(names: str | None) -> str | None:
    """The status at the end of an element's class name: sold, ad--sold, is-closed."""
    for name in (names or "").split():
        parts = [part.lower() for part in _PARTS.findall(name)]
        found = _end_status(parts[-2:])
        if found and parts[-1] in STATUS_BY_WORD:
            return found
    return None


def _end_status(parts: list[str]) -> str | None:
    for before, word in zip(["", *parts], parts, strict=False):
        if word in STATUS_BY_WORD and before not in _NOT:
            return STATUS_BY_WORD[word]
    return None


def parse_seller(text: str | None) -> tuple[str | None, int | None]:
    """User name (spaces and hyphens are part of it) and reputation (may be negative)."""
    reputation = None
    rest = text or ""
    for found in _SELLER.finditer(rest):
        if found.group("reputation"):
            reputation = parse_number(found.group("reputation"))
    name = _SELLER.sub("", rest).strip()
    return name or None, reputation


def parse_number(text: str | None) -> int | None:
    found = _REPUTATION.search(text or "")
    if not found or len(found.group()) > MAX_NUMBER_LENGTH:
        return None
    digits = int(found.group().replace(",", "").replace("\u2212", "-"))
    return digits if abs(digits) <= MAX_REPUTATION else None


def parse_regions(text: str | None) -> tuple[str, ...]:
    """Regions that a listing ships to, without repeats, in its order."""
    parts = (part.strip() for part in re.split(r"[,;/|\n]", text or ""))
    return tuple(dict.fromkeys(part for part in parts if part))


def parse_time(text: str | None) -> datetime | None:
    """A time in UTC (ISO 8601, seconds or milliseconds since 1970, or a date as people write it)."""
    value = (text or "").strip()
    try:
        if _EPOCH.match(value):
            seconds = int(value)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 10**10 else seconds, UTC)
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None
    except ValueError:
        with suppress(ValueError):
            return posted.dated(value)
        return None
