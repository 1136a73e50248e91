"""`schedule_change`: who changed what from what to what, and with which program."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Identity, Index
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from workers.db import Base, DefaultNow


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
    schedule: Mapped[str] = mapped_column(comment="Name of the schedule")
    action: Mapped[str] = mapped_column(comment="insert | update | delete")
    changes: Mapped[dict[str, Any]] = mapped_column(
        comment='Only what changed: {"every": ["04:00:00", "02:00:00"]}'
    )
    changed_at: Mapped[DefaultNow] = mapped_column(comment="When")
    changed_by: Mapped[str] = mapped_column(comment="Person or role")
    program: Mapped[str | None] = mapped_column(comment="application_name of the session")
