"""`market_session`: trading days of exchanges with their real opening and closing times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, ForeignKey, Index, RowMapping, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

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
    days = [row["session_date"] for row in rows]
    parameters = {"mic": mic, "first": first, "last": last, "days": days}
    changed = connection.execute(_REMOVE, parameters).rowcount
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


_REMOVE = text("""
delete from market_session
 where mic = :mic and session_date between :first and :last
   and session_date <> all(cast(:days as date[]))
""")

_LOAD = text("""
select mic, session_date, open_at, close_at from market_session
 where mic = any(cast(:mics as text[])) and session_date between :first and :last
 order by mic, session_date
""")


def load(
    connection: Connection, mics: Iterable[str], first: date, last: date
) -> dict[str, list[RowMapping]]:
    """Sessions by exchange from ``first`` to ``last``, ascending; none for what is not known."""
    wanted = sorted(set(mics))
    found: dict[str, list[RowMapping]] = {mic: [] for mic in wanted}
    parameters = {"mics": wanted, "first": first, "last": last}
    for row in connection.execute(_LOAD, parameters).mappings():
        found[row["mic"]].append(row)
    return found
