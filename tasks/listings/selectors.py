"""The selectors of a site's row (pure): where on a list page things stand.

Each is a CSS selector inside a card (``card`` and ``next``: in the page).  Its value is the
element's text, or with ``@name`` at the end that attribute: ``time@datetime``.  ``link``, ``image``,
``listed`` and ``edited`` have default attributes; without a datetime the text of the last two is used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from workers.upstreams import cleaned

#: Selectors by name, and what each finds; the database knows the same names.
NAMES = {
    "card": "one listing on a list page",
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
#: Their text is used when the default attribute is missing.
OR_TEXT = frozenset({"listed", "edited"})
#: The database removes the same; an @ elsewhere belongs to the CSS.
_ATTRIBUTE = re.compile(r"@\s*([A-Za-z][A-Za-z0-9_:-]*)\s*$", re.ASCII)
_EMPTY = LexborHTMLParser("<html></html>")


@dataclass(frozen=True, slots=True)
class Selector:
    """An element, and the attribute to read (None: its text)."""

    css: str
    attribute: str | None
    #: Whether to use the text where the attribute is missing.
    or_text: bool = False


Selectors = Mapping[str, Selector]


def parse(stored: Mapping[str, Any]) -> dict[str, Selector]:
    """Selectors of a site's row; ValueError says what is wrong with each that cannot be used."""
    problems = [f'selector "{name}" is missing' for name in REQUIRED if name not in stored]
    for name, value in stored.items():
        if name not in NAMES:
            problems.append(f'there is no selector "{name}"; known: {", ".join(NAMES)}')
        elif not isinstance(value, str) or not _is_css(_selector(name, value).css):
            problems.append(f'selector "{name}" = {value!r} is not CSS')
    if problems:
        raise ValueError("; ".join(problems))
    return {name: _selector(name, value) for name, value in stored.items()}


def _selector(name: str, value: str) -> Selector:
    named = _ATTRIBUTE.search(value)
    if named:
        return Selector(value[: named.start()].strip(), named.group(1))
    return Selector(value.strip(), DEFAULT_ATTRIBUTES.get(name), name in OR_TEXT)


def _is_css(css: str) -> bool:
    try:
        _EMPTY.css_first(css)
    except SelectolaxError:
        return False
    return True


def value(node: LexborNode, selector: Selector | None) -> str | None:
    """Text or attribute of the first element that ``selector`` finds; None when there is none."""
    found = node.css_first(selector.css) if selector is not None else None
    if found is None or selector is None:
        return None
    raw = found.attributes.get(selector.attribute) if selector.attribute else None
    if raw is None and (selector.or_text or not selector.attribute):
        raw = found.text(separator=" ")
    return fold(raw)


def fold(text: str | None) -> str | None:
    return cleaned(text or "") or None
