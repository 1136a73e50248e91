"""`token_sighting`: which tokens a run saw: new, chosen, or rejected and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, ForeignKey, Index, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Uuid

from workers.db import Base


class TokenSighting(Base):
    """One token in one run."""

    __tablename__ = "token_sighting"
    __table_args__ = (
        Index("token_sighting_by_token", "token_id"),
        {"comment": "What each discovery run made of each token it saw."},
    )

    run_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, comment="Run")
    token_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("token.id", ondelete="CASCADE"), primary_key=True, comment="Token"
    )
    is_new: Mapped[bool] = mapped_column(comment="Seen for the first time")
    chosen: Mapped[bool] = mapped_column(comment="Passed every filter")
    rejected_because: Mapped[str | None] = mapped_column(Text, comment="Filter that rejected it")
    feeds: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="Feeds that named it")


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store what the run made of tokens; a repeated batch changes nothing."""
    if rows:
        connection.execute(insert(TokenSighting).values(list(rows)).on_conflict_do_nothing())


def count_chosen(connection: Connection, run_id: UUID) -> int:
    """How many tokens the run has chosen so far."""
    statement = select(func.count()).where(TokenSighting.run_id == run_id, TokenSighting.chosen)
    return connection.execute(statement).scalar_one()
