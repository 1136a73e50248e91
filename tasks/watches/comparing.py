"""Texts are normalised before they are compared (pure)."""

from __future__ import annotations

import re
import unicodedata

from workers.upstreams import cleaned

_REGIONS = re.compile(r"[,;/|\n]")


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
    """The parts of a list such as "CONUS, Canada"."""
    return [part for part in map(str.strip, _REGIONS.split(text)) if part]
