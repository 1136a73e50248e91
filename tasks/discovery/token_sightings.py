"""`token_sighting`: which tokens a run saw: new, chosen, or rejected and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Index, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.discovery.tokens import TokenId
from workers.db import Base
from workers.ledger import machine_locks


class TokenSighting(Base):
    """One token in one run."""

    __tablename__ = "token_sighting"
    __table_args__ = (
        Index("token_sighting_by_token", "token_id"),
        {"comment": "What each discovery run made of each token it saw."},
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True, comment="Run")
    token_id: Mapped[TokenId] = mapped_column(primary_key=True, comment="Token")
    is_new: Mapped[bool] = mapped_column(comment="Seen for the first time")
    passed: Mapped[bool] = mapped_column(comment="Passed every filter")
    chosen: Mapped[bool] = mapped_column(comment="Passed, and among the max_tokens of most volume")
    rejected_because: Mapped[str | None] = mapped_column(comment="Filter that rejected it")
    volume_h24: Mapped[Decimal | None] = mapped_column(
        comment="Volume of 24 hours (USD) that it was ranked by"
    )
    feeds: Mapped[list[str]] = mapped_column(comment="Feeds that named it")


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store what the run made of tokens; a repeated batch changes nothing."""
    if rows:
        connection.execute(insert(TokenSighting).values(list(rows)).on_conflict_do_nothing())


_RANK = text("""
with ranked as (
  -- Ties go by address: the same tokens are chosen whatever order they were stored in.
  select s.token_id,
         row_number() over (order by s.volume_h24 desc nulls last, t.chain, t.address_key) as place
    from token_sighting s join token t on t.id = s.token_id where s.run_id = :run and s.passed
), changed as (
  update token_sighting s set chosen = r.place <= :most,
         rejected_because = case when r.place > :most then
           format('%s. of those that passed by volume, max_tokens is %s', r.place, :most) end
    from ranked r where s.run_id = :run and s.token_id = r.token_id
)
select least(:most, count(*)) - (
         select count(*) from token_sighting where run_id = :run and chosen) from ranked
""")


def choose(connection: Connection, run_id: UUID, most: int) -> int:
    """Choose the ``most`` tokens of greatest volume among those that passed; how many more than before.

    Batches take turns: two of one run at once would each see only their own tokens.
    """
    machine_locks.wait_for(connection, "token_sighting")
    more: int = connection.execute(_RANK, {"run": run_id, "most": most}).scalar_one()
    return more


_CHOSEN = text("""
select t.chain || ':' || t.address_key from token_sighting s join token t on t.id = s.token_id
 where s.run_id = :run and s.chosen
""")


def chosen(connection: Connection, run_id: UUID) -> set[str]:
    """The tokens that the run has chosen so far, as "chain:address_key"."""
    return set(connection.execute(_CHOSEN, {"run": run_id}).scalars())
