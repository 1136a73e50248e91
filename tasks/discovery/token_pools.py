"""`token_pool`: the pools a token trades in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.discovery.pairs import Pair
from tasks.discovery.tokens import TokenId
from workers.db import Base, DefaultNow, RowId


class TokenPool(Base):
    """One pool, by chain and address."""

    __tablename__ = "token_pool"
    __table_args__ = (
        UniqueConstraint("chain", "pool"),
        Index("token_pool_by_token", "token_id"),
        Index("token_pool_by_check", "checked_at"),
        {"comment": "The pools that tokens trade in, with the latest values."},
    )

    id: Mapped[RowId]
    token_id: Mapped[TokenId] = mapped_column(comment="Base token")
    chain: Mapped[str] = mapped_column(comment="Chain")
    pool: Mapped[str] = mapped_column(comment="Address of the pool")
    dex: Mapped[str | None] = mapped_column(comment="Exchange")
    price_usd: Mapped[Decimal | None] = mapped_column(comment="Price (USD)")
    liquidity_usd: Mapped[Decimal | None] = mapped_column(comment="Liquidity (USD)")
    volume_h24: Mapped[Decimal | None] = mapped_column(comment="Volume of 24 hours (USD)")
    created_at: Mapped[datetime | None] = mapped_column(comment="When the pool was made")
    checked_at: Mapped[DefaultNow] = mapped_column(comment="Last looked up")


def upsert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store pools with their latest values."""
    if not rows:
        return
    by_key = {(row["chain"], row["pool"]): row for row in rows}
    statement = insert(TokenPool).values([by_key[key] for key in sorted(by_key)])
    keep = ("dex", "price_usd", "liquidity_usd", "volume_h24", "created_at")
    changes: dict[str, Any] = {
        name: text(f"coalesce(excluded.{name}, token_pool.{name})") for name in keep
    }
    changes["checked_at"] = text("clock_timestamp()")
    connection.execute(statement.on_conflict_do_update(index_elements=["chain", "pool"], set_=changes))


def row(token_id: int, pair: Pair) -> dict[str, Any]:
    """A pool's row from a pair."""
    return {
        "token_id": token_id,
        "chain": pair.chain,
        "pool": pair.pool,
        "dex": pair.dex,
        "price_usd": pair.price_usd,
        "liquidity_usd": pair.liquidity_usd,
        "volume_h24": pair.volume_h24,
        "created_at": pair.created_at,
    }
