"""`token`: every token ever seen, by chain and normalised address."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Connection, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import and_, cast, exists, func, literal, or_, select, tuple_, update

from tasks.discovery.pairs import Pair
from tasks.discovery.sources.dexscreener import Orders
from tasks.discovery.token_pools import TokenPool
from tasks.watches.matches import Match
from workers.db import IS_NEW, Base, DefaultNow, RowId


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

#: Values taken from a pair.
PAIR_VALUES = (
    "symbol", "name", "price_usd", "market_cap", "volume_h24", "liquidity_usd", "price_change_h24",
)  # fmt: skip
#: A null does not replace a known value.
KEPT_VALUES = (*PAIR_VALUES, "links", "boost_amount", "boost_total")


def upsert(
    connection: Connection, found: Sequence[Mapping[str, Any]], *, seen: bool = True
) -> dict[str, tuple[int, bool]]:
    """Store tokens; returns (id, whether it is new) by "chain:address_key"."""
    if not found:
        return {}
    # Every run locks rows in the same order, so that two runs do not deadlock.
    rows = sorted(found, key=lambda row: (row["chain"], row["address_key"]))
    statement = insert(Token).values(rows)
    new = statement.excluded
    changes: dict[str, Any] = {
        name: func.coalesce(new[name], getattr(Token, name)) for name in KEPT_VALUES
    }
    # An answer may leave out a pool that was known before.
    changes["pool_created_at"] = func.least(new.pool_created_at, Token.pool_created_at)
    changes["last_checked_at"] = new.last_checked_at
    if seen:
        changes["last_seen_at"] = func.clock_timestamp()
    result = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["chain", "address_key"], set_=changes
        ).returning(Token.id, Token.chain, Token.address_key, IS_NEW)
    )
    return {f"{row.chain}:{row.address_key}": (row.id, row.is_new) for row in result}


def values_of(pair: Pair | None) -> dict[str, Any]:
    values = {name: getattr(pair, name, None) for name in PAIR_VALUES}
    return {**values, "pool_created_at": pair.created_at if pair else None}


def store_orders(connection: Connection, chain: str, key: str, orders: Orders) -> None:
    """Store what was paid for a token; a known time of payment stays when none is given."""
    given = {name: value for name, value in asdict(orders).items() if value is not None}
    connection.execute(
        update(Token).where(Token.chain == chain, Token.address_key == key).values(given)
    )


def lock(connection: Connection, found: Sequence[Mapping[str, Any]]) -> dict[str, Decimal | None]:
    """Lock known tokens, in one order everywhere; their stored prices by "chain:address_key"."""
    chains = literal([row["chain"] for row in found], ARRAY(Text))
    keys = literal([row["address_key"] for row in found], ARRAY(Text))
    wanted = func.unnest(chains, keys).table_valued("chain", "key").render_derived()
    statement = (
        select(Token.chain, Token.address_key, Token.price_usd)
        .where(tuple_(Token.chain, Token.address_key).in_(select(wanted.c.chain, wanted.c.key)))
        .order_by(Token.chain, Token.address_key)
        .with_for_update(key_share=True)
    )
    return {f"{row.chain}:{row.address_key}": row.price_usd for row in connection.execute(statement)}


def find(connection: Connection, ids: Sequence[int]) -> dict[int, Any]:
    rows = connection.execute(select(Token.__table__).where(Token.id.in_(ids)))
    return {row.id: row for row in rows}


def known_chains(connection: Connection, chains: Collection[str]) -> set[str]:
    """Those of the chains of which a token is stored."""
    wanted = func.unnest(literal(sorted(chains), ARRAY(Text))).table_valued("chain").render_derived()
    stored = exists().where(Token.chain == wanted.c.chain)
    return set(connection.execute(select(wanted.c.chain).where(stored)).scalars())


def stalest(connection: Connection, limit: int | None, *, since: datetime, volume: float) -> list[Any]:
    """Living tokens, the longest unchecked first.

    A token lives when a feed has named it since then, when a pool found since then has that volume
    (USD) in a day, or when a match refers to it.
    """
    # A token whose pools were not found since then may no longer trade at its stored volume.
    pool_found = exists().where(TokenPool.token_id == Token.id, TokenPool.checked_at >= since)
    matched = exists().where(Match.subject == "token", Match.subject_id == cast(Token.id, Text))
    statement = (
        select(Token.chain, Token.address_key, Token.address)
        .where(
            or_(
                Token.last_seen_at >= since,
                and_(Token.volume_h24 >= Decimal(str(volume)), pool_found),
                matched,
            )
        )
        .order_by(Token.last_checked_at.nulls_first(), Token.id)
        .limit(limit)
    )
    return list(connection.execute(statement))
