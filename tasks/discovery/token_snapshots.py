"""`token_snapshot`: values of a token at the time of a run; append only."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.discovery.pairs import Pair
from tasks.discovery.tokens import TokenId
from workers.db import Base, DefaultNow


class TokenSnapshot(Base):
    __tablename__ = "token_snapshot"
    __table_args__ = ({"comment": "Values of tokens over time, one row a token and run."},)

    token_id: Mapped[TokenId] = mapped_column(primary_key=True, comment="Token")
    run_id: Mapped[UUID] = mapped_column(primary_key=True, comment="Run that saw it")
    pool: Mapped[str | None] = mapped_column(comment="Pool the values are from")
    price_usd: Mapped[Decimal | None] = mapped_column(comment="Price (USD)")
    liquidity_usd: Mapped[Decimal | None] = mapped_column(comment="Liquidity (USD)")
    volume_h24: Mapped[Decimal | None] = mapped_column(comment="Volume of 24 hours (USD)")
    market_cap: Mapped[Decimal | None] = mapped_column(comment="Market capitalisation (USD)")
    taken_at: Mapped[DefaultNow] = mapped_column(comment="When")


#: Values taken from a pair.
VALUES = ("pool", "price_usd", "liquidity_usd", "volume_h24", "market_cap")


def add(connection: Connection, run_id: UUID, pairs: Iterable[tuple[int, Pair]]) -> None:
    rows = [
        {"token_id": token_id, "run_id": run_id} | {name: getattr(pair, name) for name in VALUES}
        for token_id, pair in pairs
    ]
    if rows:
        connection.execute(insert(TokenSnapshot).values(rows).on_conflict_do_nothing())
