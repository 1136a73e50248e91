"""`wallet_token`: which wallet was early in which token, and its gain."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, ForeignKey, Index, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.discovery.tokens import TokenId
from workers.db import Base


class WalletToken(Base):
    __tablename__ = "wallet_token"
    __table_args__ = (
        Index("wallet_token_by_token", "token_id"),
        {"comment": "Which wallet was early in which token, and its gain."},
    )

    wallet_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("wallet.id", ondelete="CASCADE"), primary_key=True, comment="Wallet"
    )
    token_id: Mapped[TokenId] = mapped_column(primary_key=True, comment="Token")
    run_id: Mapped[UUID] = mapped_column(comment="Profiling run that found it")
    pool: Mapped[str] = mapped_column(comment="Pool it bought in")
    first_bought_at: Mapped[datetime] = mapped_column(comment="First purchase")
    bought_usd: Mapped[Decimal] = mapped_column(comment="What it spent (USD)")
    gain_pct: Mapped[Decimal] = mapped_column(comment="Gain, sold and still held together (percent)")


VALUES = ("pool", "first_bought_at", "bought_usd", "gain_pct")


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store who was early in a token; what is known from earlier trades stays."""
    if not rows:
        return
    statement = insert(WalletToken).values(sorted(rows, key=lambda row: row["wallet_id"]))
    new = statement.excluded
    differs = tuple_(*(new[name] for name in VALUES)).is_distinct_from(
        tuple_(*(getattr(WalletToken, name) for name in VALUES))
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["wallet_id", "token_id"],
            set_={name: new[name] for name in ("run_id", *VALUES)},
            # Trades that begin later than those known are a part of them.
            where=(new.first_bought_at <= WalletToken.first_bought_at) & differs,
        )
    )


def drop_others(connection: Connection, token_id: int, pool: str, kept: Collection[int]) -> set[int]:
    """Delete all but ``kept`` of those early in a pool whose window is fully known; returns those."""
    gone = delete(WalletToken).where(
        WalletToken.token_id == token_id,
        WalletToken.pool == pool,
        WalletToken.wallet_id.not_in(kept),
    )
    return {row.wallet_id for row in connection.execute(gone.returning(WalletToken.wallet_id))}


def gains(connection: Connection, wallet_ids: Collection[int]) -> dict[int, list[Decimal]]:
    found: dict[int, list[Decimal]] = {wallet_id: [] for wallet_id in wallet_ids}
    statement = select(WalletToken.wallet_id, WalletToken.gain_pct).where(
        WalletToken.wallet_id.in_(found)
    )
    for row in connection.execute(statement.order_by(WalletToken.wallet_id, WalletToken.token_id)):
        found[row.wallet_id].append(row.gain_pct)
    return found
