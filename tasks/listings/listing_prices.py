"""`listing_price`: prices of listings over time, one row a change."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from sqlalchemy import (
    Connection,
    Executable,
    ForeignKey,
    Index,
    Table,
    bindparam,
    func,
    insert,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Numeric

from tasks.listings.listings import Listing
from workers.db import Base, DefaultNow, RowId


class ListingPrice(Base):
    __tablename__ = "listing_price"
    __table_args__ = (
        Index("listing_price_by_listing", "listing_id", "seen_at"),
        {"comment": "Prices of ads over time, one row a change."},
    )

    id: Mapped[RowId]
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), comment="Ad")
    price: Mapped[Decimal] = mapped_column(Numeric(14, 2), comment="Price asked")
    currency: Mapped[str | None] = mapped_column(comment="Currency (ISO 4217)")
    seen_at: Mapped[DefaultNow] = mapped_column(comment="Since")


def _make_record() -> Executable:
    latest = (
        select(ListingPrice.price, ListingPrice.currency)
        .where(ListingPrice.listing_id == Listing.id)
        .order_by(ListingPrice.seen_at.desc(), ListingPrice.id.desc())
        .limit(1)
        .lateral("latest")
    )
    changed = (
        select(Listing.id, Listing.price, Listing.currency)
        .outerjoin(latest, true())
        .where(
            Listing.id == func.any(bindparam("ids")),
            Listing.price.is_not(None),
            or_(
                Listing.price.is_distinct_from(latest.c.price),
                Listing.currency.is_distinct_from(latest.c.currency),
            ),
        )
        .order_by(Listing.id)
    )
    columns = ["listing_id", "price", "currency"]
    added = insert(cast("Table", ListingPrice.__table__)).from_select(columns, changed)
    return added.execution_options(preserve_rowcount=True)


_RECORD = _make_record()


def record(connection: Connection, ids: list[int]) -> int:
    return connection.execute(_RECORD, {"ids": ids}).rowcount if ids else 0
