"""`match`: a rule fitted something found, once for each occasion."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow, RowId


class Match(Base):
    __tablename__ = "match"
    __table_args__ = (
        UniqueConstraint("rule", "subject", "subject_id", "occasion_key"),
        Index("match_by_time", "matched_at"),
        Index("match_by_subject", "subject", "subject_id"),
        {"comment": "Matches of rules: one for each rule, subject and occasion."},
    )

    id: Mapped[RowId]
    rule: Mapped[str] = mapped_column(
        ForeignKey("rule.name", onupdate="CASCADE", ondelete="CASCADE"), comment="Rule"
    )
    subject: Mapped[str] = mapped_column(comment="What was found: a name of table subject")
    subject_id: Mapped[str] = mapped_column(comment="Key of the listing or token, or the symbol")
    occasion: Mapped[str] = mapped_column(comment="new | price_drop | relisted | changed")
    occasion_key: Mapped[str] = mapped_column(
        comment="Tells occasions apart: each lower price, return or day is a new one"
    )
    title: Mapped[str] = mapped_column(comment="What it is, for people")
    facts: Mapped[dict[str, Any]] = mapped_column(
        comment="As it was found: price, currency, old_price, url, seller …"
    )
    run_id: Mapped[UUID | None] = mapped_column(comment="Run that found it")
    matched_at: Mapped[DefaultNow] = mapped_column(comment="When")


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    """Store matches; returns (id, rule) of the new ones."""
    if not rows:
        return []
    statement = insert(Match).values(list(rows)).on_conflict_do_nothing()
    written = connection.execute(statement.returning(Match.id, Match.rule))
    return [(row.id, row.rule) for row in written]
