"""Listings on a list page, read by the selectors of its site (pure; selectolax)."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from tasks.listings import money, posted, text_fields
from tasks.listings.selectors import Selector, Selectors, fold, value

#: A path from the root without dot segments; anything else is for urljoin.
_PLAIN_PATH = re.compile(
    r"/(?!/)(?:(?!\.\.?(?:/|$))[\w.~%+:@!$&'()*,=-]*/)*(?!\.\.?$)[\w.~%+-]*$", re.ASCII
)
_CENTS = re.compile(r"\d\d$", re.ASCII)
MAX_TITLE = 500
MAX_TEXT = 200
MAX_URL = 2000
MAX_ID = 100
#: Names of Head-Fi's custom fields → ours; and parts of other sites' names.
FIELDS = {"condition": "condition", "price negotiability": "negotiability", "ships to": "ships_to"}
PARTS = {"condition": "condition", "negotiab": "negotiability", "ship": "ships_to"}


@dataclass(frozen=True, slots=True)
class Card:
    """One listing as a list page shows it; None: the page does not say."""

    external_id: str
    title: str
    url: str
    image_url: str | None = None
    listing_type: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    #: The price as the page writes it, when its currency is not known.
    price_text: str | None = None
    condition: str | None = None
    negotiability: str | None = None
    ships_to: str | None = None
    seller: str | None = None
    seller_reputation: int | None = None
    status: str = text_fields.ACTIVE
    listed_at: datetime | None = None
    #: Whether listed_at is an estimate: the page says how long ago that was.
    is_estimated: bool = False
    edited_at: datetime | None = None

    @property
    def regions(self) -> tuple[str, ...]:
        return text_fields.parse_regions(self.ships_to)


@dataclass(frozen=True, slots=True)
class Page:
    """A list page: its listings in order, the number of cards that could not be read, the next page."""

    cards: list[Card]
    unreadable: int
    next_url: str | None

    @property
    def is_estimated(self) -> bool:
        """Whether its times are those of the reading: they say nothing of the order of the list."""
        return any(card.is_estimated for card in self.cards)

    @property
    def dated(self) -> list[Card]:
        """The listings with the times that their order can be read from."""
        if not self.is_estimated:
            return self.cards
        return [replace(card, listed_at=None, edited_at=None) for card in self.cards]


def parse(
    html: str,
    base_url: str,
    selectors: Selectors,
    id_pattern: str,
    currency: str | None = None,
    now: datetime | None = None,
) -> Page:
    """Listings of a page; a card without number or title counts as unreadable.

    ``currency`` is the site's: a sign of several currencies ("$", "kr") then means this one.  Without
    ``now``, the time of reading, "2 days ago" is no time.
    """
    tree = LexborHTMLParser(html)
    number = re.compile(id_pattern)
    if (base := tree.css_first("base[href]")) is not None:
        base_url = _join(base_url, base.attributes.get("href")) or base_url
    found: dict[str, Card] = {}
    unreadable = 0
    for node in tree.css(selectors["card"].css):
        card = _card(node, base_url, selectors, number, currency, now)
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
    now: datetime | None,
) -> Card | None:
    url = _join(base, _href(node, selectors))
    external_id = value(node, selectors.get("id")) or _id_in(url, pattern)
    title = (value(node, selectors["title"]) or "")[:MAX_TITLE]
    if not external_id or not title or not url or len(external_id) > MAX_ID:
        return None
    fields, label = _fields(node, selectors), value(node, selectors.get("type"))
    kind = label[:MAX_TEXT] if label else None
    price_text = _price_text(node, selectors.get("price")).replace(label or "", "", 1)
    price = money.parse(price_text, currency)
    seller, reputation = text_fields.parse_seller(_text(node, selectors, "seller"))
    if "reputation" in selectors:
        reputation = text_fields.parse_number(value(node, selectors["reputation"]))
    listed_at, is_estimated = _listed_at(value(node, selectors.get("listed")), now)
    return Card(
        external_id=external_id,
        title=title,
        url=url,
        image_url=_join(base, value(node, selectors.get("image"))),
        listing_type=kind,
        price=price.amount if price else None,
        currency=price.currency if price else None,
        price_text=price_text.strip() if price is not None and price.is_unknown else None,
        condition=_text(node, selectors, "condition") or fields.get("condition"),
        negotiability=_text(node, selectors, "negotiability") or fields.get("negotiability"),
        ships_to=_text(node, selectors, "ships_to") or fields.get("ships_to"),
        seller=seller,
        seller_reputation=reputation,
        status=_status(node, selectors, kind, price_text, title),
        listed_at=listed_at,
        is_estimated=is_estimated,
        edited_at=text_fields.parse_time(value(node, selectors.get("edited"))),
    )


def _listed_at(text: str | None, now: datetime | None) -> tuple[datetime | None, bool]:
    """When it was listed, and whether that is an estimate."""
    exact = text_fields.parse_time(text)
    estimated = posted.relative(text, now) if exact is None and now is not None else None
    return exact or estimated, estimated is not None


def _status(
    node: LexborNode, selectors: Selectors, kind: str | None, price_text: str, title: str
) -> str:
    return (
        text_fields.label_status(value(node, selectors.get("overlay")))
        or text_fields.label_status(kind)
        or text_fields.class_status(node.attributes.get("class"))
        or text_fields.text_status(price_text)
        or text_fields.title_status(title)[0]
    )


def _price_text(node: LexborNode, selector: Selector | None) -> str:
    """The text with the price, without struck-through parts; raised digits are cents."""
    found = node.css_first(selector.css) if selector is not None else None
    if found is None or selector is None or selector.attribute:
        return value(node, selector) or ""
    if found.css_first("del, s, strike, sup") is None:
        return (fold(found.text(separator=" ")) or "")[: money.MAX_LENGTH]
    # One at a time: an element inside another one is gone with it and must not be touched again.
    while (struck := found.css_first("del, s, strike")) is not None:
        if struck.mem_id == found.mem_id:
            return ""
        struck.decompose()
    text = (fold(found.text(separator=" ")) or "")[: money.MAX_LENGTH]
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
    """The absolute address; None for one that is not http(s) or too long."""
    if not href:
        return None
    try:
        href = fold(href) or ""
        # Most links are plain paths, which urljoin would join 20 times slower.
        joined = _origin(base) + href if _PLAIN_PATH.match(href) else urljoin(base, href)
    except ValueError:
        return None
    is_web = joined.startswith(("https://", "http://")) and len(joined) <= MAX_URL
    return joined if is_web else None


def _id_in(url: str | None, pattern: re.Pattern[str]) -> str | None:
    found = pattern.search(urlsplit(url).path) if url else None
    return found.group(1) if found else None


def _text(node: LexborNode, selectors: Selectors, name: str) -> str | None:
    found = value(node, selectors.get(name))
    return found[:MAX_TEXT] if found else None


@lru_cache(maxsize=256)
def _field(name: str) -> tuple[str, bool] | None:
    """Our field for a site's field name, and whether the name matches exactly."""
    name = name.rstrip(": ").lower()
    if name in FIELDS:
        return FIELDS[name], True
    return next(((ours, False) for part, ours in PARTS.items() if part in name), None)


def _fields(node: LexborNode, selectors: Selectors) -> dict[str, str]:
    found: dict[str, str] = {}
    if "fields" in selectors:
        for pair in node.css(selectors["fields"].css):
            name, content = pair.css_first("dt"), pair.css_first("dd")
            ours = _field((fold(name.text()) or "")[:MAX_TEXT]) if name else None
            text = fold(content.text(separator=" ")) if content else None
            if ours and text and (ours[1] or ours[0] not in found):
                found[ours[0]] = text[:MAX_TEXT]
    return found
