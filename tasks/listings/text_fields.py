"""Words in ads (pure): is it sold, who sells, where to, since when."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

#: Words that end an ad → its status.
STATUSES = {
    "sold": "sold", "closed": "closed", "withdrawn": "closed", "traded": "traded",
    "expired": "expired", "deleted": "deleted",
}  # fmt: skip
ACTIVE = "active"
#: "sold as a pair" and "not sold separately" speak of how it is sold.
_HOW = r"(?![\s-]+(?:as|separately|individually|together|with|without|only|in|by)\b)"
_TO = r"(?:\s+to\s[^\])}:\n]{1,60}?)?"
#: "Sold: …", "SOLD - …", "[SOLD] …", "Sold to Bob: …", "SOLD!"; not "Closed-back", not "Soldier".
_BEFORE = re.compile(
    rf"^\W*(sold|closed|traded|withdrawn|expired){_TO}\s*(?:[\])}}*:!]+\s*|\s[-\u2013\u2014|]\s+|$)",
    re.IGNORECASE,
)
#: "… (sold)", "… [SOLD to Bob]", "… - sold".  No "closed" here: headphones are, at their backs.
_AFTER = re.compile(
    rf"(?:[\[({{*]\s*(sold|traded|withdrawn|expired){_TO}\s*[\])}}*!]"
    rf"|\s[-\u2013\u2014|:]\s*(sold|traded|withdrawn|expired)(?:\s+to\s.{{1,60}})?[\s!.]*$)",
    re.IGNORECASE,
)
#: Shouted, they need no mark: "SOLD Focal Clear", "SOLD- Focal Clear", "Focal Clear SOLD".
_SHOUTED_BEFORE = re.compile(rf"^\W*(SOLD|TRADED)\b(?i:{_HOW})[\s\-\u2013\u2014|:!*\])}}]*")
_SHOUTED_AFTER = re.compile(r"(?<!\bNOT )(?<!\bBE )(?<!\bBEING )\b(SOLD|TRADED)[\s!.]*$")
_IN_TEXT = re.compile(rf"(?<!\bnot )(?<!\bbe )\b(sold|traded|withdrawn|expired){_HOW}\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")
#: A label has no more words; what has is a sentence.
LONGEST_LABEL = 5
#: Parts of a class name: is-sold, ad--sold, adSold.
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_NOT = frozenset({"not", "no", "non", "never", "un", "hide", "show"})
_SELLER = re.compile(
    r"^(?:listed\s+by|seller|posted\s+by|by)\s*:\s*|\s*\(\s*(?P<reputation>[-+\u2212]?[\d,]+)\s*\)$",
    re.IGNORECASE,
)
_REPUTATION = re.compile(r"[-+\u2212]?\d[\d,]*")
_EPOCH = re.compile(r"^\d{9,10}(?:\d{3})?$")
#: No reputation is greater; the column takes no more.
GREATEST_REPUTATION = 2_000_000_000
#: With its commas no such number is longer (characters).
LONGEST_NUMBER = 30


def heading(text: str) -> tuple[str, str]:
    """Status and bare title of a heading: "Sold: Focal Clear" → ("sold", "Focal Clear")."""
    lower = text.lower()
    # Nearly every title says nothing of the kind.
    if not any(word in lower for word in STATUSES):
        return ACTIVE, text
    before = _BEFORE.match(text) or _SHOUTED_BEFORE.match(text)
    if before:
        return STATUSES[before.group(1).lower()], text[before.end() :].strip() or text
    after = _AFTER.search(text) or _SHOUTED_AFTER.search(text)
    if after:
        word = next(filter(None, after.groups()))
        return STATUSES[word.lower()], text
    return ACTIVE, text


@lru_cache(maxsize=256)
def label_status(text: str | None) -> str | None:
    """The status that an overlay or label says ("Sold/Traded"), None when it says none ("For Sale")."""
    parts = [word.lower() for word in _LETTERS.findall((text or "")[:200])]
    if len(parts) > LONGEST_LABEL:
        return None
    return _ended(parts)


def text_status(text: str | None) -> str | None:
    """The status that stands beside a price ("950 USD SOLD"), None for "500 USD, sold as a pair"."""
    found = _IN_TEXT.search(text or "")
    return STATUSES[found.group(1).lower()] if found else None


@lru_cache(maxsize=256)
def class_status(names: str | None) -> str | None:
    """The status that class names of an element say by their last words: sold, ad--sold, is-closed."""
    for name in (names or "").split():
        parts = [part.lower() for part in _PARTS.findall(name)]
        found = _ended(parts[-2:])
        if found and parts[-1] in STATUSES:
            return found
    return None


def _ended(parts: list[str]) -> str | None:
    for before, word in zip(["", *parts], parts, strict=False):
        if word in STATUSES and before not in _NOT:
            return STATUSES[word]
    return None


def seller(text: str | None) -> tuple[str | None, int | None]:
    """User name (spaces and hyphens are part of it) and reputation (may be negative)."""
    reputation = None
    rest = text or ""
    for found in _SELLER.finditer(rest):
        if found.group("reputation"):
            reputation = number(found.group("reputation"))
    name = _SELLER.sub("", rest).strip()
    return name or None, reputation


def number(text: str | None) -> int | None:
    """The first whole number in a text, or None."""
    found = _REPUTATION.search(text or "")
    if not found or len(found.group()) > LONGEST_NUMBER:
        return None
    digits = int(found.group().replace(",", "").replace("\u2212", "-"))
    return digits if abs(digits) <= GREATEST_REPUTATION else None


def regions(text: str | None) -> tuple[str, ...]:
    """Regions an ad is sent to, without repeats, in the ad's order."""
    parts = (part.strip() for part in re.split(r"[,;/|\n]", text or ""))
    return tuple(dict.fromkeys(part for part in parts if part))


def when(text: str | None) -> datetime | None:
    """An instant in UTC (ISO 8601 or seconds since 1970); one without a zone is read as UTC."""
    value = (text or "").strip()
    try:
        if _EPOCH.match(value):
            seconds = int(value)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 10**10 else seconds, UTC)
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
