"""`listing`: every ad ever seen, with its latest state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, ForeignKey, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime, Numeric

from tasks.listings.cards import Card
from workers.db import Base


class Listing(Base):
    """One ad, by the site's own number."""

    __tablename__ = "listing"
    __table_args__ = (
        UniqueConstraint("site", "external_id"),
        Index("listing_by_category", "category_id", "last_seen_at"),
        Index("listing_by_first_seen", "first_seen_at"),
        {"comment": "Every ad ever seen, with its latest state."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="Key")
    site: Mapped[str] = mapped_column(Text, ForeignKey("site.name", ondelete="CASCADE"), comment="Site")
    external_id: Mapped[str] = mapped_column(Text, comment="The site's own number")
    category_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("category.id"), comment="Category it was found in"
    )
    title: Mapped[str] = mapped_column(Text, comment="Title")
    url: Mapped[str] = mapped_column(Text, comment="Address of the ad")
    image_url: Mapped[str | None] = mapped_column(Text, comment="Address of its picture")
    listing_type: Mapped[str | None] = mapped_column(Text, comment="For Sale, Want To Buy …")
    price: Mapped[Decimal | None] = mapped_column(Numeric(14, 2), comment="Price asked")
    currency: Mapped[str | None] = mapped_column(Text, comment="Currency (ISO 4217)")
    condition: Mapped[str | None] = mapped_column(Text, comment="Condition")
    negotiability: Mapped[str | None] = mapped_column(Text, comment="Firm, Or best offer …")
    ships_to: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{}'"), comment="Regions it is sent to"
    )
    seller: Mapped[str | None] = mapped_column(Text, comment="Seller's user name")
    seller_reputation: Mapped[int | None] = mapped_column(comment="Seller's reputation")
    status: Mapped[str] = mapped_column(
        Text, server_default=text("'active'"), comment="active | sold | closed | traded | expired"
    )
    listed_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When the seller listed it"
    )
    edited_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When the seller last edited it"
    )
    missed_scrapes: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Complete scrapes of its place that did not show it"
    )
    first_seen_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="First seen"
    )
    last_seen_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Last seen"
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a page did."""

    new: int
    changed: int
    price_changes: int


_KNOWN = text("""
select id, external_id, title, price, currency, status, listing_type, condition, negotiability,
       seller_reputation, edited_at
  from listing where site = :site and external_id = any(:ids) order by id for update
""")

_WATCHED = (
    "title", "price", "currency", "status", "listing_type", "condition", "negotiability",
    "seller_reputation", "edited_at",
)  # fmt: skip

_HISTORY = text("""
insert into listing_price (listing_id, price, currency)
select l.id, l.price, l.currency from listing l
 where l.site = :site and l.external_id = any(:ids) and l.price is not null
   and not exists (
       select from (select price, currency from listing_price p where p.listing_id = l.id
                     order by seen_at desc, id desc limit 1) latest
        where (latest.price, latest.currency) is not distinct from (l.price, l.currency))
""")


def store(
    connection: Connection, site: str, category_id: int | None, cards: Sequence[Card], currency: str
) -> Stored:
    """Write a page of ads; the same page again changes nothing but ``last_seen_at``."""
    by_id = {card.external_id: card for card in cards}
    if not by_id:
        return Stored(0, 0, 0)
    ids = sorted(by_id)
    known = {row.external_id: row for row in connection.execute(_KNOWN, {"site": site, "ids": ids})}
    rows = [{"site": site, "category_id": category_id, **_values(by_id[i], currency)} for i in ids]
    changed = sum(
        1 for row in rows if row["external_id"] in known and _differs(known[row["external_id"]], row)
    )
    statement = insert(Listing).values(rows)
    kept = {name for name in rows[0] if name not in {"site", "external_id", "category_id"}}
    changes: dict[str, Any] = {name: getattr(statement.excluded, name) for name in kept}
    # A card without a price says nothing about the price.
    changes["price"] = text("coalesce(excluded.price, listing.price)")
    changes["currency"] = text("coalesce(excluded.currency, listing.currency)")
    changes["last_seen_at"] = text("clock_timestamp()")
    changes["missed_scrapes"] = 0
    connection.execute(
        statement.on_conflict_do_update(index_elements=["site", "external_id"], set_=changes)
    )
    history = connection.execute(_HISTORY, {"site": site, "ids": ids}).rowcount
    new = len(rows) - len(known)
    return Stored(new, changed, history)


def _values(card: Card, currency: str) -> dict[str, Any]:
    return {
        "external_id": card.external_id,
        "title": card.title,
        "url": card.url,
        "image_url": card.image_url,
        "listing_type": card.listing_type,
        "price": card.price,
        "currency": card.currency or (currency if card.price is not None else None),
        "condition": card.condition,
        "negotiability": card.negotiability,
        "ships_to": list(card.ships_to),
        "seller": card.seller,
        "seller_reputation": card.seller_reputation,
        "status": card.status,
        "listed_at": card.listed_at,
        "edited_at": card.edited_at,
    }


def _differs(old: Any, new: dict[str, Any]) -> bool:
    return any(new[name] is not None and getattr(old, name) != new[name] for name in _WATCHED)


_IS_KNOWN = text("select exists (select from listing where site = :site)")


def any_known(connection: Connection, site: str) -> bool:
    """Whether the site was ever scraped: the first scrape is the thorough one."""
    return bool(connection.execute(_IS_KNOWN, {"site": site}).scalar_one())
