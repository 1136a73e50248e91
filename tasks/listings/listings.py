"""`listing`: every ad ever seen, with its latest state."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Connection,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime, Integer, Numeric

from tasks.listings.expiry import Coverage
from workers.db import Base


class Listing(Base):
    """One ad, by the site's own number."""

    __tablename__ = "listing"
    __table_args__ = (
        CheckConstraint(
            "status in ('active', 'sold', 'closed', 'traded', 'expired', 'deleted')",
            name="status is one of those in the comment",
        ),
        CheckConstraint("price > 0", name="price must be more than nothing"),
        UniqueConstraint("site", "external_id"),
        Index("listing_by_category", "category_id", "last_seen_at"),
        Index("listing_by_first_seen", "first_seen_at"),
        Index("listing_by_last_seen", "last_seen_at"),
        {"comment": "Every ad ever seen, with its latest state."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="Key")
    site: Mapped[str] = mapped_column(Text, ForeignKey("site.name", ondelete="CASCADE"), comment="Site")
    external_id: Mapped[str] = mapped_column(Text, comment="The site's own number")
    category_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("category.id", ondelete="SET NULL"), comment="Category it was found in"
    )
    title: Mapped[str] = mapped_column(Text, comment="Title")
    url: Mapped[str] = mapped_column(Text, comment="Address of the ad")
    image_url: Mapped[str | None] = mapped_column(Text, comment="Address of its picture")
    listing_type: Mapped[str | None] = mapped_column(Text, comment="For Sale, Want To Buy …")
    price: Mapped[Decimal | None] = mapped_column(Numeric(14, 2), comment="Price asked")
    currency: Mapped[str | None] = mapped_column(
        Text, comment="Currency (ISO 4217); null beside a price: one that is not known"
    )
    price_text: Mapped[str | None] = mapped_column(
        Text, comment="The price as the ad writes it, where its currency is not known"
    )
    condition: Mapped[str | None] = mapped_column(Text, comment="Condition")
    negotiability: Mapped[str | None] = mapped_column(Text, comment="Firm, Or best offer …")
    ships_to: Mapped[str | None] = mapped_column(Text, comment="Where it is sent, as the ad says")
    regions: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{}'"), comment="The same, region by region"
    )
    seller: Mapped[str | None] = mapped_column(Text, comment="Seller's user name")
    seller_reputation: Mapped[int | None] = mapped_column(Integer, comment="Seller's reputation")
    status: Mapped[str] = mapped_column(
        Text,
        server_default=text("'active'"),
        comment="active | sold | closed | traded | expired | deleted",
    )
    listed_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When the seller listed it"
    )
    edited_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When the seller last edited it"
    )
    missed_scrapes: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Complete scrapes in a row that covered its place without it"
    )
    first_seen_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="First seen"
    )
    changed_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Last change seen"
    )
    last_seen_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Last seen"
    )


#: What a card tells of an ad, by column.
TOLD = (
    "title", "url", "image_url", "listing_type", "price", "currency", "price_text", "condition",
    "negotiability", "ships_to", "regions", "seller", "seller_reputation", "status", "listed_at",
    "edited_at",
)  # fmt: skip

#: Rows that one statement writes: each has some 20 parameters, and 65,535 are too many.
A_STATEMENT = 1000

_KNOWN = text(f"""
select id, external_id, {", ".join(TOLD)}
  from listing where site = :site and external_id = any(:ids) order by external_id for update
""")  # noqa: S608 - our own column names


def known(connection: Connection, site: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Ads of these numbers as they are stored, locked."""
    rows = connection.execute(_KNOWN, {"site": site, "ids": ids}).mappings()
    return {row["external_id"]: dict(row) for row in rows}


def put(connection: Connection, site: str, category: int, rows: list[dict[str, Any]]) -> dict[str, int]:
    """Write these ads as they are now; returns their keys by the site's number."""
    keys: dict[str, int] = {}
    for start in range(0, len(rows), A_STATEMENT):
        keys |= _put(connection, site, category, rows[start : start + A_STATEMENT])
    return keys


def _put(
    connection: Connection, site: str, category: int, rows: list[dict[str, Any]]
) -> dict[str, int]:
    values = [{"site": site, "category_id": category, **row} for row in rows]
    statement = insert(Listing).values(values)
    changes: dict[str, Any] = {name: getattr(statement.excluded, name) for name in TOLD}
    changes["category_id"] = text("coalesce(listing.category_id, excluded.category_id)")
    changes["changed_at"] = text("clock_timestamp()")
    written = connection.execute(
        statement.on_conflict_do_update(index_elements=["site", "external_id"], set_=changes).returning(
            Listing.external_id, Listing.id
        )
    )
    return {row.external_id: row.id for row in written}


_SEEN = text("""
update listing
   set last_seen_at = clock_timestamp(), missed_scrapes = 0,
       category_id = case when exists (select from category k where k.parent_id = :category)
                          then coalesce(category_id, :category) else :category end
 where site = :site and external_id = any(:ids)
""")


def seen(connection: Connection, site: str, category: int, ids: list[str]) -> None:
    """These ads were there; those of another category have moved, unless this is a parent."""
    connection.execute(_SEEN, {"site": site, "category": category, "ids": ids})


_TIMES = text("""
select l.listed_at, l.edited_at
  from unnest(cast(:ids as text[])) with ordinality as shown(external_id, place)
  join listing l on l.site = :site and l.external_id = shown.external_id
 order by shown.place
""")


def times(connection: Connection, site: str, ids: list[str]) -> list[Any]:
    """When these ads were listed and edited, in the order given."""
    return list(connection.execute(_TIMES, {"site": site, "ids": ids}))


_MISSED = text("""
update listing
   set missed_scrapes = missed_scrapes + 1,
       status = case when missed_scrapes + 1 >= :limit then 'expired' else status end,
       changed_at = case when missed_scrapes + 1 >= :limit then clock_timestamp() else changed_at end
 where category_id = :category and status = 'active' and last_seen_at < :began
   and (:whole
        or case when :by_touched then greatest(edited_at, listed_at) else listed_at end > :below)
returning id, status
""")


def miss(
    connection: Connection, category: int, began: datetime, covered: Coverage, limit: int
) -> list[int]:
    """Count a complete scrape against active ads that it covered and did not see.

    Those missed ``limit`` times in a row expire; their keys are returned.
    """
    rows = connection.execute(
        _MISSED,
        {
            "category": category, "began": began, "limit": limit, "whole": covered.whole,
            "by_touched": covered.by_touched, "below": covered.below,
        },
    )  # fmt: skip
    return [row.id for row in rows if row.status == "expired"]
