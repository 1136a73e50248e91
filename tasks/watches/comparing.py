"""Texts made alike before they are compared (pure): what nobody sees apart is the same."""

from __future__ import annotations

import re
import unicodedata

from workers.text import cleaned

_REGIONS = re.compile(r"[,;/|\n]")


def visible(text: str) -> str:
    """In NFC, without characters nobody sees; blanks at the ends stay, those inside are folded."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text
    inner = cleaned(text)
    if not inner:
        return " " if text else ""
    return f"{' ' * text[:1].isspace()}{inner}{' ' * text[-1:].isspace()}"


def folded(text: str) -> str:
    """The same without regard to case."""
    lower = visible(text).casefold()
    return lower if lower.isascii() else unicodedata.normalize("NFC", lower)


def regions(text: str) -> list[str]:
    """The regions of a list such as "CONUS, Canada", one by one."""
    return [part for part in map(str.strip, _REGIONS.split(text)) if part]
