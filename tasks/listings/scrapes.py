"""`scrape`: the outcome of each category in each run; people read it as the view `scrape_log`."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    Connection,
    Executable,
    ForeignKey,
    Index,
    Table,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from workers.db import Base, DefaultNow


class Scrape(Base):
    __tablename__ = "scrape"
    __table_args__ = (
        Index("scrape_by_time", "started_at"),
        Index("scrape_by_category", "category_id", "started_at"),
        {"comment": "Outcome of each category in each scrape run."},
    )

    run_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, comment="Run")
    category_id: Mapped[int] = mapped_column(
        ForeignKey("category.id", ondelete="CASCADE"), primary_key=True, comment="Category"
    )
    thorough: Mapped[bool] = mapped_column(
        comment="Whether it was thorough, as a category's first scrape is"
    )
    pages: Mapped[int] = mapped_column(server_default=text("0"), comment="Pages read")
    unchanged_pages: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Pages that the site said had not changed (304)"
    )
    cards: Mapped[int] = mapped_column(server_default=text("0"), comment="Ads on these pages")
    new: Mapped[int] = mapped_column(server_default=text("0"), comment="Ads never seen before")
    changed: Mapped[int] = mapped_column(server_default=text("0"), comment="Ads that changed")
    price_changes: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Prices recorded: first ones and changes"
    )
    expired: Mapped[int] = mapped_column(server_default=text("0"), comment="Ads that expired")
    state: Mapped[str] = mapped_column(
        server_default=text("'running'"),
        comment="running | complete | incomplete | blocked | failed",
    )
    reason: Mapped[str | None] = mapped_column(comment="Why it ended where it did")
    started_at: Mapped[DefaultNow] = mapped_column(comment="When its first page was read")
    ended_at: Mapped[datetime | None] = mapped_column(comment="Ended")


_TABLE = cast("Table", Scrape.__table__)


@cache
def _make_upsert(counts: tuple[str, ...], now: tuple[str, ...]) -> Executable:
    new = insert(_TABLE).values(ended_at=func.clock_timestamp()) if "reason" in now else insert(_TABLE)
    changes: dict[str, Any] = {name: _TABLE.c[name] + new.excluded[name] for name in counts}
    changes |= {name: new.excluded[name] for name in now}
    if "reason" in now:
        changes["ended_at"] = new.excluded.ended_at
    return new.on_conflict_do_update(index_elements=["run_id", "category_id"], set_=changes)


def _upsert(
    connection: Connection, key: Mapping[str, Any], counts: Mapping[str, int], **now: Any
) -> None:
    """Add to the counts of a scrape and set its other columns; ``key``: run, category, thorough."""
    connection.execute(_make_upsert(tuple(counts), tuple(now)), {**key, **counts, **now})


def add_page(connection: Connection, key: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    """Count one page; the caller makes sure that it does so once."""
    _upsert(connection, key, {"pages": 1, **counts}, state="running")


def end(
    connection: Connection, key: Mapping[str, Any], state: str, reason: str, *, expired: int = 0
) -> None:
    _upsert(connection, key, {"expired": expired}, state=state, reason=reason[:500])
