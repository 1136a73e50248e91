"""`price_outcome`: what became of each symbol in each run.

The kind writes ok, stale and not_found with the rows they speak of.  What the engine decides (deferred
when a quota is spent, error when all attempts failed) is in the batches: view `recent_price_outcomes`
shows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Connection, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow

#: What the kind writes; the view adds rate_limited, deferred and error.
OUTCOMES = ("ok", "not_found", "stale")


class PriceOutcome(Base):
    """One symbol in one run."""

    __tablename__ = "price_outcome"
    __table_args__ = (
        CheckConstraint(
            "outcome in ('ok', 'not_found', 'stale')",
            name="outcome is one of those in the docs",
        ),
        Index("price_outcome_by_symbol", "symbol", "at"),
        Index("price_outcome_by_time", "at"),
        {"comment": "What became of each symbol in each price run."},
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True, comment="Run")
    symbol: Mapped[str] = mapped_column(primary_key=True, comment="Symbol")
    outcome: Mapped[str] = mapped_column(
        comment="ok | not_found | stale (answered, without its last session)"
    )
    source: Mapped[str | None] = mapped_column(comment="Source that answered")
    detail: Mapped[str | None] = mapped_column(comment="More about it")
    at: Mapped[DefaultNow] = mapped_column(comment="When")


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


_LATEST = text("""
select wanted.symbol, last.at, last.outcomes
  from unnest(cast(:symbols as text[])) as wanted(symbol)
 cross join lateral (
       select max(at) as at, array_agg(outcome order by at desc) as outcomes
         from (select outcome, at from price_outcome
                where price_outcome.symbol = wanted.symbol and (source is not null or outcome <> 'ok')
                order by at desc limit :most) newest) last
 where last.at > :since
""")


def latest(
    connection: Connection, symbols: Sequence[str], since: datetime, most: int
) -> dict[str, tuple[datetime, list[str]]]:
    """Of each symbol with an outcome after ``since``: when its last was, and its newest ``most``.

    An "ok" without a source says that nobody was asked, and does not count.
    """
    parameters = {"symbols": list(symbols), "since": since, "most": most}
    return {row.symbol: (row.at, row.outcomes) for row in connection.execute(_LATEST, parameters)}


_DROP = text("""
delete from price_outcome where (run_id, symbol) in (
    select run_id, symbol from price_outcome where at < :before
     order by at limit :limit for update skip locked)
""")


def drop(connection: Connection, before: datetime, limit: int) -> int:
    """Delete up to ``limit`` outcomes older than ``before``."""
    return connection.execute(_DROP, {"before": before, "limit": limit}).rowcount
