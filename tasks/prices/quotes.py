"""`quote`: the latest price of each symbol and source; only a newer one replaces it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Connection, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Date, DateTime

from tasks.prices.bars import MONEY
from workers.db import Base


class Quote(Base):
    """What a symbol last cost, and on which session."""

    __tablename__ = "quote"
    __table_args__ = (
        CheckConstraint("price > 0", name="price must be more than nothing"),
        {"comment": "The latest price by symbol and source."},
    )

    symbol: Mapped[str] = mapped_column(Text, primary_key=True, comment="Symbol")
    source: Mapped[str] = mapped_column(Text, primary_key=True, comment="Where it is from")
    price: Mapped[Decimal] = mapped_column(MONEY, comment="Price")
    session_date: Mapped[date] = mapped_column(Date, comment="Session the price is of")
    volume: Mapped[int | None] = mapped_column(BigInteger, comment="Shares traded in it")
    fetched_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Last confirmed"
    )


@dataclass(frozen=True, slots=True)
class Price:
    """A price as a source tells it."""

    symbol: str
    price: Decimal
    session_date: date
    volume: int | None


_UPSERT = text("""
insert into quote (symbol, source, price, session_date, volume)
values (:symbol, :source, :price, :session_date, :volume)
on conflict (symbol, source) do update
   set price = excluded.price, session_date = excluded.session_date, volume = excluded.volume,
       fetched_at = clock_timestamp()
 where excluded.session_date >= quote.session_date
""")


def upsert(connection: Connection, symbol: str, source: str, price: Price) -> bool:
    """Store the price unless a newer one is stored; says whether it was."""
    done = connection.execute(
        _UPSERT,
        {
            "symbol": symbol,
            "source": source,
            "price": price.price,
            "session_date": price.session_date,
            "volume": price.volume,
        },
    )
    return done.rowcount == 1


_FETCHED = text("select max(fetched_at) from quote where symbol = :symbol")


def fetched_at(connection: Connection, symbol: str) -> datetime | None:
    """When the symbol's price was last confirmed."""
    found: datetime | None = connection.execute(_FETCHED, {"symbol": symbol}).scalar_one()
    return found
