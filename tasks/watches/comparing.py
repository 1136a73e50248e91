"""Texts are normalised before they are compared (pure)."""

import re
import unicodedata

from workers.upstreams import cleaned

_REGIONS = re.compile(r"[,;/|\n\u00b7\u2022\u3001\uff0c]")
#: Also inside of one name: "Bosnia and Herzegovina".
_AND = re.compile(r"\s(?:and|or|und|oder)\s|[&+]")


def visible(text: str) -> str:
    """The text in NFC, without invisible characters; inner blanks become one, outer blanks stay."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text
    inner = cleaned(text)
    if not inner:
        return " " if text else ""
    return f"{' ' * text[:1].isspace()}{inner}{' ' * text[-1:].isspace()}"


def folded(text: str) -> str:
    lower = visible(text).casefold()
    return lower if lower.isascii() else unicodedata.normalize("NFC", lower)


def regions(text: str) -> list[str]:
    """The parts of a folded list: "conus, canada"; "us and canada" is one, as are its two parts."""
    parts = _REGIONS.split(text)
    parts += [one for part in parts if _AND.search(part) for one in _AND.split(part)]
    return [part for part in map(str.strip, parts) if part]


def containing(part: str | None) -> str | None:
    """A pattern of LIKE for texts that contain ``part``; None: any text."""
    escaped = (part or "").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%" if part else None
