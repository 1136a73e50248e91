"""`price_outcome`: what became of each symbol in each run.

The price tasks write ok, stale and not_found.  What the engine decides (deferred when a quota is used
up, error when all attempts failed) is in the batches; view `recent_price_outcomes` shows both.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Index, Text, delete
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import func, literal, select

from workers.db import Base, DefaultNow

#: A run is over long before; of its outcomes none is older.
MAX_RUN_TIME = timedelta(days=7)


class PriceOutcome(Base):
    __tablename__ = "price_outcome"
    __table_args__ = (
        Index("price_outcome_by_symbol", "symbol", "at"),
        Index("price_outcome_by_time", "at"),
        {
            "comment": "Outcome of each symbol in each price run.",
            "postgresql_partition_by": "range (at)",
        },
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True, comment="Run")
    symbol: Mapped[str] = mapped_column(primary_key=True, comment="Symbol")
    outcome: Mapped[str] = mapped_column(
        comment="ok | not_found | stale (answered, without its last session)"
    )
    source: Mapped[str | None] = mapped_column(comment="Source that answered")
    detail: Mapped[str | None] = mapped_column(comment="More about it")
    at: Mapped[DefaultNow] = mapped_column(primary_key=True, comment="When")


def put(
    connection: Connection,
    run_id: UUID,
    symbol: str,
    outcome: str,
    *,
    source: str | None = None,
    detail: str | None = None,
) -> None:
    before = (
        delete(PriceOutcome)
        .where(
            PriceOutcome.run_id == run_id,
            PriceOutcome.symbol == symbol,
            # Which partitions may hold it: no run takes so long.
            PriceOutcome.at > datetime.now(UTC) - MAX_RUN_TIME,
        )
        .cte("before")
    )
    values = {"outcome": outcome, "source": source, "detail": detail[:500] if detail else None}
    connection.execute(
        insert(PriceOutcome).values(run_id=run_id, symbol=symbol, **values).add_cte(before)
    )


def latest(
    connection: Connection, symbols: Sequence[str], since: datetime, limit: int
) -> dict[str, tuple[datetime, list[str]]]:
    """Of each symbol with an outcome after ``since``: when its last was, and its newest ``limit``.

    An "ok" without a source says that no source was asked, and does not count.
    """
    wanted = func.unnest(literal(symbols, ARRAY(Text))).table_valued("symbol").render_derived("wanted")
    asked = PriceOutcome.source.is_not(None) | (PriceOutcome.outcome != "ok")
    newest = (
        select(PriceOutcome.outcome, PriceOutcome.at)
        .where(PriceOutcome.symbol == wanted.c.symbol, asked)
        .order_by(PriceOutcome.at.desc())
        .limit(limit)
        .correlate(wanted)
        .lateral("newest")
    )
    outcomes = func.array_agg(aggregate_order_by(newest.c.outcome, newest.c.at.desc()))
    last = select(func.max(newest.c.at).label("at"), outcomes.label("outcomes")).lateral("last")
    statement = select(wanted.c.symbol, last.c.at, last.c.outcomes).join(last, last.c.at > since)
    return {row.symbol: (row.at, row.outcomes) for row in connection.execute(statement)}
