"""`watchlist_item`: symbols people want to follow; a lower priority number goes first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import CheckConstraint, Connection, Index, Row, RowMapping, text
from sqlalchemy.orm import Mapped, mapped_column

from tasks.prices.symbols import PATTERN, Symbol
from workers.db import Base, DefaultNow


class WatchlistItem(Base):
    """One symbol; removing it is soft, adding it again brings it back."""

    __tablename__ = "watchlist_item"
    __table_args__ = (
        CheckConstraint(f"symbol ~ '{PATTERN}'", name="symbol: capitals, e.g. AAPL, BRK.B, TSCO.LON"),
        CheckConstraint("priority >= 0", name="priority: 0 or more, lower goes first"),
        CheckConstraint("refresh_every > interval '0'", name="refresh_every is longer than nothing"),
        CheckConstraint(
            "refresh_every <= interval '31 days'",
            name="refresh_every is at most 31 days, e.g. 5 minutes",
        ),
        Index("watchlist_item_active", "priority", "symbol", postgresql_where=text("active")),
        {"comment": "Symbols to follow; edit with SQL."},
    )

    symbol: Mapped[str] = mapped_column(primary_key=True, comment="Symbol")
    priority: Mapped[int] = mapped_column(server_default=text("100"), comment="Lower goes first")
    refresh_every: Mapped[timedelta] = mapped_column(
        server_default=text("interval '5 minutes'"),
        comment="Oldest a price may be while the market is open",
    )
    active: Mapped[bool] = mapped_column(server_default=text("true"), comment="false: removed")
    note: Mapped[str | None] = mapped_column(comment="Why it is followed")
    added_at: Mapped[DefaultNow] = mapped_column(comment="First added")


class Entry(BaseModel):
    """What a person says about a symbol to follow; anything else is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbol: Symbol
    priority: int = Field(100, ge=0, le=10_000, description="Lower goes first")
    refresh_every: timedelta = Field(
        timedelta(minutes=5), gt=timedelta(0), le=timedelta(days=31), description="Oldest price"
    )
    note: str | None = Field(None, max_length=500)


_ADD = text("""
insert into watchlist_item (symbol, priority, refresh_every, note)
values (:symbol, :priority, :refresh_every, :note)
on conflict (symbol) do update
   set priority = least(watchlist_item.priority, excluded.priority), active = true,
       refresh_every = least(watchlist_item.refresh_every, excluded.refresh_every),
       note = coalesce(excluded.note, watchlist_item.note)
""")


def add(connection: Connection, entry: Entry) -> None:
    """Follow a symbol; added again it keeps the more urgent values and is active again."""
    connection.execute(_ADD, entry.model_dump())


def remove(connection: Connection, symbol: str) -> bool:
    """Follow it no longer; its prices stay.  Says whether it was followed."""
    statement = text("update watchlist_item set active = false where symbol = :symbol and active")
    return connection.execute(statement, {"symbol": symbol}).rowcount == 1


_ACTIVE = text("""
select symbol, priority, refresh_every from watchlist_item where active order by priority, symbol
""")


def active(connection: Connection) -> Sequence[Row[tuple[str, int, timedelta]]]:
    """Symbols followed, with priority and the oldest that their price may be."""
    return connection.execute(_ACTIVE).all()


_LISTED = text("""
select symbol, priority, refresh_every, active, note, added_at from watchlist_item
 where active or :all order by not active, priority, symbol
""")


def listed(connection: Connection, *, everything: bool = False) -> Sequence[RowMapping]:
    """The watch list for people; with ``everything`` also what was removed."""
    return connection.execute(_LISTED, {"all": everything}).mappings().all()
