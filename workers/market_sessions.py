"""`market_session`: trading days of exchanges with their real opening and closing times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Date, DateTime

from workers.db import Base


class MarketSession(Base):
    """One trading day: holidays have none, early closes show in ``close_at``."""

    __tablename__ = "market_session"
    __table_args__ = (
        Index("market_session_by_close", "mic", "close_at"),
        {"comment": "Trading days with their real opening and closing times."},
    )

    mic: Mapped[str] = mapped_column(
        Text, ForeignKey("market.mic", ondelete="CASCADE"), primary_key=True, comment="Exchange"
    )
    session_date: Mapped[date] = mapped_column(
        Date, primary_key=True, comment="Date in the exchange's own zone"
    )
    open_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="Opens")
    close_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="Closes")


def upsert(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
    """Store sessions; returns how many rows were written."""
    listed = list(rows)
    for start in range(0, len(listed), 1000):
        statement = insert(MarketSession).values(listed[start : start + 1000])
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["mic", "session_date"],
                set_={"open_at": statement.excluded.open_at, "close_at": statement.excluded.close_at},
            )
        )
    return len(listed)


_LAST_COMPLETED = text("""
select session_date from market_session
 where mic = :mic and close_at <= :now order by close_at desc limit 1
""")


def last_completed(connection: Connection, mic: str, now: datetime) -> date | None:
    """The latest trading day whose session has ended at ``now``; None when none is known."""
    found: date | None = connection.execute(
        _LAST_COMPLETED, {"mic": mic, "now": now}
    ).scalar_one_or_none()
    return found


_OPEN = text("""
select exists (select from market_session where mic = :mic and open_at <= :now and :now < close_at)
""")


def is_open(connection: Connection, mic: str, now: datetime) -> bool:
    """Whether the exchange trades at ``now``."""
    return bool(connection.execute(_OPEN, {"mic": mic, "now": now}).scalar_one())
