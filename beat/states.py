"""`schedule_state`: what the machine knows of each schedule; beat alone writes it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime

from workers.db import Base


class ScheduleState(Base):
    """Where a schedule stands: what is planned, what was counted, what is wrong."""

    __tablename__ = "schedule_state"
    __table_args__ = (
        Index(
            "schedule_state_due",
            "claim_at",
            postgresql_where=text("claim_at is not null"),
        ),
        Index(
            "schedule_state_wrong",
            "error_at",
            postgresql_where=text("error is not null"),
        ),
        {
            "comment": "What beat knows of each schedule: next run, failures, errors.",
            "postgresql_with": {"fillfactor": "75"},
        },
    )

    schedule: Mapped[str] = mapped_column(
        Text,
        ForeignKey("schedule.name", ondelete="CASCADE"),
        primary_key=True,
        comment="The schedule",
    )
    planned_revision: Mapped[int | None] = mapped_column(
        BigInteger, comment="Revision of the schedule that this plan is made from"
    )
    anchor_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Where the grid of every begins"
    )
    next_run_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Next due time (nominal); null: none"
    )
    claim_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When beat acts on it: next_run_at plus jitter"
    )
    last_due_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Latest due time accounted for"
    )
    runs_counted: Mapped[int] = mapped_column(
        BigInteger, server_default=text("0"), comment="Runs started so far, against max_runs"
    )
    consecutive_failures: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Failed runs since the last success"
    )
    tripped_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Since when it has paused itself; any edit clears it"
    )
    tripped_reason: Mapped[str | None] = mapped_column(Text, comment="Why it has paused itself")
    error: Mapped[str | None] = mapped_column(
        Text, comment="Why beat set it aside; any edit lets beat try again"
    )
    error_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When beat set it aside"
    )
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True),
        server_default=text("clock_timestamp()"),
        comment="Last change by beat",
    )
