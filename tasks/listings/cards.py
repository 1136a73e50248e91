"""Ads on a list page, by the selectors of its site (pure; selectolax)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from tasks.listings import money, text_fields
from tasks.listings.selectors import Selector, Selectors, first, fold, value

#: A path from the root without dot segments; anything else is for urljoin.
_PLAIN_PATH = re.compile(
    r"/(?!/)(?:(?!\.\.?(?:/|$))[\w.~%+:@!$&'()*,=-]*/)*(?!\.\.?$)[\w.~%+-]*$", re.ASCII
)
_CENTS = re.compile(r"\d\d$", re.ASCII)
LONGEST_TITLE = 500
LONGEST_TEXT = 200
LONGEST_URL = 2000
LONGEST_ID = 100
#: Names of Head-Fi's own fields → ours, and what of such a name is enough.
FIELDS = {"condition": "condition", "price negotiability": "negotiability", "ships to": "ships_to"}
PARTS = {"condition": "condition", "negotiab": "negotiability", "ship": "ships_to"}


@dataclass(frozen=True, slots=True)
class Card:
    """One ad as a list page shows it; None: the page does not say."""

    external_id: str
    title: str
    url: str
    image_url: str | None = None
    listing_type: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    #: The price as the page writes it, where it names a currency that is not known.
    price_text: str | None = None
    condition: str | None = None
    negotiability: str | None = None
    ships_to: str | None = None
    seller: str | None = None
    seller_reputation: int | None = None
    status: str = text_fields.ACTIVE
    listed_at: datetime | None = None
    edited_at: datetime | None = None

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions it is sent to, one by one."""
        return text_fields.regions(self.ships_to)


@dataclass(frozen=True, slots=True)
class Page:
    """A list page: its ads in order, how many cards could not be read, whether another follows."""

    cards: list[Card]
    unreadable: int
    next_url: str | None


def parse(
    html: str, base_url: str, selectors: Selectors, id_pattern: str, currency: str | None = None
) -> Page:
    """Ads of a page; a card without number or title is counted and passed over.

    ``currency`` is the site's own, which a sign that several share ("$", "kr") then means.
    """
    tree = LexborHTMLParser(html)
    number = re.compile(id_pattern)
    stated = tree.css_first("base[href]")
    if stated is not None:
        base_url = _join(base_url, stated.attributes.get("href")) or base_url
    found: dict[str, Card] = {}
    unreadable = 0
    for node in tree.css(selectors["card"].css):
        card = _card(node, base_url, selectors, number, currency)
        if card is None:
            unreadable += 1
        else:
            found.setdefault(card.external_id, card)
    following = selectors.get("next")
    link = tree.css_first(following.css) if following else None
    href = link.attributes.get("href") if link is not None else None
    return Page(list(found.values()), unreadable, _join(base_url, href))


def _card(
    node: LexborNode,
    base: str,
    selectors: Selectors,
    pattern: re.Pattern[str],
    currency: str | None,
) -> Card | None:
    url = _join(base, _href(node, selectors))
    external_id = value(node, selectors.get("id")) or _number(url, pattern)
    title = (value(node, selectors["title"]) or "")[:LONGEST_TITLE]
    if not external_id or not title or not url or len(external_id) > LONGEST_ID:
        return None
    fields = _fields(node, selectors)
    label = value(node, selectors.get("type"))
    kind = label[:LONGEST_TEXT] if label else None
    asked = _asked(node, selectors.get("price"))
    asked = asked.replace(label, "", 1) if label else asked
    price = money.parse(asked, currency)
    seller, reputation = text_fields.seller(_text(node, selectors, "seller"))
    if "reputation" in selectors:
        reputation = text_fields.number(value(node, selectors["reputation"]))
    status = (
        text_fields.label_status(value(node, selectors.get("overlay")))
        or text_fields.label_status(kind)
        or text_fields.class_status(node.attributes.get("class"))
        or text_fields.text_status(asked)
        or text_fields.heading(title)[0]
    )
    return Card(
        external_id=external_id,
        title=title,
        url=url,
        image_url=_join(base, value(node, selectors.get("image"))),
        listing_type=kind,
        price=price.amount if price else None,
        currency=price.currency if price else None,
        price_text=asked.strip() if price is not None and price.is_unknown else None,
        condition=_text(node, selectors, "condition") or fields.get("condition"),
        negotiability=_text(node, selectors, "negotiability") or fields.get("negotiability"),
        ships_to=_text(node, selectors, "ships_to") or fields.get("ships_to"),
        seller=seller,
        seller_reputation=reputation,
        status=status,
        listed_at=text_fields.when(value(node, selectors.get("listed"))),
        edited_at=text_fields.when(value(node, selectors.get("edited"))),
    )


def _asked(node: LexborNode, selector: Selector | None) -> str:
    """The text with the price in it, without what is struck through; small cents are cents."""
    found = first(node, selector)
    if found is None or selector is None or selector.attribute:
        return value(node, selector) or ""
    if found.css_first("del, s, strike, sup") is None:
        return (fold(found.text(separator=" ")) or "")[: money.LONGEST]
    # One at a time: what stands inside another goes with it, and must not be touched afterwards.
    while (struck := found.css_first("del, s, strike")) is not None:
        if struck.mem_id == found.mem_id:
            return ""
        struck.decompose()
    text = (fold(found.text(separator=" ")) or "")[: money.LONGEST]
    for raised in found.css("sup"):
        cents = (fold(raised.text()) or "").lstrip(".,")
        if _CENTS.match(cents):
            text = re.sub(rf"(\d)[ .,]+{cents}(?!\d)", rf"\1.{cents}", text, count=1)
    return text


def _href(node: LexborNode, selectors: Selectors) -> str | None:
    if "link" in selectors:
        return value(node, selectors["link"])
    link = node if node.tag == "a" else node.css_first("a[href]")
    return link.attributes.get("href") if link is not None else None


@lru_cache(maxsize=64)
def _origin(base: str) -> str:
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"


def _join(base: str, href: str | None) -> str | None:
    """An address on the web, whole; None for what is none (javascript:, data:, too long)."""
    if not href:
        return None
    try:
        href = fold(href) or ""
        # Nearly every link is a plain path: urljoin would say the same at twenty times the price.
        joined = _origin(base) + href if _PLAIN_PATH.match(href) else urljoin(base, href)
    except ValueError:
        return None
    right = joined.startswith(("https://", "http://")) and len(joined) <= LONGEST_URL
    return joined if right else None


def _number(url: str | None, pattern: re.Pattern[str]) -> str | None:
    """The ad's number in its address; a query or a fragment is no part of it."""
    found = pattern.search(urlsplit(url).path) if url else None
    return found.group(1) if found else None


def _text(node: LexborNode, selectors: Selectors, name: str) -> str | None:
    found = value(node, selectors.get(name))
    return found[:LONGEST_TEXT] if found else None


@lru_cache(maxsize=256)
def _field(name: str) -> tuple[str, bool] | None:
    """Which of our fields a site's name means, and whether it is exactly that name."""
    name = name.rstrip(": ").lower()
    if name in FIELDS:
        return FIELDS[name], True
    return next(((ours, False) for part, ours in PARTS.items() if part in name), None)


def _fields(node: LexborNode, selectors: Selectors) -> dict[str, str]:
    found: dict[str, str] = {}
    if "fields" in selectors:
        for pair in node.css(selectors["fields"].css):
            name, content = pair.css_first("dt"), pair.css_first("dd")
            ours = _field((fold(name.text()) or "")[:LONGEST_TEXT]) if name else None
            text = fold(content.text(separator=" ")) if content else None
            if ours and text and (ours[1] or ours[0] not in found):
                found[ours[0]] = text[:LONGEST_TEXT]
    return found
