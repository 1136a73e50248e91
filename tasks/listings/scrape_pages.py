"""`scrape_page`: every page fetched: how many ads, new, changed, or why none."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime, Uuid

from workers.db import Base


class ScrapePage(Base):
    """One page of one category in one run."""

    __tablename__ = "scrape_page"
    __table_args__ = (
        Index("scrape_page_by_site", "site", "fetched_at"),
        {"comment": "Every page fetched: cards, new, changed."},
    )

    run_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, comment="Run")
    category: Mapped[str] = mapped_column(Text, primary_key=True, comment="Category's slug")
    page: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="From 1")
    site: Mapped[str] = mapped_column(Text, ForeignKey("site.name", ondelete="CASCADE"), comment="Site")
    cards: Mapped[int] = mapped_column(comment="Ads on it")
    new: Mapped[int] = mapped_column(comment="Ads never seen before")
    changed: Mapped[int] = mapped_column(comment="Ads that changed")
    fetched_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="When"
    )


_PUT = text("""
insert into scrape_page (run_id, site, category, page, cards, new, changed)
values (:run_id, :site, :category, :page, :cards, :new, :changed)
on conflict (run_id, category, page) do nothing
""")


def put(
    connection: Connection,
    run_id: UUID,
    site: str,
    category: str,
    page: int,
    *,
    cards: int,
    new: int,
    changed: int,
) -> None:
    """Keep what a page held."""
    connection.execute(
        _PUT,
        {
            "run_id": run_id,
            "site": site,
            "category": category,
            "page": page,
            "cards": cards,
            "new": new,
            "changed": changed,
        },
    )
