"""`price_bar`: one trading day of one symbol from one source; revisions overwrite and are dated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, Connection, Index, Text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import func, literal, select, true, tuple_
from sqlalchemy.types import BigInteger, Numeric

from tasks.prices import values
from workers.db import Base, DefaultNow

MONEY = Numeric(20, 6)
#: Most bars written by one statement.
MAX_ROWS = 1000


class PriceBar(Base):
    __tablename__ = "price_bar"
    __table_args__ = (
        Index("price_bar_by_date", "bar_date"),
        {"comment": "Daily bars by symbol and source; a revision overwrites them and sets revised_at."},
    )

    symbol: Mapped[str] = mapped_column(primary_key=True, comment="Symbol")
    bar_date: Mapped[date] = mapped_column(primary_key=True, comment="Session")
    source: Mapped[str] = mapped_column(primary_key=True, comment="Source of the prices")
    open: Mapped[Decimal | None] = mapped_column(MONEY, comment="First price")
    high: Mapped[Decimal | None] = mapped_column(MONEY, comment="Highest price")
    low: Mapped[Decimal | None] = mapped_column(MONEY, comment="Lowest price")
    close: Mapped[Decimal] = mapped_column(MONEY, comment="Last price")
    volume: Mapped[int | None] = mapped_column(BigInteger, comment="Shares traded")
    stored_at: Mapped[DefaultNow] = mapped_column(comment="First stored")
    revised_at: Mapped[datetime | None] = mapped_column(
        comment="When the source last changed these values"
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One session as a source gives it; what the source does not give is None."""

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
            raise ValueError("a price must be greater than 0")
        if (self.low is not None and self.low > min(known)) or (
            self.high is not None and self.high < max(known)
        ):
            raise ValueError("a price must lie between low and high")
        if self.volume is not None and self.volume < 0:
            raise ValueError("volume must be 0 or more")


def parse_bar(day: Any, opened: Any, high: Any, low: Any, close: Any, volume: Any) -> Bar | None:
    """A source's row as a bar, or None without a day or a close.

    An open, high or low that contradicts the close becomes unknown: the session is stored anyway.
    """
    session, last = values.day(day), values.amount(close)
    if session is None or last is None:
        return None
    first, top, bottom = values.amount(opened), values.amount(high), values.amount(low)
    top = top if top is None or top >= last else None
    bottom = bottom if bottom is None or bottom <= last else None
    if first is not None and not (bottom or first) <= first <= (top or first):
        first = None
    return Bar(session, first, top, bottom, last, values.count(volume))


def parse_row(row: Mapping[str, str]) -> Bar | None:
    return parse_bar(*(row.get(name) for name in ("date", "open", "high", "low", "close", "volume")))


def ascending(found: Iterable[Bar]) -> list[Bar]:
    """One bar a day, the last given, the oldest first."""
    by_day = {bar.date: bar for bar in found}
    return [by_day[day] for day in sorted(by_day)]


VALUES = ("open", "high", "low", "close", "volume")


def upsert(connection: Connection, symbol: str, source: str, bars: Iterable[Bar]) -> int:
    """Store bars; returns how many are new or revised.  The same bars again change nothing."""
    rows = [
        {"symbol": symbol, "source": source, "bar_date": bar.date}
        | {name: getattr(bar, name) for name in VALUES}
        for bar in ascending(bars)
    ]
    starts = range(0, len(rows), MAX_ROWS)
    return sum(_upsert(connection, rows[start : start + MAX_ROWS]) for start in starts)


def _upsert(connection: Connection, rows: list[dict[str, object]]) -> int:
    statement = insert(PriceBar).values(rows)
    new = {name: statement.excluded[name] for name in VALUES}
    stored = tuple_(*(getattr(PriceBar, name) for name in VALUES))
    written = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["symbol", "bar_date", "source"],
            set_={**new, "revised_at": func.clock_timestamp()},
            where=stored.is_distinct_from(tuple_(*new.values())),
        ).returning(PriceBar.bar_date)
    )
    return len(written.all())


def latest(connection: Connection, symbols: Sequence[str]) -> dict[str, date]:
    wanted = func.unnest(literal(symbols, ARRAY(Text))).table_valued("symbol").render_derived("wanted")
    newest = (
        select(PriceBar.bar_date)
        .where(PriceBar.symbol == wanted.c.symbol)
        .order_by(PriceBar.bar_date.desc())
        .limit(1)
        .lateral("newest")
    )
    statement = select(wanted.c.symbol, newest.c.bar_date).join(newest, true())
    return {row.symbol: row.bar_date for row in connection.execute(statement)}


def stored_days(connection: Connection, symbol: str, first: date, last: date) -> list[date]:
    """Sessions of ``symbol`` stored from any source, from ``first`` to ``last``, both inclusive."""
    statement = (
        select(PriceBar.bar_date)
        .distinct()
        .where(PriceBar.symbol == symbol, PriceBar.bar_date.between(first, last))
        .order_by(PriceBar.bar_date)
    )
    return list(connection.execute(statement).scalars())
