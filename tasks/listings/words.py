"""Words in ads (pure): is it sold, who sells, where to, since when."""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: Words that end an ad → its status.
STATUSES = {
    "sold": "sold", "closed": "closed", "withdrawn": "closed", "traded": "traded",
    "expired": "expired", "deleted": "deleted",
}  # fmt: skip
ACTIVE = "active"
_WORD = "(sold|closed|traded|withdrawn|expired)"
#: "Sold: …", "SOLD - …", "[SOLD] …", "SOLD!", but neither "Closed-back" nor "Soldier".
_BEFORE = re.compile(rf"^\W*{_WORD}\s*(?:[\])*:!]+\s*|\s[-\u2013\u2014|]\s+|$)", re.IGNORECASE)
#: "… (sold)", "… [SOLD]", "… - sold".
_AFTER = re.compile(
    rf"(?:[\[(*]+\s*{_WORD}\s*[\])*!]+|\s[-\u2013\u2014|:]\s*{_WORD}[\s!.]*$)", re.IGNORECASE
)
_LABEL = re.compile(r"^\W*(sold|closed|traded|withdrawn|expired|deleted)\W*$", re.IGNORECASE)
_SELLER = re.compile(
    r"^(?:listed\s+by|seller|posted\s+by|by)\s*:\s*|\s*\((?P<reputation>[-+\u2212]?[\d,]+)\)$",
    re.IGNORECASE,
)
_REPUTATION = re.compile(r"[-+\u2212]?\d[\d,]*")
_EPOCH = re.compile(r"^\d{9,10}(?:\d{3})?$")
#: No reputation is greater; the column takes no more.
GREATEST_REPUTATION = 2_000_000_000


def heading(text: str) -> tuple[str, str]:
    """Status and bare title of a heading: "Sold: Focal Clear" → ("sold", "Focal Clear")."""
    before = _BEFORE.match(text)
    if before:
        return STATUSES[before.group(1).lower()], text[before.end() :].strip() or text
    after = _AFTER.search(text)
    if after:
        return STATUSES[(after.group(1) or after.group(2)).lower()], text
    return ACTIVE, text


def label_status(text: str | None) -> str | None:
    """The status that an overlay or label says, None when it says none ("For Sale")."""
    found = _LABEL.match(text or "")
    return STATUSES[found.group(1).lower()] if found else None


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
    if not found:
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
