"""`quote`: the latest price of each symbol and source; only a newer one replaces it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import CheckConstraint, Connection, RowMapping, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from tasks.prices.bars import MONEY
from workers.db import Base, DefaultNow


class Quote(Base):
    """What a symbol last cost, and on which session."""

    __tablename__ = "quote"
    __table_args__ = (
        CheckConstraint("price > 0", name="price must be more than nothing"),
        CheckConstraint("greatest(price, previous_close) < 'Infinity'", name="prices must be numbers"),
        {"comment": "The latest price by symbol and source."},
    )

    symbol: Mapped[str] = mapped_column(primary_key=True, comment="Symbol")
    source: Mapped[str] = mapped_column(primary_key=True, comment="Where it is from")
    price: Mapped[Decimal] = mapped_column(MONEY, comment="Price")
    session_date: Mapped[date] = mapped_column(comment="Session the price is of")
    volume: Mapped[int | None] = mapped_column(BigInteger, comment="Shares traded in it")
    previous_close: Mapped[Decimal | None] = mapped_column(
        MONEY, comment="Last price the session before"
    )
    fetched_at: Mapped[DefaultNow] = mapped_column(comment="Last confirmed")


@dataclass(frozen=True, slots=True)
class Price:
    """A price as a source tells it."""

    symbol: str
    price: Decimal
    session_date: date
    volume: int | None
    previous_close: Decimal | None = None

    @property
    def change_percent(self) -> Decimal | None:
        """Change since the session before, in percent, four decimals; None when that is unknown."""
        return self.change(4)

    def change(self, places: int) -> Decimal | None:
        """Change in percent, rounded once, half up, to ``places`` decimals; None when unknown."""
        if not self.previous_close:
            return None
        change = (self.price - self.previous_close) / self.previous_close * 100
        return change.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


_UPSERT = text("""
insert into quote (symbol, source, price, session_date, volume, previous_close)
values (:symbol, :source, :price, :session_date, :volume, :previous_close)
on conflict (symbol, source) do update
   set price = excluded.price, session_date = excluded.session_date, volume = excluded.volume,
       previous_close = coalesce(excluded.previous_close,
           case when excluded.session_date = quote.session_date then quote.previous_close end),
       fetched_at = clock_timestamp()
 where excluded.session_date >= quote.session_date
""")


def upsert(connection: Connection, source: str, price: Price) -> bool:
    """Store the price unless one of a later session is stored; says whether it was."""
    done = connection.execute(
        _UPSERT,
        {
            "symbol": price.symbol,
            "source": source,
            "price": price.price,
            "session_date": price.session_date,
            "volume": price.volume,
            "previous_close": price.previous_close,
        },
    )
    return done.rowcount == 1


_CONFIRMED = text("""
select symbol, max(fetched_at) as fetched_at from quote
 where symbol = any(cast(:symbols as text[])) group by symbol
""")


def confirmed(connection: Connection, symbols: Sequence[str]) -> dict[str, datetime]:
    """When each symbol's price was last confirmed, by any source."""
    found = connection.execute(_CONFIRMED, {"symbols": list(symbols)})
    return {row.symbol: row.fetched_at for row in found}


_LISTED = text("""
select distinct on (symbol) symbol, price, previous_close, session_date, volume, source, fetched_at
  from quote where cast(:symbols as text[]) is null or symbol = any(cast(:symbols as text[]))
 order by symbol, session_date desc, fetched_at desc
""")


def listed(connection: Connection, symbols: Sequence[str] | None = None) -> Sequence[RowMapping]:
    """The newest quote of each symbol, whatever its source, by symbol."""
    parameters = {"symbols": list(symbols) if symbols else None}
    return connection.execute(_LISTED, parameters).mappings().all()


_DROP = text("""
delete from quote where (symbol, source) in (
    select symbol, source from quote where fetched_at < :before
     order by fetched_at limit :limit for update skip locked)
""")


def drop(connection: Connection, before: datetime, limit: int) -> int:
    """Delete up to ``limit`` quotes that nobody has confirmed since ``before``."""
    return connection.execute(_DROP, {"before": before, "limit": limit}).rowcount
