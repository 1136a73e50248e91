"""`schedule_change`: who changed what from what to what, and with which program."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime

from workers.db import Base


class ScheduleChange(Base):
    """One edit of one row, written by a trigger and by nothing else."""

    __tablename__ = "schedule_change"
    __table_args__ = (
        Index("schedule_change_by_schedule", "schedule", "changed_at"),
        Index("schedule_change_by_time", "changed_at"),
        {"comment": "The audit: what changed, from what to what, by whom, with which program."},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of the changes"
    )
    schedule: Mapped[str] = mapped_column(Text, comment="Name of the schedule")
    action: Mapped[str] = mapped_column(Text, comment="insert | update | delete")
    changes: Mapped[dict[str, Any]] = mapped_column(
        JSONB, comment='Only what changed: {"every": ["04:00:00", "02:00:00"]}'
    )
    changed_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="When"
    )
    changed_by: Mapped[str] = mapped_column(Text, comment="Person or role")
    program: Mapped[str | None] = mapped_column(Text, comment="application_name of the session")
