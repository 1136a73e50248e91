"""`price_bar`: one trading day of one symbol from one source; revisions overwrite and are dated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Connection, Index, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Numeric

from workers.db import Base, DefaultNow

MONEY = Numeric(20, 6)
#: Bars written by one statement.
SLICE = 1000


class PriceBar(Base):
    """Open, high, low, close and volume of one session."""

    __tablename__ = "price_bar"
    __table_args__ = (
        CheckConstraint("close > 0", name="close must be more than nothing"),
        # NaN is more than anything to Postgres, infinity included.
        CheckConstraint("greatest(open, high, low, close) < 'Infinity'", name="prices must be numbers"),
        CheckConstraint("volume >= 0", name="volume must be 0 or more"),
        Index("price_bar_by_date", "bar_date"),
        {"comment": "Daily bars by symbol and source; a revision overwrites and is dated."},
    )

    symbol: Mapped[str] = mapped_column(primary_key=True, comment="Symbol")
    bar_date: Mapped[date] = mapped_column(primary_key=True, comment="Session")
    source: Mapped[str] = mapped_column(primary_key=True, comment="Where it is from")
    open: Mapped[Decimal | None] = mapped_column(MONEY, comment="First price")
    high: Mapped[Decimal | None] = mapped_column(MONEY, comment="Highest price")
    low: Mapped[Decimal | None] = mapped_column(MONEY, comment="Lowest price")
    close: Mapped[Decimal] = mapped_column(MONEY, comment="Last price")
    volume: Mapped[int | None] = mapped_column(BigInteger, comment="Shares traded")
    stored_at: Mapped[DefaultNow] = mapped_column(comment="First stored")
    revised_at: Mapped[datetime | None] = mapped_column(
        comment="Last time the source said something else"
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One session as a source tells it: prices above nothing, volume of 0 or more, or unknown.

    The low is no higher, the high no lower than any other of its prices.
    """

    date: date
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal
    volume: int | None

    def __post_init__(self) -> None:
        prices = (self.open, self.high, self.low, self.close)
        known = [price for price in prices if price is not None]
        if min(known) <= 0:
            raise ValueError("a price must be more than nothing")
        if (self.low is not None and self.low > min(known)) or (
            self.high is not None and self.high < max(known)
        ):
            raise ValueError("a price must lie between low and high")
        if self.volume is not None and self.volume < 0:
            raise ValueError("volume must be 0 or more")


def told(
    day: date,
    first: Decimal | None,
    high: Decimal | None,
    low: Decimal | None,
    close: Decimal,
    volume: int | None,
) -> Bar:
    """A source's row as a bar: what contradicts its close is unknown, the session is stored anyway.

    All prices are above nothing; a high or low on the wrong side of the close goes, then an open
    outside.
    """
    high = high if high is None or high >= close else None
    low = low if low is None or low <= close else None
    if first is not None and ((high is not None and first > high) or (low is not None and first < low)):
        first = None
    return Bar(day, first, high, low, close, volume)


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
    return sum(
        _upsert_slice(connection, rows[start : start + SLICE]) for start in range(0, len(rows), SLICE)
    )


def _upsert_slice(connection: Connection, rows: list[dict[str, object]]) -> int:
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


_LATEST = text("""
select wanted.symbol, latest.bar_date
  from unnest(cast(:symbols as text[])) as wanted(symbol)
 cross join lateral (select bar_date from price_bar where price_bar.symbol = wanted.symbol
                      order by bar_date desc limit 1) latest
""")


def latest(connection: Connection, symbols: Sequence[str]) -> dict[str, date]:
    """The latest session stored of each symbol, from any source."""
    return {row.symbol: row.bar_date for row in connection.execute(_LATEST, {"symbols": list(symbols)})}


_STORED = text("""
select distinct bar_date from price_bar
 where symbol = :symbol and bar_date between :first and :last order by bar_date
""")


def stored_days(connection: Connection, symbol: str, first: date, last: date) -> list[date]:
    """Sessions of ``symbol`` stored from any source, from ``first`` to ``last``, both inclusive."""
    parameters = {"symbol": symbol, "first": first, "last": last}
    return list(connection.execute(_STORED, parameters).scalars())


_THIN = text("""
delete from price_bar old using (
    select symbol, bar_date, source from price_bar extra
     where bar_date < :before and exists (
           select from price_bar better
            where better.symbol = extra.symbol and better.bar_date = extra.bar_date
              and better.source < extra.source)
     limit :limit for update skip locked) spare
 where old.symbol = spare.symbol and old.bar_date = spare.bar_date and old.source = spare.source
""")

_DROP = text("""
delete from price_bar old using (
    select symbol, bar_date, source from price_bar where bar_date < :before
     order by bar_date limit :limit for update skip locked) spare
 where old.symbol = spare.symbol and old.bar_date = spare.bar_date and old.source = spare.source
""")


def thin(connection: Connection, before: date, limit: int) -> int:
    """Of sessions before ``before`` keep one source, the first by name; delete up to ``limit``."""
    return connection.execute(_THIN, {"before": before, "limit": limit}).rowcount


def drop(connection: Connection, before: date, limit: int) -> int:
    """Delete up to ``limit`` bars of sessions before ``before``."""
    return connection.execute(_DROP, {"before": before, "limit": limit}).rowcount
