"""`pause_switch`: one row that pauses every schedule, so that single pauses survive it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base


class PauseSwitch(Base):
    __tablename__ = "pause_switch"
    __table_args__ = (
        CheckConstraint("single", name="there is one switch only"),
        {"comment": "One row: whether everything is paused."},
    )

    single: Mapped[bool] = mapped_column(
        primary_key=True, server_default=text("true"), comment="Always true: one row"
    )
    paused: Mapped[bool] = mapped_column(server_default=text("false"), comment="Nothing is claimed")
    note: Mapped[str | None] = mapped_column(comment="Why")
    changed_by: Mapped[str | None] = mapped_column(comment="Who")
    changed_at: Mapped[datetime | None] = mapped_column(comment="When")
