"""`scrape`: what became of each category in each run; people read it as the view `scrape_log`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Connection, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime, Uuid

from workers.db import Base

STATES = ("running", "complete", "incomplete", "blocked", "failed")


class Scrape(Base):
    """One category in one run: how far it got, what it found, why it ended."""

    __tablename__ = "scrape"
    __table_args__ = (
        CheckConstraint(
            "state in ('running', 'complete', 'incomplete', 'blocked', 'failed')",
            name="state is one of those in the comment",
        ),
        Index("scrape_by_time", "started_at"),
        Index("scrape_by_category", "category_id", "started_at"),
        {"comment": "What became of each category in each scrape run."},
    )

    run_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, comment="Run")
    category_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("category.id", ondelete="CASCADE"), primary_key=True, comment="Category"
    )
    thorough: Mapped[bool] = mapped_column(comment="Whether it was the category's first scrape")
    pages: Mapped[int] = mapped_column(server_default=text("0"), comment="Pages read")
    unchanged_pages: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Pages that the site said had not changed (304)"
    )
    cards: Mapped[int] = mapped_column(server_default=text("0"), comment="Ads on them")
    new: Mapped[int] = mapped_column(server_default=text("0"), comment="Ads never seen before")
    changed: Mapped[int] = mapped_column(server_default=text("0"), comment="Ads that changed")
    price_changes: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Prices noted: first ones and changes"
    )
    expired: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Ads that were missed once too often"
    )
    state: Mapped[str] = mapped_column(
        Text,
        server_default=text("'running'"),
        comment="running | complete | incomplete | blocked | failed",
    )
    reason: Mapped[str | None] = mapped_column(Text, comment="Why it ended where it did")
    started_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="First page"
    )
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="Ended")


_ADD = text("""
insert into scrape as s (run_id, category_id, thorough, pages, unchanged_pages, cards, new, changed,
                         price_changes)
values (:run_id, :category, :thorough, 1, :unchanged_pages, :cards, :new, :changed, :price_changes)
on conflict (run_id, category_id) do update
   set pages = s.pages + 1, unchanged_pages = s.unchanged_pages + excluded.unchanged_pages,
       cards = s.cards + excluded.cards, new = s.new + excluded.new,
       changed = s.changed + excluded.changed,
       price_changes = s.price_changes + excluded.price_changes, state = 'running'
""")


def add_page(
    connection: Connection,
    run_id: UUID,
    category: int,
    *,
    thorough: bool,
    unchanged: bool,
    cards: int,
    new: int,
    changed: int,
    price_changes: int,
) -> None:
    """Count one page; the caller makes sure that it does so once."""
    connection.execute(
        _ADD,
        {
            "run_id": run_id, "category": category, "thorough": thorough,
            "unchanged_pages": int(unchanged), "cards": cards, "new": new, "changed": changed,
            "price_changes": price_changes,
        },
    )  # fmt: skip


_END = text("""
insert into scrape as s (run_id, category_id, thorough, expired, state, reason, ended_at)
values (:run_id, :category, :thorough, :expired, :state, :reason, clock_timestamp())
on conflict (run_id, category_id) do update
   set expired = s.expired + excluded.expired, state = excluded.state, reason = excluded.reason,
       ended_at = excluded.ended_at
""")


def end(
    connection: Connection,
    run_id: UUID,
    category: int,
    state: str,
    reason: str,
    *,
    thorough: bool,
    expired: int = 0,
) -> None:
    """Note how the category's scrape ended and why."""
    connection.execute(
        _END,
        {
            "run_id": run_id, "category": category, "thorough": thorough, "expired": expired,
            "state": state, "reason": reason[:500],
        },
    )  # fmt: skip


_DROP = text("""
delete from scrape where (run_id, category_id) in (
    select run_id, category_id from scrape where started_at < :before order by started_at
     limit :limit for update skip locked)
""")


def drop(connection: Connection, before: datetime, limit: int) -> int:
    """Delete up to ``limit`` rows begun before then; returns how many."""
    return connection.execute(_DROP, {"before": before, "limit": limit}).rowcount
