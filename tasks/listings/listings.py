"""`listing`: every listing ever seen, with its latest state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Connection,
    ForeignKey,
    Index,
    UniqueConstraint,
    case,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Numeric

from tasks.listings.categories import Category
from tasks.listings.expiry import Coverage, Dated
from workers.db import Base, DefaultNow, RowId


class Listing(Base):
    """One listing, by the site's own number."""

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

    id: Mapped[RowId]
    site: Mapped[str] = mapped_column(ForeignKey("site.name", ondelete="CASCADE"), comment="Site")
    external_id: Mapped[str] = mapped_column(comment="The site's own number")
    category_id: Mapped[int | None] = mapped_column(
        ForeignKey("category.id", ondelete="SET NULL"), comment="Category it was found in"
    )
    title: Mapped[str] = mapped_column(comment="Title")
    url: Mapped[str] = mapped_column(comment="Address of the ad")
    image_url: Mapped[str | None] = mapped_column(comment="Address of its picture")
    listing_type: Mapped[str | None] = mapped_column(comment="For Sale, Want To Buy …")
    price: Mapped[Decimal | None] = mapped_column(Numeric(14, 2), comment="Price asked")
    currency: Mapped[str | None] = mapped_column(
        comment="Currency (ISO 4217); null beside a price: one that is not known"
    )
    price_text: Mapped[str | None] = mapped_column(
        comment="The price as the ad writes it, where its currency is not known"
    )
    condition: Mapped[str | None] = mapped_column(comment="Condition")
    negotiability: Mapped[str | None] = mapped_column(comment="Firm, Or best offer …")
    ships_to: Mapped[str | None] = mapped_column(comment="Where it is sent, as the ad says")
    regions: Mapped[list[str]] = mapped_column(
        server_default=text("'{}'"), comment="The same, region by region"
    )
    seller: Mapped[str | None] = mapped_column(comment="Seller's user name")
    seller_reputation: Mapped[int | None] = mapped_column(comment="Seller's reputation")
    status: Mapped[str] = mapped_column(
        server_default=text("'active'"),
        comment="active | sold | closed | traded | expired | deleted",
    )
    listed_at: Mapped[datetime | None] = mapped_column(comment="When the seller listed it")
    edited_at: Mapped[datetime | None] = mapped_column(comment="When the seller last edited it")
    missed_scrapes: Mapped[int] = mapped_column(
        server_default=text("0"),
        comment="Complete scrapes in a row that should have shown it and did not",
    )
    first_seen_at: Mapped[DefaultNow] = mapped_column(comment="First seen")
    changed_at: Mapped[DefaultNow] = mapped_column(comment="Last change seen")
    last_seen_at: Mapped[DefaultNow] = mapped_column(comment="Last seen")


#: Columns that a card on a list page gives.
CARD_COLUMNS = (
    "title", "url", "image_url", "listing_type", "price", "currency", "price_text", "condition",
    "negotiability", "ships_to", "regions", "seller", "seller_reputation", "status", "listed_at",
    "edited_at",
)  # fmt: skip
#: A row has some 20 parameters, and a statement may have 65,535.
MAX_ROWS_PER_STATEMENT = 1000


def lock(connection: Connection, site: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Stored rows of these listings by the site's number; they are locked."""
    columns = [Listing.__table__.c[name] for name in ("id", "external_id", *CARD_COLUMNS)]
    rows = connection.execute(
        select(*columns)
        .where(Listing.site == site, Listing.external_id == func.any(ids))
        .order_by(Listing.external_id)
        .with_for_update()
    ).mappings()
    return {row["external_id"]: dict(row) for row in rows}


def upsert(
    connection: Connection, site: str, category: int, rows: Sequence[dict[str, Any]]
) -> dict[str, int]:
    keys: dict[str, int] = {}
    for start in range(0, len(rows), MAX_ROWS_PER_STATEMENT):
        part = rows[start : start + MAX_ROWS_PER_STATEMENT]
        new = insert(Listing).values([{"site": site, "category_id": category, **row} for row in part])
        changes: dict[str, Any] = {name: new.excluded[name] for name in CARD_COLUMNS}
        changes["category_id"] = func.coalesce(Listing.category_id, new.excluded.category_id)
        changes["changed_at"] = func.clock_timestamp()
        written = connection.execute(
            new.on_conflict_do_update(index_elements=["site", "external_id"], set_=changes).returning(
                Listing.external_id, Listing.id
            )
        )
        keys |= {row.external_id: row.id for row in written}
    return keys


def mark_seen(connection: Connection, site: str, category: int, ids: list[str]) -> None:
    """Set these listings as seen now; they move to this category unless it is a parent."""
    is_parent = select(Category.id).where(Category.parent_id == category).exists()
    connection.execute(
        update(Listing)
        .where(Listing.site == site, Listing.external_id == func.any(ids))
        .values(
            last_seen_at=func.clock_timestamp(),
            missed_scrapes=0,
            category_id=case((is_parent, func.coalesce(Listing.category_id, category)), else_=category),
        )
    )


def dates(connection: Connection, site: str, ids: list[str]) -> list[Dated]:
    rows = connection.execute(
        select(Listing.external_id, Listing.listed_at, Listing.edited_at).where(
            Listing.site == site, Listing.external_id == func.any(ids)
        )
    )
    by_id: dict[str, Any] = {row.external_id: row for row in rows}
    return [by_id[number] for number in ids if number in by_id]


def count_missed(
    connection: Connection, category: int, began: datetime, covered: Coverage, limit: int
) -> list[int]:
    """Count a complete scrape against active listings that it covered and did not see.

    Those missed ``limit`` times in a row expire; their keys are returned.
    """
    missed = Listing.missed_scrapes + 1
    unseen = [
        Listing.category_id == category,
        Listing.status == "active",
        Listing.last_seen_at < began,
    ]
    if not covered.whole:
        touched = func.greatest(Listing.edited_at, Listing.listed_at)
        unseen.append((touched if covered.by_touched else Listing.listed_at) > covered.below)
    rows = connection.execute(
        update(Listing)
        .where(*unseen)
        .values(
            missed_scrapes=missed,
            status=case((missed >= limit, "expired"), else_=Listing.status),
            changed_at=case((missed >= limit, func.clock_timestamp()), else_=Listing.changed_at),
        )
        .returning(Listing.id, Listing.status)
    )
    return [row.id for row in rows if row.status == "expired"]
