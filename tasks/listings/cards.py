"""Ads on a page of a site, by the CSS selectors of its row (pure; selectolax)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from tasks.listings import money

#: Head-Fi (XenForo 2 with a classifieds add-on), as two independent public bots agree.
HEAD_FI = {
    "card": "a.hfcUserListing",
    "title": ".hfcListingTitle",
    "price": ".hfcPrice",
    "type": ".hfcPrice .label",
    "image": "img.hfcCoverImage--clear",
    "seller": ".hfcCreatorInfo",
    "fields": ".hfcCustomFields dl",
    "listed": ".hfcListingDate time",
    "edited": ".hfcLastEditDate time",
    "overlay": ".hfcOverlayGlobal--content",
    "next": "a.pageNav-jump--next",
}
_ID = re.compile(r"(?:\.|/)(\d+)/?$")
_SELLER = re.compile(
    r"(?:Listed by:\s*)?(?P<name>.*?)\s*(?:\((?P<reputation>-?[\d,]+)\))?\s*$", re.DOTALL
)
#: "Sold: …", "[SOLD] …", "SOLD!", but not "Closed-back headphones".
_ENDED = re.compile(r"^\s*[\[(*]*\s*(sold|closed|traded|withdrawn)\s*(?:[\])*:!]|$)", re.IGNORECASE)
STATUSES = {"sold": "sold", "closed": "closed", "traded": "traded", "withdrawn": "closed"}
LONGEST_TITLE = 500


@dataclass(frozen=True, slots=True)
class Card:
    """One ad as a list page shows it."""

    external_id: str
    title: str
    url: str
    image_url: str | None
    listing_type: str | None
    price: Decimal | None
    currency: str | None
    condition: str | None
    negotiability: str | None
    ships_to: tuple[str, ...]
    seller: str | None
    seller_reputation: int | None
    status: str
    listed_at: datetime | None
    edited_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """A list page: its ads and whether another follows."""

    cards: list[Card]
    has_next: bool


def parse(html: str, base_url: str, selectors: Mapping[str, str]) -> Page:
    """Ads of a page; a card without address or title is passed over."""
    tree = LexborHTMLParser(html)
    cards = []
    for node in tree.css(selectors["card"]):
        card = _card(node, base_url, selectors)
        if card is not None:
            cards.append(card)
    following = selectors.get("next")
    return Page(cards, bool(following and tree.css_first(following)))


def _card(node: LexborNode, base_url: str, selectors: Mapping[str, str]) -> Card | None:
    link = node if node.tag == "a" else node.css_first(selectors.get("link", "a"))
    href = (link.attributes.get("href") if link else None) or ""
    found = _ID.search(urlsplit(href).path)
    title = _text(node, selectors, "title")
    if not found or not title:
        return None
    fields = _fields(node, selectors)
    price = _price(node, selectors)
    seller, reputation = _seller(_text(node, selectors, "seller"))
    image = node.css_first(selectors["image"]) if "image" in selectors else None
    source = image.attributes.get("src") if image else None
    return Card(
        external_id=found.group(1),
        title=title[:LONGEST_TITLE],
        url=urljoin(base_url, href),
        image_url=urljoin(base_url, source) if source else None,
        listing_type=_text(node, selectors, "type"),
        price=price.amount if price else None,
        currency=price.currency if price else None,
        condition=fields.get("condition"),
        negotiability=fields.get("price negotiability"),
        ships_to=regions(fields.get("ships to", "")),
        seller=seller,
        seller_reputation=reputation,
        status=_status(_text(node, selectors, "overlay"), title),
        listed_at=_time(node, selectors, "listed"),
        edited_at=_time(node, selectors, "edited"),
    )


def _text(node: LexborNode, selectors: Mapping[str, str], name: str) -> str | None:
    found = node.css_first(selectors[name]) if name in selectors else None
    text = " ".join(found.text(separator=" ").split()).replace("\x00", "") if found else ""
    return text or None


def _price(node: LexborNode, selectors: Mapping[str, str]) -> money.Money | None:
    text = _text(node, selectors, "price") or ""
    label = _text(node, selectors, "type")
    return money.parse(text.replace(label, "", 1) if label else text)


def _fields(node: LexborNode, selectors: Mapping[str, str]) -> dict[str, str]:
    if "fields" not in selectors:
        return {}
    found = {}
    for pair in node.css(selectors["fields"]):
        name, value = pair.css_first("dt"), pair.css_first("dd")
        if name and value:
            found[name.text().strip().lower()] = " ".join(value.text().split())
    return found


def regions(text: str) -> tuple[str, ...]:
    """Regions an ad is sent to, as a list without repeats."""
    parts = (part.strip() for part in re.split(r"[,;/\n]", text))
    return tuple(dict.fromkeys(part for part in parts if part))


def _seller(text: str | None) -> tuple[str | None, int | None]:
    """User name (spaces and hyphens included) and reputation (may be negative)."""
    found = _SELLER.fullmatch(text or "")
    if not found:
        return None, None
    reputation = found.group("reputation")
    name = found.group("name").strip()
    return name or None, int(reputation.replace(",", "")) if reputation else None


def _status(overlay: str | None, title: str) -> str:
    for text in (overlay, title):
        found = _ENDED.match(text or "")
        if found:
            return STATUSES[found.group(1).lower()]
    return "active"


def _time(node: LexborNode, selectors: Mapping[str, str], name: str) -> datetime | None:
    """An instant with its zone; one without is read as UTC."""
    found = node.css_first(selectors[name]) if name in selectors else None
    value = found.attributes.get("datetime") if found else None
    try:
        when = datetime.fromisoformat(value or "")
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
