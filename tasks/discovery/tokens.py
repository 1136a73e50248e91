"""`token`: every token ever seen, by chain and normalised address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, ForeignKey, Index, UniqueConstraint, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.discovery.pairs import Pair
from tasks.discovery.sources.dexscreener import Orders
from tasks.watches import matches
from workers.db import Base, DefaultNow, RowId


class Token(Base):
    """One token with the latest values known; a failed look-up keeps the good ones."""

    __tablename__ = "token"
    __table_args__ = (
        UniqueConstraint("chain", "address_key"),
        Index("token_by_check", "last_checked_at"),
        Index("token_by_first_seen", "first_seen_at"),
        Index("token_by_last_seen", "last_seen_at"),
        {"comment": "Every token ever seen, with the latest values known."},
    )

    id: Mapped[RowId]
    chain: Mapped[str] = mapped_column(comment="Chain, as DexScreener names it")
    address_key: Mapped[str] = mapped_column(comment="Address, normalised; with chain unique")
    address: Mapped[str] = mapped_column(comment="Address as first written")
    symbol: Mapped[str | None] = mapped_column(comment="Ticker, at most 64 characters")
    name: Mapped[str | None] = mapped_column(comment="Name, at most 256 characters")
    price_usd: Mapped[Decimal | None] = mapped_column(comment="Price (USD)")
    market_cap: Mapped[Decimal | None] = mapped_column(comment="Market capitalisation (USD)")
    volume_h24: Mapped[Decimal | None] = mapped_column(comment="Volume of 24 hours (USD)")
    liquidity_usd: Mapped[Decimal | None] = mapped_column(comment="Liquidity (USD)")
    price_change_h24: Mapped[Decimal | None] = mapped_column(
        comment="Price change of 24 hours (percent)"
    )
    pool_created_at: Mapped[datetime | None] = mapped_column(
        comment="When its oldest known pool was made: its age"
    )
    links: Mapped[list[Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="Pages that its makers name: [{type, label, url}]"
    )
    orders: Mapped[int | None] = mapped_column(comment="Orders paid for it at DexScreener")
    boosts: Mapped[int | None] = mapped_column(comment="Boosts paid for it at DexScreener")
    boost_amount: Mapped[int | None] = mapped_column(
        comment="Boosts of the newest purchase that a feed named"
    )
    boost_total: Mapped[int | None] = mapped_column(
        comment="Boosts active in all, as a feed named them"
    )
    paid_at: Mapped[datetime | None] = mapped_column(comment="When something was first paid for it")
    first_run_id: Mapped[UUID | None] = mapped_column(comment="Run that found it first")
    first_seen_at: Mapped[DefaultNow] = mapped_column(comment="First seen")
    last_seen_at: Mapped[DefaultNow] = mapped_column(comment="Last in a feed")
    last_checked_at: Mapped[datetime | None] = mapped_column(comment="Last looked up")


#: Reference to a token; the row goes with it.
TokenId = Annotated[int, mapped_column(BigInteger, ForeignKey("token.id", ondelete="CASCADE"))]

#: Values of a look-up, and of feeds: a null does not replace what is known.
LOOKED_UP = (
    "symbol", "name", "price_usd", "market_cap", "volume_h24", "liquidity_usd", "price_change_h24",
    "pool_created_at",
)  # fmt: skip
VALUES = (*LOOKED_UP, "links", "boost_amount", "boost_total")


def upsert(
    connection: Connection, found: Sequence[Mapping[str, Any]], *, seen: bool = True
) -> dict[str, tuple[int, bool]]:
    """Store tokens; returns (id, whether it is new) by "chain:address_key"."""
    if not found:
        return {}
    # One order everywhere, so that two runs never lock rows crosswise.
    rows = sorted(found, key=lambda row: (row["chain"], row["address_key"]))
    statement = insert(Token).values(rows)
    new = statement.excluded
    changes: dict[str, Any] = {
        name: text(f"coalesce(excluded.{name}, token.{name})") for name in VALUES
    }
    # An answer may leave out a pool that was known before.
    changes["pool_created_at"] = text("least(excluded.pool_created_at, token.pool_created_at)")
    changes["last_checked_at"] = new.last_checked_at
    if seen:
        changes["last_seen_at"] = text("clock_timestamp()")
    result = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["chain", "address_key"], set_=changes
        ).returning(Token.id, Token.chain, Token.address_key, text("(xmax = 0) as is_new"))
    )
    return {f"{row.chain}:{row.address_key}": (row.id, row.is_new) for row in result}


def values_of(pair: Pair | None) -> dict[str, Any]:
    """The columns that a token takes from its best pair."""
    if pair is None:
        return dict.fromkeys(LOOKED_UP)
    return {
        "symbol": pair.symbol,
        "name": pair.name,
        "price_usd": pair.price_usd,
        "market_cap": pair.market_cap,
        "volume_h24": pair.volume_h24,
        "liquidity_usd": pair.liquidity_usd,
        "price_change_h24": pair.price_change_h24,
        "pool_created_at": pair.created_at,
    }


_PAID = text("""
update token set orders = :orders, boosts = :boosts, paid_at = coalesce(:paid_at, paid_at)
 where chain = :chain and address_key = :key
""")


def keep_orders(connection: Connection, chain: str, key: str, orders: Orders) -> None:
    """Store what was paid for a token."""
    paid = {"orders": orders.orders, "boosts": orders.boosts, "paid_at": orders.paid_at}
    connection.execute(_PAID, {**paid, "chain": chain, "key": key})


_LOCK = text("""
select chain || ':' || address_key as key, price_usd from token
 where (chain, address_key) in (select * from unnest(cast(:chains as text[]), cast(:keys as text[])))
 order by chain, address_key for no key update
""")


def lock(connection: Connection, found: Sequence[Mapping[str, Any]]) -> dict[str, Decimal | None]:
    """Lock known tokens, in one order everywhere; prices by "chain:address_key", as they were."""
    parameters = {
        "chains": [row["chain"] for row in found],
        "keys": [row["address_key"] for row in found],
    }
    return {row.key: row.price_usd for row in connection.execute(_LOCK, parameters)}


def find(connection: Connection, ids: Sequence[int]) -> dict[int, Any]:
    """Tokens by their keys, as they are stored."""
    rows = connection.execute(select(Token.__table__).where(Token.id.in_(ids)))
    return {row.id: row for row in rows}


#: A pool that was not found since is no proof that its token still trades.
_STALEST = text(f"""
select chain, address_key, address from token
 where last_seen_at >= :since
    or volume_h24 >= :volume
       and exists (select from token_pool where token_id = token.id and checked_at >= :since)
    or {matches.points_to("token", "token.id")}
 order by last_checked_at nulls first, id limit :limit
""")  # noqa: S608 - our own words


def stalest(connection: Connection, limit: int | None, *, since: datetime, volume: float) -> list[Any]:
    """Living tokens, all or ``limit``, the one checked longest ago first.

    Alive is what a feed named since then, what then still had so much volume (USD) in a day, and what a
    rule's match is of.
    """
    return list(
        connection.execute(_STALEST, {"limit": limit, "since": since, "volume": Decimal(str(volume))})
    )
