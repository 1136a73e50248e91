"""`listing_price`: prices of listings over time, one row a change."""

from decimal import Decimal

from sqlalchemy import Connection, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Numeric

from tasks.listings.changes import recorder
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


_RECORD = recorder(ListingPrice, "price", "currency")


def record(connection: Connection, ids: list[int]) -> int:
    return connection.execute(_RECORD, {"ids": ids}).rowcount if ids else 0
