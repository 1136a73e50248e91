"""Stores a page of listings: new and changed rows, prices and statuses over time.

Storing the same page again changes only ``last_seen_at``.  What a card does not say stays as stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tasks.listings import listing_prices, listing_statuses, listings, text_fields
from tasks.listings.cards import Card
from tasks.listings.expiry import is_recent

NEW, PRICE_DROP, RELISTED, CHANGED = "new", "price_drop", "relisted", "changed"
EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Finding:
    listing_id: int
    trigger: str
    #: The stored row before; None for a new listing.
    before: Mapping[str, Any] | None = None

    @property
    def old_price(self) -> Decimal | None:
        """The earlier price, for a price drop."""
        return self.before["price"] if self.before and self.trigger == PRICE_DROP else None


@dataclass(frozen=True, slots=True)
class Stored:
    """Numbers of listings that were new or changed, of prices recorded, and the findings."""

    new: int
    changed: int
    price_changes: int
    findings: tuple[Finding, ...]


def store_page(
    connection: Connection,
    site: str,
    category: int,
    cards: Sequence[Card],
    currency: str,
    *,
    since: datetime | None = None,
) -> Stored:
    """Write a page of listings; unknown ones last touched before ``since`` are left out."""
    by_id = {card.external_id: card for card in cards}
    before = listings.lock(connection, site, sorted(by_id))
    kept = {
        number: merged(before.get(number), card, currency)
        for number, card in by_id.items()
        if number in before or since is None or is_recent(card, since)
    }
    changed = {
        number: row
        for number, row in kept.items()
        if number not in before or any(before[number][c] != row[c] for c in listings.CARD_COLUMNS)
    }
    keys = listings.upsert(connection, site, category, list(changed.values()))
    listings.mark_seen(connection, site, category, sorted(kept.keys() - changed.keys()))
    written = sorted(keys.values())
    listing_statuses.record(connection, written)
    findings = tuple(
        Finding(keys[number], _trigger(before.get(number), row), before.get(number))
        for number, row in changed.items()
    )
    return Stored(
        new=len(changed.keys() - before.keys()),
        changed=len(changed.keys() & before.keys()),
        price_changes=listing_prices.record(connection, written),
        findings=findings,
    )


def merged(old: Mapping[str, Any] | None, card: Card, currency: str) -> dict[str, Any]:
    """The listing's row after ``card``; ``currency`` is that of a price which names none."""
    given: dict[str, Any] = {
        name: getattr(card, name)
        for name in listings.CARD_COLUMNS
        if name not in {"regions", "currency"}
    }
    given["currency"] = card.currency or (None if card.price_text else currency)
    if card.price is None:
        given["currency"] = None
    given["regions"] = list(card.regions) or None
    if text_fields.label_status(card.listing_type):
        # "Sold" in place of the type is a status and not a type.
        given["listing_type"] = None
    row: dict[str, Any] = {"external_id": card.external_id}
    for name in listings.CARD_COLUMNS:
        value = given[name]
        row[name] = value if value is not None or old is None else old[name]
    if card.price is not None:
        # They belong to the price: those of an earlier price do not apply to this one.
        row["currency"], row["price_text"] = given["currency"], given["price_text"]
    if card.is_estimated and old is not None and old["listed_at"] is not None:
        # The first estimate is the nearest, and each would be another.
        row["listed_at"] = old["listed_at"]
    row["regions"] = row["regions"] or []
    return row


def _trigger(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str:
    if old is None or (old["category_id"] is None and old["status"] == EXPIRED):
        # It expired because its category was removed, and nobody looked at it until now.
        return NEW
    if old["status"] != text_fields.ACTIVE and new["status"] == text_fields.ACTIVE:
        return RELISTED
    # Prices in different or unknown currencies cannot be compared.
    known = None not in (old["price"], new["price"], new["currency"])
    is_lower = known and old["currency"] == new["currency"] and new["price"] < old["price"]
    # Any change may make rules fit: it has a price at last, another title, or is sold.
    return PRICE_DROP if is_lower else CHANGED
