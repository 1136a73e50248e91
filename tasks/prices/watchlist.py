"""`watchlist_item`: symbols people want to follow; a lower priority number goes first."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Connection, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime, Interval

from tasks.prices.symbols import PATTERN
from workers.db import Base


class WatchlistItem(Base):
    """One symbol; removing it is soft, adding it again brings it back."""

    __tablename__ = "watchlist_item"
    __table_args__ = (
        CheckConstraint(f"symbol ~ '{PATTERN}'", name="symbol: capitals, e.g. AAPL, BRK.B, TSCO.LON"),
        CheckConstraint("priority >= 0", name="priority: 0 or more, lower goes first"),
        CheckConstraint("refresh_every > interval '0'", name="refresh_every is longer than nothing"),
        Index("watchlist_item_active", "priority", "symbol", postgresql_where=text("active")),
        {"comment": "Symbols to follow; edit with SQL."},
    )

    symbol: Mapped[str] = mapped_column(Text, primary_key=True, comment="Symbol")
    priority: Mapped[int] = mapped_column(server_default=text("100"), comment="Lower goes first")
    refresh_every: Mapped[timedelta] = mapped_column(
        Interval,
        server_default=text("interval '5 minutes'"),
        comment="Oldest a price may be while the market is open",
    )
    active: Mapped[bool] = mapped_column(server_default=text("true"), comment="false: removed")
    note: Mapped[str | None] = mapped_column(Text, comment="Why it is followed")
    added_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="First added"
    )


_ADD = text("""
insert into watchlist_item (symbol, priority) values (:symbol, :priority)
on conflict (symbol) do update
   set priority = least(watchlist_item.priority, excluded.priority), active = true
""")


def add(connection: Connection, symbol: str, priority: int = 100) -> None:
    """Follow ``symbol``; added again it keeps the more urgent priority and is active again."""
    connection.execute(_ADD, {"symbol": symbol, "priority": priority})


def remove(connection: Connection, symbol: str) -> bool:
    """Follow it no longer; its prices stay.  Says whether it was followed."""
    statement = text("update watchlist_item set active = false where symbol = :symbol and active")
    return connection.execute(statement, {"symbol": symbol}).rowcount == 1


_ACTIVE = text("""
select symbol, refresh_every from (
    select symbol, priority, refresh_every from watchlist_item where active
    union all
    select symbol, 200, interval '1 day' from transaction
     where traded_at > clock_timestamp() - :days * interval '1 day'
) wanted
 group by symbol, refresh_every order by min(priority), symbol
""")


def active_symbols(connection: Connection, days: int) -> dict[str, timedelta]:
    """Symbols followed or traded in the last ``days``, most urgent first, with their freshness."""
    if days < 1:
        raise ValueError("Days must be at least 1")
    found: dict[str, timedelta] = {}
    for symbol, refresh_every in connection.execute(_ACTIVE, {"days": days}):
        found.setdefault(symbol, refresh_every)
    return found
