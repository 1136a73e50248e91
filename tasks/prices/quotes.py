"""`quote`: the latest price of each symbol and source; only a newer one replaces it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ARRAY, Connection, Text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import any_, case, func, literal, select
from sqlalchemy.types import BigInteger

from tasks.prices.bars import MONEY, Bar
from tasks.prices.values import Price
from workers.db import Base, DefaultNow


class Quote(Base):
    __tablename__ = "quote"
    __table_args__ = ({"comment": "The latest price by symbol and source."},)

    symbol: Mapped[str] = mapped_column(primary_key=True, comment="Symbol")
    source: Mapped[str] = mapped_column(primary_key=True, comment="Source of the price")
    price: Mapped[Decimal] = mapped_column(MONEY, comment="Price")
    session_date: Mapped[date] = mapped_column(comment="Session the price is of")
    volume: Mapped[int | None] = mapped_column(BigInteger, comment="Shares traded in it")
    previous_close: Mapped[Decimal | None] = mapped_column(
        MONEY, comment="Last price the session before"
    )
    fetched_at: Mapped[DefaultNow] = mapped_column(comment="Last confirmed")


def last_close(symbol: str, bars: Sequence[Bar]) -> Price:
    last, before = bars[-1], bars[-2].close if len(bars) > 1 else None
    return Price(symbol, last.close, last.date, last.volume, before)


def upsert(connection: Connection, source: str, price: Price) -> bool:
    """Store the price unless one of a later session is stored; returns whether it was."""
    statement = insert(Quote).values(source=source, **asdict(price))
    new = statement.excluded
    same_session = case((new.session_date == Quote.session_date, Quote.previous_close))
    stored = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["symbol", "source"],
            set_={
                "price": new.price,
                "session_date": new.session_date,
                "volume": new.volume,
                "previous_close": func.coalesce(new.previous_close, same_session),
                "fetched_at": func.clock_timestamp(),
            },
            where=new.session_date >= Quote.session_date,
        ).returning(Quote.symbol)
    )
    return stored.first() is not None


def confirmed(connection: Connection, symbols: Sequence[str]) -> dict[str, datetime]:
    statement = (
        select(Quote.symbol, func.max(Quote.fetched_at).label("at"))
        .where(Quote.symbol == any_(literal(symbols, ARRAY(Text))))
        .group_by(Quote.symbol)
    )
    return {row.symbol: row.at for row in connection.execute(statement)}
