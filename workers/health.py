"""`heartbeat`: each process says that it is useful, not only that it is alive."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime

from workers.db import Base


class Heartbeat(Base):
    """The last sign of one process."""

    __tablename__ = "heartbeat"
    __table_args__ = (
        {"comment": "Last sign of each beat and worker; silent ones show in health."},
    )

    name: Mapped[str] = mapped_column(
        Text, primary_key=True, comment="Node name, e.g. beat@host or prices@host"
    )
    role: Mapped[str] = mapped_column(Text, comment="beat | worker")
    started_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Process start"
    )
    seen_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Last sign"
    )
    detail: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default=text("'{}'"), comment="Version, pid, queues, pool size, clock skew"
    )
