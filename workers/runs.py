"""`run`: one row a due time; what happened to it, for ever readable."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime, Interval, Uuid

from workers.db import Base

#: Why a run exists.
TRIGGERS = ("schedule", "manual", "after", "backfill", "retry")
#: States in which work may still happen.
ACTIVE = ("due", "running")
#: States that never change again.
ENDED = ("succeeded", "partial", "failed", "stopped", "skipped", "missed", "expired")
STATES = (*ACTIVE, "held", *ENDED)


def quoted(words: tuple[str, ...]) -> str:
    """``words`` as a list of SQL literals, for CHECKs and partial indexes."""
    return ", ".join(f"'{word}'" for word in words)


class Run(Base):
    """One due time of a schedule, or one request of a person, from decision to end."""

    __tablename__ = "run"
    __table_args__ = (
        CheckConstraint(f"state in ({quoted(STATES)})", name="state is one of those in the docs"),
        CheckConstraint(
            f"trigger in ({quoted(TRIGGERS)})", name="trigger is one of those in the docs"
        ),
        CheckConstraint("open_batches >= 0", name="open_batches never falls below zero"),
        Index(
            "run_one_per_due_time",
            "schedule",
            "due_at",
            unique=True,
            postgresql_where=text("trigger = 'schedule'"),
        ),
        Index(
            "run_one_exclusive",
            "schedule",
            unique=True,
            postgresql_where=text(f"exclusive and state in ({quoted(ACTIVE)})"),
        ),
        Index(
            "run_active",
            "schedule",
            "created_at",
            postgresql_where=text(f"state in ({quoted((*ACTIVE, 'held'))})"),
        ),
        Index(
            "run_held",
            "created_at",
            postgresql_where=text("state = 'held'"),
        ),
        Index(
            "run_deadline",
            "deadline_at",
            postgresql_where=text(f"state in ({quoted(ACTIVE)}) and deadline_at is not null"),
        ),
        Index(
            "run_uncounted",
            "finished_at",
            postgresql_where=text("finished_at is not null and not counted"),
        ),
        Index("run_by_schedule", "schedule", "created_at"),
        Index("run_by_creation", "created_at"),
        Index(
            "run_failures",
            "finished_at",
            postgresql_where=text("state in ('failed', 'partial')"),
        ),
        Index(
            "run_task_active",
            "task",
            postgresql_where=text(f"state in ({quoted(ACTIVE)})"),
        ),
        {"comment": "One row a due time or request: what was decided, what happened, and why."},
    )

    id: Mapped[UUID] = mapped_column(
        Uuid, primary_key=True, comment="Also the Celery id and root id of its messages"
    )
    schedule: Mapped[str | None] = mapped_column(
        Text, comment="Name of the schedule; kept when the schedule is deleted; null: made by hand"
    )
    task: Mapped[str] = mapped_column(Text, comment="Name of the kind, which is its module's path")
    options: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default=text("'{}'"), comment="Frozen copy of the options it runs with"
    )
    trigger: Mapped[str] = mapped_column(
        Text, comment="schedule | manual | after | backfill | retry"
    )
    due_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), comment="The due time it stands for (nominal, without jitter)"
    )
    covers_from: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="First due time it covers, when it covers several"
    )
    covers_count: Mapped[int] = mapped_column(
        server_default=text("1"), comment="How many due times it covers"
    )
    state: Mapped[str] = mapped_column(
        Text,
        comment="due | running | held | succeeded | partial | failed | stopped | skipped | missed"
        " | expired",
    )
    reason: Mapped[str | None] = mapped_column(
        Text, comment="Why it is held, skipped, missed, stopped, expired or partial"
    )
    exclusive: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="No other exclusive run of its schedule may be active"
    )
    queue: Mapped[str] = mapped_column(Text, comment="Queue its messages go to")
    priority: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("5"), comment="0 to 9, 9 first"
    )
    max_attempts: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("3"), comment="Attempts a batch has before it is failed"
    )
    timeout: Mapped[timedelta | None] = mapped_column(
        Interval, comment="Longest time from its start to its end"
    )
    expires_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Not started by then, it is no longer worth starting"
    )
    deadline_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When its timeout ends it; set when it starts"
    )
    stop_requested_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Since when it is asked to stop at its next call"
    )
    batch_count: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Batches it was split into"
    )
    open_batches: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Batches not ended; zero ends the run"
    )
    total: Mapped[int] = mapped_column(server_default=text("0"), comment="Items to do")
    done: Mapped[int] = mapped_column(server_default=text("0"), comment="Items done")
    failed: Mapped[int] = mapped_column(server_default=text("0"), comment="Items failed")
    deferred: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Items left for the next run (quota spent)"
    )
    result: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="Counts by name, and a summary for people"
    )
    error: Mapped[str | None] = mapped_column(Text, comment="What went wrong, in a sentence")
    traceback: Mapped[str | None] = mapped_column(Text, comment="Where it went wrong, redacted")
    requested_by: Mapped[str | None] = mapped_column(
        Text, comment="Who asked for it, when a person did"
    )
    retry_of: Mapped[UUID | None] = mapped_column(Uuid, comment="The run it repeats")
    counted: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Whether beat has drawn its conclusions from the end (failures, after)",
    )
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Decided at"
    )
    started_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="First batch claimed by a worker"
    )
    finished_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Last batch ended, or decided not to run"
    )
