"""`price_outcome`: what became of each symbol in each run."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Connection, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime, Uuid

from workers.db import Base

OUTCOMES = ("ok", "not_found", "stale", "rate_limited", "deferred", "error")


class PriceOutcome(Base):
    """One symbol in one run."""

    __tablename__ = "price_outcome"
    __table_args__ = (
        CheckConstraint(
            "outcome in ('ok', 'not_found', 'stale', 'rate_limited', 'deferred', 'error')",
            name="outcome is one of those in the docs",
        ),
        Index("price_outcome_by_symbol", "symbol", "at"),
        {"comment": "What became of each symbol in each price run."},
    )

    run_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, comment="Run")
    symbol: Mapped[str] = mapped_column(Text, primary_key=True, comment="Symbol")
    outcome: Mapped[str] = mapped_column(
        Text, comment="ok | not_found | stale | rate_limited | deferred | error"
    )
    source: Mapped[str | None] = mapped_column(Text, comment="Source that answered")
    detail: Mapped[str | None] = mapped_column(Text, comment="More about it")
    at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="When"
    )


_PUT = text("""
insert into price_outcome (run_id, symbol, outcome, source, detail)
values (:run_id, :symbol, :outcome, :source, :detail)
on conflict (run_id, symbol) do update
   set outcome = excluded.outcome, source = excluded.source, detail = excluded.detail,
       at = clock_timestamp()
""")


def put(
    connection: Connection,
    run_id: UUID,
    symbol: str,
    outcome: str,
    *,
    source: str | None = None,
    detail: str | None = None,
) -> None:
    """Keep what became of ``symbol`` in the run."""
    connection.execute(
        _PUT,
        {
            "run_id": run_id,
            "symbol": symbol,
            "outcome": outcome,
            "source": source,
            "detail": detail[:500] if detail else None,
        },
    )
