"""A page of ads into the tables: what is new, what changed, what prices and statuses became.

The same page again changes nothing but ``last_seen_at``.  What a card does not say leaves what is
known as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tasks.listings import listing_prices, listing_statuses, listings, text_fields
from tasks.listings.cards import Card
from tasks.listings.expiry import is_recent

NEW, PRICE_DROP, RELISTED = "new", "price_drop", "relisted"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about an ad that a person may want to hear of."""

    listing_id: int
    trigger: str
    #: The price before, for one that fell.
    old_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a page did."""

    seen: int
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
    """Write a page of ads; unknown ones last touched before ``since`` are left alone."""
    by_id = {card.external_id: card for card in cards}
    before = listings.known(connection, site, sorted(by_id))
    taken = {
        number: merged(before.get(number), card, currency)
        for number, card in by_id.items()
        if number in before or since is None or is_recent(card, since)
    }
    changed = {
        number: row
        for number, row in taken.items()
        if number not in before or differs(before[number], row)
    }
    keys = listings.put(connection, site, category, list(changed.values()))
    listings.seen(connection, site, category, sorted(taken))
    written = sorted(keys.values())
    listing_statuses.keep(connection, written)
    findings = tuple(
        Finding(keys[number], trigger, before[number]["price"] if trigger == PRICE_DROP else None)
        for number, row in changed.items()
        if (trigger := trigger_of(before.get(number), row)) is not None
    )
    return Stored(
        seen=len(taken),
        new=len(changed.keys() - before.keys()),
        changed=len(changed.keys() & before.keys()),
        price_changes=listing_prices.keep(connection, written),
        findings=findings,
    )


def merged(old: Mapping[str, Any] | None, card: Card, currency: str) -> dict[str, Any]:
    """The ad's row after ``card``; ``currency`` is that of a price which names none."""
    told: dict[str, Any] = {
        name: getattr(card, name) for name in listings.TOLD if name not in {"regions", "currency"}
    }
    told["currency"] = card.currency or (None if card.price_text else currency)
    if card.price is None:
        told["currency"] = None
    told["regions"] = list(card.regions) or None
    if text_fields.label_status(card.listing_type):
        # "Sold" where the type stood says what became of the ad, not what it was.
        told["listing_type"] = None
    row: dict[str, Any] = {"external_id": card.external_id}
    for name in listings.TOLD:
        value = told[name]
        row[name] = value if value is not None or old is None else old[name]
    if card.price is not None:
        # They belong to the price: what was known of another one says nothing of this.
        row["currency"], row["price_text"] = told["currency"], told["price_text"]
    row["regions"] = row["regions"] or []
    return row


def differs(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether anything that an ad tells is another."""
    return any(old[name] != new[name] for name in listings.TOLD)


def trigger_of(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str | None:
    """What a person may want to hear of: a new ad, a lower price, an ad that is back."""
    if old is None:
        return NEW
    if old["status"] != text_fields.ACTIVE and new["status"] == text_fields.ACTIVE:
        return RELISTED
    # What is not known is not the same: 500 of one currency is no drop from 900 of another.
    known = None not in (old["price"], new["price"], new["currency"])
    is_lower = known and old["currency"] == new["currency"] and new["price"] < old["price"]
    return PRICE_DROP if is_lower else None
