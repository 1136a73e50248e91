"""`token_sighting`: which tokens a run saw: new, chosen, or rejected and why."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Index, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.discovery.tokens import Token, TokenId
from workers.db import Base, DefaultNow, driver
from workers.ledger import machine_locks


class TokenSighting(Base):
    __tablename__ = "token_sighting"
    __table_args__ = (
        Index("token_sighting_by_token", "token_id"),
        {
            "comment": "Decision of each discovery run about each token it saw.",
            "postgresql_partition_by": "range (due_at)",
        },
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True, comment="Run")
    token_id: Mapped[TokenId] = mapped_column(primary_key=True, comment="Token")
    is_new: Mapped[bool] = mapped_column(comment="Seen for the first time")
    passed: Mapped[bool] = mapped_column(comment="Passed every filter")
    chosen: Mapped[bool] = mapped_column(
        comment="Passed, and among the max_tokens with the greatest volume"
    )
    rejected_because: Mapped[str | None] = mapped_column(comment="Filter that rejected it")
    volume_h24: Mapped[Decimal | None] = mapped_column(
        comment="Volume of 24 hours (USD) that it was ranked by"
    )
    feeds: Mapped[list[str]] = mapped_column(comment="Feeds that named it")
    due_at: Mapped[DefaultNow] = mapped_column(primary_key=True, comment="Due time of the run")


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store what the run made of tokens; a repeated batch changes nothing."""
    if rows:
        connection.execute(insert(TokenSighting).values(list(rows)).on_conflict_do_nothing())


def choose(connection: Connection, run_id: UUID, limit: int) -> int:
    """Choose the ``limit`` tokens of greatest volume among those that passed.

    Returns how many more are chosen than before.  Batches of a run take turns: each must see the
    sightings of the others.
    """
    machine_locks.wait_for(driver(connection), "token_sighting")
    of_run = TokenSighting.run_id == run_id
    # Equal volumes are ordered by address, so that the choice does not depend on the order of storing.
    order = TokenSighting.volume_h24.desc().nulls_last(), Token.chain, Token.address_key
    ranked = (
        select(TokenSighting.token_id, func.row_number().over(order_by=order).label("place"))
        .join(Token, Token.id == TokenSighting.token_id)
        .where(of_run, TokenSighting.passed)
        .cte("ranked")
    )
    reason = func.format(
        "%s. of those that passed by volume, max_tokens is %s", ranked.c.place, literal(limit)
    )
    changed = (
        update(TokenSighting)
        .where(of_run, TokenSighting.token_id == ranked.c.token_id)
        .values(chosen=ranked.c.place <= limit, rejected_because=case((ranked.c.place > limit, reason)))
        .cte("changed")
    )
    before = select(func.count()).where(of_run, TokenSighting.chosen).scalar_subquery()
    more = select(func.least(literal(limit), func.count()) - before).select_from(ranked)
    return int(connection.execute(more.add_cte(changed)).scalar_one())


def chosen(connection: Connection, run_id: UUID) -> set[str]:
    """The tokens that the run has chosen so far, as "chain:address_key"."""
    statement = (
        select(Token.chain + ":" + Token.address_key)
        .join(TokenSighting, TokenSighting.token_id == Token.id)
        .where(TokenSighting.run_id == run_id, TokenSighting.chosen)
    )
    return set(connection.execute(statement).scalars())
