"""`token_profile`: what looking at a token's early buyers brought, for the discovery that asked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Index, Numeric
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import delete, exists, func, literal, select, text, true, update
from sqlalchemy.sql.selectable import LateralFromClause

from tasks.discovery.token_pools import TokenPool
from tasks.discovery.token_sightings import TokenSighting
from tasks.discovery.tokens import Token, TokenId
from workers.db import Base, DefaultNow


class TokenProfile(Base):
    """One token that a discovery run wants profiled, and then what was found."""

    __tablename__ = "token_profile"
    __table_args__ = (
        Index("token_profile_by_token", "token_id"),
        Index(
            "token_profile_open",
            "asked_at",
            postgresql_where=text("profiled_at is null"),
        ),
        {"comment": "Tokens whose early buyers a discovery run asked for, and what was found."},
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True, comment="Discovery run that asked")
    token_id: Mapped[TokenId] = mapped_column(primary_key=True, comment="Token")
    early_window_minutes: Mapped[int] = mapped_column(
        comment="Early: minutes after the oldest pool was made"
    )
    min_profit_pct: Mapped[float] = mapped_column(Numeric, comment="Least gain (percent)")
    asked_at: Mapped[DefaultNow] = mapped_column(comment="When it was asked for, or last tried in vain")
    profiled_at: Mapped[datetime | None] = mapped_column(comment="When it was done; null: still to do")
    profile_run_id: Mapped[UUID | None] = mapped_column(comment="Profiling run that did it")
    trades: Mapped[int | None] = mapped_column(comment="Trades looked at")
    profiled_wallets: Mapped[int | None] = mapped_column(
        comment="Wallets early and with the gain asked for"
    )
    new_wallets: Mapped[int | None] = mapped_column(comment="Of these, seen for the first time")
    updated_wallets: Mapped[int | None] = mapped_column(comment="Of these, known before")
    note: Mapped[str | None] = mapped_column(comment="What of the early trades is out of reach")


def ask(connection: Connection, run_id: UUID, *, minutes: int, profit: float) -> None:
    """Ask for the early buyers of exactly the tokens that the run has chosen so far."""
    is_chosen = exists().where(
        TokenSighting.run_id == TokenProfile.run_id,
        TokenSighting.token_id == TokenProfile.token_id,
        TokenSighting.chosen,
    )
    connection.execute(
        delete(TokenProfile).where(
            TokenProfile.run_id == run_id, TokenProfile.profiled_at.is_(None), ~is_chosen
        )
    )
    chosen = select(
        TokenSighting.run_id, TokenSighting.token_id, literal(minutes), literal(profit)
    ).where(TokenSighting.run_id == run_id, TokenSighting.chosen)
    names = ["run_id", "token_id", "early_window_minutes", "min_profit_pct"]
    connection.execute(insert(TokenProfile).from_select(names, chosen).on_conflict_do_nothing())


def still_open(connection: Connection, limit: int, run_id: UUID | None = None) -> Sequence[Any]:
    """What was asked for and is not yet profiled, of ``limit`` tokens, the longest waiting first.

    Each row has the token's first pool: early buyers bought there, also when it has moved since.
    """
    of_run = true() if run_id is None else TokenProfile.run_id == run_id
    is_open = TokenProfile.profiled_at.is_(None), of_run
    since = func.min(TokenProfile.asked_at).label("since")
    waiting = (
        select(TokenProfile.token_id, since)
        .where(*is_open)
        .group_by(TokenProfile.token_id)
        .order_by(since, TokenProfile.token_id)
        .limit(limit)
        .cte("waiting")
    )
    first_pool = _first_pool(waiting.c.token_id)
    statement = (
        select(
            TokenProfile.run_id,
            TokenProfile.token_id,
            TokenProfile.early_window_minutes,
            TokenProfile.min_profit_pct,
            Token.chain,
            Token.address,
            first_pool.c.created_at.label("pool_created_at"),
            first_pool.c.pool,
        )
        .join(waiting, waiting.c.token_id == TokenProfile.token_id)
        .join(Token, Token.id == TokenProfile.token_id)
        .outerjoin(first_pool, true())
        .where(*is_open)
        .order_by(waiting.c.since, TokenProfile.token_id, TokenProfile.asked_at, TokenProfile.run_id)
    )
    return connection.execute(statement).all()


def _first_pool(token_id: ColumnElement[int]) -> LateralFromClause:
    return (
        select(TokenPool.created_at, TokenPool.pool)
        .where(TokenPool.token_id == token_id, TokenPool.created_at.is_not(None))
        .order_by(TokenPool.created_at, TokenPool.liquidity_usd.desc().nulls_last(), TokenPool.pool)
        .limit(1)
        .lateral("first_pool")
    )


def put_last(connection: Connection, run_id: UUID, token_id: int) -> None:
    """Move a token that could not be profiled to the end of the queue."""
    _update(connection, run_id, token_id, asked_at=func.clock_timestamp())


def finish(connection: Connection, run_id: UUID, token_id: int, **found: Any) -> None:
    _update(connection, run_id, token_id, **found, profiled_at=func.clock_timestamp())


def _update(connection: Connection, run_id: UUID, token_id: int, **values: Any) -> None:
    key = TokenProfile.run_id == run_id, TokenProfile.token_id == token_id
    connection.execute(update(TokenProfile).where(*key).values(values))
