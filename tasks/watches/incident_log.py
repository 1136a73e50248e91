"""`incident`: what broke, and when it recovered; ``follow_incidents()`` in SQL writes it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow, RowId


class Incident(Base):
    """One thing that was broken."""

    __tablename__ = "incident"
    __table_args__ = (
        Index(
            "incident_open", "kind", "subject", unique=True, postgresql_where=sql("closed_at is null")
        ),
        Index("incident_by_time", "opened_at"),
        {"comment": "What broke, and when it had recovered."},
    )

    id: Mapped[RowId] = mapped_column(comment="Order")
    kind: Mapped[str] = mapped_column(comment="As in view trouble")
    subject: Mapped[str] = mapped_column(comment="Schedule, process, queue, channel or upstream")
    title: Mapped[str] = mapped_column(comment="What is broken")
    text: Mapped[str] = mapped_column(comment="Why, as far as is known")
    opened_at: Mapped[DefaultNow] = mapped_column(comment="Seen first")
    closed_at: Mapped[datetime | None] = mapped_column(comment="When it was over; null: still broken")
