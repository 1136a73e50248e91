"""`market_session`: trading days of exchanges with their real opening and closing times."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, Date, ForeignKey, Index, RowMapping, Text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import all_, any_, delete, literal, select

from workers.db import Base


class MarketSession(Base):
    """One trading day: holidays have none, early closes show in ``close_at``."""

    __tablename__ = "market_session"
    __table_args__ = (
        Index("market_session_by_close", "mic", "close_at"),
        {"comment": "Trading days with their real opening and closing times."},
    )

    mic: Mapped[str] = mapped_column(
        ForeignKey("market.mic", ondelete="CASCADE"), primary_key=True, comment="Exchange"
    )
    session_date: Mapped[date] = mapped_column(
        primary_key=True, comment="Date in the exchange's own zone"
    )
    open_at: Mapped[datetime] = mapped_column(comment="Opens")
    close_at: Mapped[datetime] = mapped_column(comment="Closes")


def replace(
    connection: Connection, mic: str, first: date, last: date, rows: Sequence[Mapping[str, Any]]
) -> int:
    """Make ``rows`` the exchange's sessions from ``first`` to ``last``; returns how many changed.

    A day that is no session any more (a closure announced late) loses its row.
    """
    days = literal([row["session_date"] for row in rows], ARRAY(Date))
    gone = MarketSession.mic == mic, MarketSession.session_date.between(first, last)
    dropped = delete(MarketSession).where(*gone, MarketSession.session_date != all_(days))
    changed = connection.execute(dropped).rowcount
    for start in range(0, len(rows), 1000):
        statement = insert(MarketSession).values(list(rows[start : start + 1000]))
        new = (statement.excluded.open_at, statement.excluded.close_at)
        done = connection.execute(
            statement.on_conflict_do_update(
                index_elements=["mic", "session_date"],
                set_={"open_at": new[0], "close_at": new[1]},
                where=(MarketSession.open_at != new[0]) | (MarketSession.close_at != new[1]),
            ).returning(MarketSession.session_date)
        )
        changed += len(done.all())
    return changed


def load(
    connection: Connection, mics: Iterable[str], first: date, last: date
) -> dict[str, list[RowMapping]]:
    """Sessions by exchange from ``first`` to ``last``, ascending; none for what is not known."""
    wanted = sorted(set(mics))
    found: dict[str, list[RowMapping]] = {mic: [] for mic in wanted}
    statement = (
        select(MarketSession.__table__)
        .where(
            MarketSession.mic == any_(literal(wanted, ARRAY(Text))),
            MarketSession.session_date.between(first, last),
        )
        .order_by(MarketSession.mic, MarketSession.session_date)
    )
    for row in connection.execute(statement).mappings():
        found[row["mic"]].append(row)
    return found
