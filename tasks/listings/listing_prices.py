"""`listing_price`: prices of ads over time, one row a change."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime, Numeric

from workers.db import Base


class ListingPrice(Base):
    """A price an ad had from ``seen_at`` on; written by tasks/listings/listings.py with the ad."""

    __tablename__ = "listing_price"
    __table_args__ = (
        Index("listing_price_by_listing", "listing_id", "seen_at"),
        {"comment": "Prices of ads over time, one row a change."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="Key")
    listing_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("listing.id", ondelete="CASCADE"), comment="Ad"
    )
    price: Mapped[Decimal] = mapped_column(Numeric(14, 2), comment="Price asked")
    currency: Mapped[str | None] = mapped_column(Text, comment="Currency (ISO 4217)")
    seen_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Since"
    )
