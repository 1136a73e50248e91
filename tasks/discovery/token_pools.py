"""`token_pool`: the pools a token trades in."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Connection, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.discovery.pairs import Pair
from workers.db import Base, DefaultNow, RowId


class TokenPool(Base):
    __tablename__ = "token_pool"
    __table_args__ = (
        UniqueConstraint("chain", "pool"),
        Index("token_pool_by_token", "token_id"),
        Index("token_pool_by_check", "checked_at"),
        {"comment": "The pools that tokens trade in, with the latest values."},
    )

    id: Mapped[RowId]
    token_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("token.id", ondelete="CASCADE"), comment="Base token"
    )
    chain: Mapped[str] = mapped_column(comment="Chain")
    pool: Mapped[str] = mapped_column(comment="Address of the pool")
    dex: Mapped[str | None] = mapped_column(comment="Exchange")
    price_usd: Mapped[Decimal | None] = mapped_column(comment="Price (USD)")
    liquidity_usd: Mapped[Decimal | None] = mapped_column(comment="Liquidity (USD)")
    volume_h24: Mapped[Decimal | None] = mapped_column(comment="Volume of 24 hours (USD)")
    created_at: Mapped[datetime | None] = mapped_column(comment="When the pool was made")
    checked_at: Mapped[DefaultNow] = mapped_column(comment="Last looked up")


#: Values taken from a pair; a null does not replace a known value.
VALUES = ("dex", "price_usd", "liquidity_usd", "volume_h24", "created_at")


def upsert(connection: Connection, pairs: Iterable[tuple[int, Pair]]) -> None:
    """Store the pools of tokens (id, pair) with their latest values, in one order everywhere."""
    by_key = {(pair.chain, pair.pool): (token_id, pair) for token_id, pair in pairs}
    rows = [
        {"token_id": token_id, "chain": chain, "pool": pool}
        | {name: getattr(pair, name) for name in VALUES}
        for (chain, pool), (token_id, pair) in sorted(by_key.items(), key=lambda item: item[0])
    ]
    if not rows:
        return
    statement = insert(TokenPool).values(rows)
    changes: dict[str, Any] = {
        name: func.coalesce(statement.excluded[name], getattr(TokenPool, name)) for name in VALUES
    }
    changes["checked_at"] = func.clock_timestamp()
    connection.execute(statement.on_conflict_do_update(index_elements=["chain", "pool"], set_=changes))
