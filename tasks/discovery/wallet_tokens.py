"""`wallet_token`: which wallet was early in which token, and its gain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, ForeignKey, Index, Text, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime, Numeric, Uuid

from workers.db import Base


class WalletToken(Base):
    """One wallet early in one token."""

    __tablename__ = "wallet_token"
    __table_args__ = (
        Index("wallet_token_by_token", "token_id"),
        {"comment": "Which wallet was early in which token, and its gain."},
    )

    wallet_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("wallet.id", ondelete="CASCADE"), primary_key=True, comment="Wallet"
    )
    token_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("token.id", ondelete="CASCADE"), primary_key=True, comment="Token"
    )
    run_id: Mapped[UUID] = mapped_column(Uuid, comment="Profiling run that found it")
    pool: Mapped[str] = mapped_column(Text, comment="Pool it bought in")
    first_bought_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="First purchase")
    bought_usd: Mapped[Decimal] = mapped_column(Numeric, comment="What it spent (USD)")
    gain_pct: Mapped[Decimal] = mapped_column(
        Numeric, comment="Gain, sold and still held together (percent)"
    )


def replace(connection: Connection, token_id: int, rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """Store who was early in a token, instead of what was known; wallets that no longer are."""
    kept = [row["wallet_id"] for row in rows]
    gone = delete(WalletToken).where(
        WalletToken.token_id == token_id, WalletToken.wallet_id.not_in(kept)
    )
    left = {row.wallet_id for row in connection.execute(gone.returning(WalletToken.wallet_id))}
    if rows:
        statement = insert(WalletToken).values(sorted(rows, key=lambda row: row["wallet_id"]))
        names = ("run_id", "pool", "first_bought_at", "bought_usd", "gain_pct")
        changes = {name: text(f"excluded.{name}") for name in names}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["wallet_id", "token_id"], set_=changes)
        )
    return left


def gains(connection: Connection, wallet_ids: Collection[int]) -> dict[int, list[Decimal]]:
    """Gains of each wallet over all its tokens."""
    found: dict[int, list[Decimal]] = {wallet_id: [] for wallet_id in wallet_ids}
    statement = select(WalletToken.wallet_id, WalletToken.gain_pct).where(
        WalletToken.wallet_id.in_(found)
    )
    for row in connection.execute(statement.order_by(WalletToken.wallet_id, WalletToken.token_id)):
        found[row.wallet_id].append(row.gain_pct)
    return found
