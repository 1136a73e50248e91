"""`change`: who changed what from what to what, in every table that people own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from workers.db import Base, DefaultNow, partial_index


class Change(Base):
    """One edit of one row, written by trigger `audit` and by nothing else."""

    __tablename__ = "change"
    __table_args__ = (
        Index("change_by_name", "table_name", "name", text("id desc")),
        Index("change_by_time", "changed_at"),
        partial_index("change_by_operation", "operation", where="operation is not null"),
        partial_index("change_by_undo_of", "undo_of", where="undo_of is not null"),
        {"comment": "The audit: who changed what from what to what, in every table that people own."},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of the changes"
    )
    table_name: Mapped[str] = mapped_column(comment="The table")
    key: Mapped[dict[str, Any]] = mapped_column(comment='The row: {"name": "prices-nightly"}')
    name: Mapped[str] = mapped_column(comment="The row for people: the columns of its key")
    action: Mapped[str] = mapped_column(comment="insert | update | delete")
    old: Mapped[dict[str, Any] | None] = mapped_column(comment="Before; of an update only what changed")
    new: Mapped[dict[str, Any] | None] = mapped_column(comment="After; of an update only what changed")
    changed_at: Mapped[DefaultNow] = mapped_column(comment="When")
    changed_by: Mapped[str] = mapped_column(comment="Person or login")
    program: Mapped[str | None] = mapped_column(comment="application_name of the session")
    operation: Mapped[UUID | None] = mapped_column(
        comment="The same for all edits of one action on many"
    )
    undo_of: Mapped[int | None] = mapped_column(BigInteger, comment="The change that this one undid")
