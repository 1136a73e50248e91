"""`task_kind`: which tasks exist, what options they take, how often they may run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime, Interval

from workers.db import Base


class Options(BaseModel):
    """What a kind is told; an option that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskKind(Base):
    """A registered task; written by the migrate step, retired but never deleted."""

    __tablename__ = "task_kind"
    __table_args__ = ({"comment": "Which tasks exist and what they take; written by migrate."},)

    name: Mapped[str] = mapped_column(Text, primary_key=True, comment="Path of its module")
    description: Mapped[str] = mapped_column(Text, comment="What it does, in a sentence")
    options_schema: Mapped[dict[str, Any]] = mapped_column(
        JSONB, comment="JSON Schema of its options; the database checks edits by it"
    )
    queue: Mapped[str] = mapped_column(Text, comment="Queue its runs go to by default")
    upstream: Mapped[str | None] = mapped_column(Text, comment="Upstream it calls most")
    min_every: Mapped[timedelta | None] = mapped_column(
        Interval, comment="Shortest interval allowed"
    )
    max_every: Mapped[timedelta | None] = mapped_column(
        Interval, comment="Longest interval allowed"
    )
    allowed_every: Mapped[list[timedelta] | None] = mapped_column(
        ARRAY(Interval), comment="The only intervals allowed, when set"
    )
    max_running: Mapped[int | None] = mapped_column(comment="Most of its runs active at once")
    max_attempts: Mapped[int] = mapped_column(
        server_default=text("3"), comment="Attempts per batch, unless the schedule says otherwise"
    )
    timeout: Mapped[timedelta | None] = mapped_column(
        Interval, comment="Longest time of a run, unless the schedule says otherwise"
    )
    retired_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="No worker knows it any more, since then"
    )
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Last registered"
    )
