"""When an ad was posted, as pages write it for people (pure): "Nov 30, 2026", "2 days ago".

A date without a zone is UTC.  Numbers alone ("11/12/2026") may mean two days and are not read.
"""

import re
from datetime import UTC, datetime, timedelta

#: Characters of a text that are read.
MAX_LENGTH = 100
#: By their first three letters, English and German.
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "mär": 3, "apr": 4, "may": 5, "mai": 5, "jun": 6, "jul": 7,
    "aug": 8, "sep": 9, "oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12,
}  # fmt: skip
_MONTH = rf"(?P<month>(?:{'|'.join(_MONTHS)})[a-zä]{{0,6}})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_CLOCK = r"(?:,?\s+(?:at\s+)?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::\d\d)?(?:\s*(?P<half>[ap])\.?m\b)?)?"
_DATES = tuple(
    re.compile(rf"(?<![\w.-]){date}(?!\w){_CLOCK}", re.IGNORECASE)
    for date in (
        rf"{_MONTH}\s+{_DAY},?\s+{_YEAR}",
        rf"{_DAY}\s+{_MONTH},?\s+{_YEAR}",
        rf"(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?{_YEAR}",
    )
)
_UNITS = {
    "s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1),
    "d": timedelta(days=1), "w": timedelta(weeks=1), "mo": timedelta(days=30),
    "y": timedelta(days=365),
}  # fmt: skip
_PART = re.compile(
    r"\b(\d{1,4}|an?|one)\+?\s*(s(?=ec|\b)|mo(?=n|s?\b)|m(?=in|\b)|h(?=our|rs?\b|\b)|d(?=ay|\b)|w(?=eek|ks?\b|\b)"
    r"|y(?=ear|rs?\b|\b))[a-z]*\.?[,\s]*(?:and\s+)?",
    re.IGNORECASE,
)
_AGO = re.compile(rf"((?:{_PART.pattern})+)ago\b", re.IGNORECASE)
_DAY_WORD = re.compile(r"\b(?P<word>just\s+now|today|yesterday)\b", re.IGNORECASE)
_DAYS_BACK = {"today": 0, "yesterday": 1}


def dated(text: str) -> datetime | None:
    """The instant that a written date names, in UTC; without a time of day its first."""
    for pattern in _DATES:
        if found := pattern.search(text[:MAX_LENGTH]):
            part = found.groupdict()
            month = _MONTHS.get(part["month"][:3].lower()) or int(part["month"])
            hour, minute = int(part["hour"] or 0), int(part["minute"] or 0)
            if half := part["half"]:
                hour = hour % 12 + (12 if half.lower() == "p" else 0)
            return datetime(int(part["year"]), month, int(part["day"]), hour, minute, tzinfo=UTC)
    return None


def relative(text: str | None, now: datetime) -> datetime | None:
    """About when "2 days ago" or "yesterday" was, seen from ``now``."""
    try:
        text = (text or "")[:MAX_LENGTH]
        if found := _AGO.search(text):
            parts = _PART.findall(found[1])
            past = sum(
                ((int(n) if n.isdigit() else 1) * _UNITS[unit.lower()] for n, unit in parts),
                timedelta(),
            )
            return now - past
    except OverflowError:
        return None
    if found := _DAY_WORD.search(text):
        back = _DAYS_BACK.get(found["word"].lower())
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return now if back is None else midnight - timedelta(days=back)
    return None
