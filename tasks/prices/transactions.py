"""`transaction`: trades of ours; what was traded lately is kept fresh.

Insert with SQL (a sale has a negative quantity; ``traded_at`` left out means now)::

    INSERT INTO transaction (symbol, quantity, price) VALUES ('AAPL', 10, 231.50);
    INSERT INTO transaction (symbol, quantity, price, traded_at)
    VALUES ('TSCO.LON', -200, 4.72, '2026-01-30 15:04+00');
"""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from tasks.prices.bars import MONEY
from workers.db import Base, DefaultNow, RowId


class Transaction(Base):
    __tablename__ = "transaction"
    __table_args__ = (
        Index("transaction_by_time", "traded_at", "symbol"),
        {"comment": "Our trades; prices of their symbols are kept fresh."},
    )

    id: Mapped[RowId]
    symbol: Mapped[str] = mapped_column(comment="Symbol")
    quantity: Mapped[Decimal] = mapped_column(comment="Shares: above 0 bought, below 0 sold")
    price: Mapped[Decimal] = mapped_column(MONEY, comment="Price of one")
    traded_at: Mapped[DefaultNow] = mapped_column(comment="When")


def traded(connection: Connection, days: int, now: datetime) -> list[str]:
    if days < 1:
        raise ValueError("Days must be at least 1")
    # A day ahead: clocks and zones of whoever inserts may differ.
    span = now - timedelta(days=days), now + timedelta(days=1)
    statement = (
        select(Transaction.symbol)
        .distinct()
        .where(Transaction.traded_at.between(*span))
        .order_by(Transaction.symbol)
    )
    return list(connection.execute(statement).scalars())
