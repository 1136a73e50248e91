"""`watchlist_item`: symbols people want to follow; a lower priority number goes first."""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Index, RowMapping, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.prices.symbols import Symbol
from workers.db import Base, DefaultNow


class WatchlistItem(Base):
    """One symbol; removing it is soft, adding it again brings it back."""

    __tablename__ = "watchlist_item"
    __table_args__ = (
        Index("watchlist_item_active", "priority", "symbol", postgresql_where=text("active")),
        {"comment": "Symbols to follow; edit with SQL."},
    )

    symbol: Mapped[str] = mapped_column(primary_key=True, comment="Symbol")
    priority: Mapped[int] = mapped_column(server_default=text("100"), comment="Lower goes first")
    refresh_every: Mapped[timedelta] = mapped_column(
        server_default=text("interval '5 minutes'"),
        comment="Maximum age of a price while the market is open",
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


def add(connection: Connection, entry: Entry) -> None:
    """Follow a symbol; added again it keeps the more urgent values and is active again."""
    statement = insert(WatchlistItem).values(entry.model_dump())
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["symbol"],
            set_={
                "priority": func.least(WatchlistItem.priority, new.priority),
                "refresh_every": func.least(WatchlistItem.refresh_every, new.refresh_every),
                "active": True,
                "note": func.coalesce(new.note, WatchlistItem.note),
            },
        )
    )


def remove(connection: Connection, symbol: str) -> bool:
    followed = WatchlistItem.symbol == symbol, WatchlistItem.active
    return connection.execute(update(WatchlistItem).where(*followed).values(active=False)).rowcount == 1


def followed(connection: Connection) -> Sequence[RowMapping]:
    statement = select(WatchlistItem.__table__).where(WatchlistItem.active)
    return connection.execute(statement).mappings().all()
