"""`listing_status_change`: statuses of listings over time: active, sold, closed, traded, expired."""

from sqlalchemy import Connection, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from tasks.listings.changes import recorder
from workers.db import Base, DefaultNow, RowId


class ListingStatusChange(Base):
    __tablename__ = "listing_status_change"
    __table_args__ = (
        Index("listing_status_change_by_listing", "listing_id", "seen_at"),
        {"comment": "Statuses of ads over time, one row a change."},
    )

    id: Mapped[RowId]
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), comment="Ad")
    status: Mapped[str] = mapped_column(comment="Status from then on")
    before: Mapped[str | None] = mapped_column(comment="Status before; null: first seen")
    seen_at: Mapped[DefaultNow] = mapped_column(comment="Since")


_RECORD = recorder(ListingStatusChange, "status", before="before")


def record(connection: Connection, ids: list[int]) -> None:
    if ids:
        connection.execute(_RECORD, {"ids": ids})
