"""`price_bar`: one trading day of one symbol from one source; revisions overwrite and are dated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Connection, Index, Text, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Date, DateTime, Numeric

from workers.db import Base

MONEY = Numeric(20, 6)


class PriceBar(Base):
    """Open, high, low, close and volume of one session."""

    __tablename__ = "price_bar"
    __table_args__ = (
        CheckConstraint("close > 0", name="close must be more than nothing"),
        Index("price_bar_by_date", "bar_date"),
        {"comment": "Daily bars by symbol and source; a revision overwrites and is dated."},
    )

    symbol: Mapped[str] = mapped_column(Text, primary_key=True, comment="Symbol")
    bar_date: Mapped[date] = mapped_column(Date, primary_key=True, comment="Session")
    source: Mapped[str] = mapped_column(Text, primary_key=True, comment="Where it is from")
    open: Mapped[Decimal | None] = mapped_column(MONEY, comment="First price")
    high: Mapped[Decimal | None] = mapped_column(MONEY, comment="Highest price")
    low: Mapped[Decimal | None] = mapped_column(MONEY, comment="Lowest price")
    close: Mapped[Decimal] = mapped_column(MONEY, comment="Last price")
    volume: Mapped[int | None] = mapped_column(BigInteger, comment="Shares traded")
    stored_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="First stored"
    )
    revised_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Last time the source said something else"
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One session as a source tells it."""

    date: date
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal
    volume: int | None


_VALUES = ("open", "high", "low", "close", "volume")


def upsert(connection: Connection, symbol: str, source: str, bars: Iterable[Bar]) -> int:
    """Store bars; returns how many are new or revised.  The same bars again change nothing."""
    by_date = {bar.date: bar for bar in bars}
    rows = [
        {
            "symbol": symbol,
            "source": source,
            "bar_date": bar.date,
            **{name: getattr(bar, name) for name in _VALUES},
        }
        for _, bar in sorted(by_date.items())
    ]
    if not rows:
        return 0
    statement = insert(PriceBar).values(rows)
    new = ", ".join(f"excluded.{name}" for name in _VALUES)
    old = ", ".join(f"price_bar.{name}" for name in _VALUES)
    changes = {name: getattr(statement.excluded, name) for name in _VALUES}
    done = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["symbol", "bar_date", "source"],
            set_={**changes, "revised_at": text("clock_timestamp()")},
            where=text(f"({old}) is distinct from ({new})"),
        ).returning(PriceBar.bar_date)
    )
    return len(done.all())


_LATEST = text("select max(bar_date) from price_bar where symbol = :symbol")


def latest(connection: Connection, symbol: str) -> date | None:
    """The latest session stored of ``symbol``, from any source."""
    found: date | None = connection.execute(_LATEST, {"symbol": symbol}).scalar_one()
    return found
