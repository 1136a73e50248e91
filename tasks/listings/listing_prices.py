"""`listing_price`: prices of ads over time, one row a change."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, ForeignKey, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime, Numeric

from workers.db import Base


class ListingPrice(Base):
    """A price an ad had from ``seen_at`` on."""

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


_KEEP = text("""
insert into listing_price (listing_id, price, currency)
select l.id, l.price, l.currency
  from listing l
  left join lateral (select price, currency from listing_price p where p.listing_id = l.id
                      order by seen_at desc, id desc limit 1) latest on true
 where l.id = any(:ids) and l.price is not null
   and (latest.price, latest.currency) is distinct from (l.price, l.currency)
 order by l.id
""")


def keep(connection: Connection, ids: list[int]) -> int:
    """Note the price of these ads wherever it is not the last one noted; returns how many."""
    return connection.execute(_KEEP, {"ids": ids}).rowcount


_HISTORY = text("""
select price, currency, seen_at from listing_price
 where listing_id = :listing order by seen_at desc, id desc
""")


def history(connection: Connection, listing: int) -> list[dict[str, object]]:
    """Prices of an ad, the newest first."""
    return [dict(row) for row in connection.execute(_HISTORY, {"listing": listing}).mappings()]
