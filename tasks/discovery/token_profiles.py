"""`token_profile`: what looking at a token's early buyers brought, for the discovery that asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Numeric

from tasks.discovery.tokens import TokenId
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
        comment="Early: so long after the oldest pool was made"
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


_ASK = text("""
insert into token_profile (run_id, token_id, early_window_minutes, min_profit_pct)
select run_id, token_id, :minutes, :profit from token_sighting where run_id = :run and chosen
    on conflict do nothing
""")
_FORGET = text("""
delete from token_profile p where p.run_id = :run and p.profiled_at is null
   and not exists (
     select from token_sighting s where s.run_id = p.run_id and s.token_id = p.token_id and s.chosen)
""")


def ask(connection: Connection, run_id: UUID, *, minutes: int, profit: float) -> None:
    """Ask for the early buyers of the tokens that the run has chosen so far."""
    connection.execute(_FORGET, {"run": run_id})
    connection.execute(_ASK, {"run": run_id, "minutes": minutes, "profit": profit})


_OPEN = text("""
select p.run_id, p.token_id, p.early_window_minutes, p.min_profit_pct, t.chain, t.address, t.symbol,
       l.created_at as pool_created_at, l.pool
  from token_profile p
  join token t on t.id = p.token_id
  -- Whoever was early was so in the first pool, also when the token has moved since.
  left join lateral (
    select created_at, pool from token_pool where token_id = p.token_id and created_at is not null
     order by created_at, liquidity_usd desc nulls last, pool limit 1) l on true
 where p.profiled_at is null and (cast(:run as uuid) is null or p.run_id = :run)
 order by p.asked_at, p.token_id limit :limit
""")


def still_open(connection: Connection, limit: int, run_id: UUID | None = None) -> Sequence[Any]:
    """Tokens asked for and not yet done, the longest asked first."""
    return connection.execute(_OPEN, {"limit": limit, "run": run_id}).all()


_PUT_LAST = text("""
update token_profile set asked_at = clock_timestamp() where run_id = :run and token_id = :token
""")


def put_last(connection: Connection, run_id: UUID, token_id: int) -> None:
    """A token that could not be looked at goes to the end of the line: others have their turn first."""
    connection.execute(_PUT_LAST, {"run": run_id, "token": token_id})


_FINISH = text("""
update token_profile
   set profiled_at = clock_timestamp(), profile_run_id = :profile_run_id, trades = :trades,
       profiled_wallets = :profiled_wallets, new_wallets = :new_wallets,
       updated_wallets = :updated_wallets, note = :note
 where run_id = :run_id and token_id = :token_id
""")


def finish(connection: Connection, run_id: UUID, token_id: int, found: dict[str, Any]) -> None:
    """Keep what was found."""
    connection.execute(_FINISH, {**found, "run_id": run_id, "token_id": token_id})
