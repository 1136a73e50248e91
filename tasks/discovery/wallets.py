"""`wallet`: who was early in tokens that gained, with a score."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from sqlalchemy import Connection, Index, UniqueConstraint, bindparam, func, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import IS_NEW, Base, DefaultNow, RowId, driver
from workers.ledger import machine_locks


class Wallet(Base):
    __tablename__ = "wallet"
    __table_args__ = (
        UniqueConstraint("chain", "address"),
        Index("wallet_by_score", text("score desc")),
        {"comment": "Wallets that were early in tokens that gained, with a score."},
    )

    id: Mapped[RowId]
    chain: Mapped[str] = mapped_column(comment="Chain, as DexScreener names it")
    address: Mapped[str] = mapped_column(
        comment="Sender of the trades; a router or bot may hide people"
    )
    score: Mapped[Decimal] = mapped_column(
        server_default=text("0"), comment="0 to 100: one token doubled is 50, two are 75"
    )
    early_tokens: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Tokens it was early in, with a gain"
    )
    first_seen_at: Mapped[DefaultNow] = mapped_column(comment="First seen")
    last_seen_at: Mapped[DefaultNow] = mapped_column(comment="Last seen")


def upsert(connection: Connection, chain: str, addresses: Iterable[str]) -> dict[str, tuple[int, bool]]:
    """Store wallets; (id, whether it is new) by address."""
    rows = [{"chain": chain, "address": address} for address in sorted(set(addresses))]
    if not rows:
        return {}
    result = connection.execute(
        insert(Wallet)
        .values(rows)
        .on_conflict_do_update(
            index_elements=["chain", "address"], set_={"last_seen_at": func.clock_timestamp()}
        )
        .returning(Wallet.id, Wallet.address, IS_NEW)
    )
    return {row.address: (row.id, row.is_new) for row in result}


def lock(connection: Connection) -> None:
    """Let one transaction write at a time: wallets are stored in one order and rated in another."""
    machine_locks.wait_for(driver(connection), "wallet")


def rate(connection: Connection, scores: Mapping[int, tuple[Decimal, int]]) -> None:
    rows = [
        {"wallet": key, "score": score, "early_tokens": tokens}
        for key, (score, tokens) in sorted(scores.items())
    ]
    if rows:
        connection.execute(update(Wallet).where(Wallet.id == bindparam("wallet")), rows)
