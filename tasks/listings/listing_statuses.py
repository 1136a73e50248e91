"""`listing_status_change`: what became of ads over time: active, sold, closed, traded, expired."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, ForeignKey, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime

from workers.db import Base


class ListingStatusChange(Base):
    """A status an ad had from ``seen_at`` on."""

    __tablename__ = "listing_status_change"
    __table_args__ = (
        Index("listing_status_change_by_listing", "listing_id", "seen_at"),
        {"comment": "Statuses of ads over time, one row a change."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="Key")
    listing_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("listing.id", ondelete="CASCADE"), comment="Ad"
    )
    status: Mapped[str] = mapped_column(Text, comment="Status from then on")
    before: Mapped[str | None] = mapped_column(Text, comment="Status before; null: first seen")
    seen_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Since"
    )


_KEEP = text("""
insert into listing_status_change (listing_id, status, before)
select l.id, l.status, latest.status
  from listing l
  left join lateral (select status from listing_status_change c where c.listing_id = l.id
                      order by seen_at desc, id desc limit 1) latest on true
 where l.id = any(:ids) and latest.status is distinct from l.status
 order by l.id
""")


def keep(connection: Connection, ids: list[int]) -> int:
    """Note the status of these ads wherever it is not the last one noted; returns how many."""
    return connection.execute(_KEEP, {"ids": ids}).rowcount
