"""`listing_status_change`: statuses of listings over time: active, sold, closed, traded, expired."""

from __future__ import annotations

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
    select,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from tasks.listings.listings import Listing
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


def _make_record() -> Executable:
    latest = (
        select(ListingStatusChange.status)
        .where(ListingStatusChange.listing_id == Listing.id)
        .order_by(ListingStatusChange.seen_at.desc(), ListingStatusChange.id.desc())
        .limit(1)
        .lateral("latest")
    )
    changed = (
        select(Listing.id, Listing.status, latest.c.status)
        .outerjoin(latest, true())
        .where(
            Listing.id == func.any(bindparam("ids")),
            Listing.status.is_distinct_from(latest.c.status),
        )
        .order_by(Listing.id)
    )
    columns = ["listing_id", "status", "before"]
    return insert(cast("Table", ListingStatusChange.__table__)).from_select(columns, changed)


_RECORD = _make_record()


def record(connection: Connection, ids: list[int]) -> None:
    if ids:
        connection.execute(_RECORD, {"ids": ids})
