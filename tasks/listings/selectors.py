"""The language of `site.selectors` (pure): where on a list page things stand.

Each value is a CSS selector, looked up inside a card (``card`` and ``next``: in the page).  It gives
the element's text; with ``@name`` at its end it gives that attribute: ``time@datetime``.  Without
one, ``link`` gives href, ``image`` src, ``listed`` and ``edited`` datetime (or, where that is missing,
the text).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from workers.text import cleaned

#: Every name a site may give, and what it is for; the database knows the same names.
NAMES = {
    "card": "one ad on a list page",
    "title": "its title",
    "link": "its address (default: the card itself, or its first link)",
    "id": "its number (default: from the address, by site.id_pattern)",
    "price": "its price with the currency",
    "type": "For Sale, Want To Buy …",
    "image": "its picture",
    "seller": "who sells, with the reputation in brackets",
    "reputation": "the seller's reputation, where it stands apart",
    "condition": "its condition",
    "negotiability": "whether the price is firm",
    "ships_to": "regions it is sent to",
    "fields": "pairs of dt and dd named Condition, Price negotiability, Ships to",
    "listed": "when it was listed",
    "edited": "when it was last edited",
    "overlay": "Sold, Closed or Traded over its picture",
    "next": "link to the next page",
}
REQUIRED = ("card", "title")
DEFAULT_ATTRIBUTES = {"link": "href", "image": "src", "listed": "datetime", "edited": "datetime"}
#: Where the text will do when the default attribute is missing.
OR_TEXT = frozenset({"listed", "edited"})
#: The database cuts the same off; an @ elsewhere is the CSS's own.
_ATTRIBUTE = re.compile(r"@\s*([A-Za-z][A-Za-z0-9_:-]*)\s*$", re.ASCII)
_EMPTY = LexborHTMLParser("<html></html>")


@dataclass(frozen=True, slots=True)
class Selector:
    """Where something stands: the element, and the attribute to read (None: its text)."""

    css: str
    attribute: str | None
    #: Whether the text will do where the attribute is missing.
    or_text: bool = False


Selectors = Mapping[str, Selector]


def read(stored: Mapping[str, Any]) -> dict[str, Selector]:
    """Selectors of a site's row; ValueError with a sentence for each that cannot be used."""
    found = problems(stored)
    if found:
        raise ValueError("; ".join(found))
    return {name: _selector(name, value) for name, value in stored.items()}


def problems(stored: Mapping[str, Any]) -> list[str]:
    """What is wrong with a site's selectors, as sentences; nothing when they can be used."""
    found = [f'selector "{name}" is missing' for name in REQUIRED if name not in stored]
    for name, value in stored.items():
        if name not in NAMES:
            found.append(f'there is no selector "{name}"; known: {", ".join(NAMES)}')
        elif not isinstance(value, str) or not _parses(_selector(name, value).css):
            found.append(f'selector "{name}" = {value!r} is not CSS')
    return found


def _selector(name: str, value: str) -> Selector:
    named = _ATTRIBUTE.search(value)
    if named:
        return Selector(value[: named.start()].strip(), named.group(1))
    return Selector(value.strip(), DEFAULT_ATTRIBUTES.get(name), name in OR_TEXT)


def _parses(css: str) -> bool:
    try:
        _EMPTY.css_first(css)
    except SelectolaxError:
        return False
    return True


def first(node: LexborNode, selector: Selector | None) -> LexborNode | None:
    """The first element inside ``node`` that ``selector`` names."""
    return node.css_first(selector.css) if selector is not None else None


def value(node: LexborNode, selector: Selector | None) -> str | None:
    """Text or attribute of that element, white space folded; None when there is none."""
    found = first(node, selector)
    if found is None or selector is None:
        return None
    raw = found.attributes.get(selector.attribute) if selector.attribute else None
    if raw is None and (selector.or_text or not selector.attribute):
        raw = found.text(separator=" ")
    return fold(raw)


def fold(text: str | None) -> str | None:
    """Cleaned: one line of what can be seen, in NFC; None when nothing is left."""
    return cleaned(text or "") or None
