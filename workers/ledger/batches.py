"""`batch`: the unit of message, lease and loss; every run that starts has at least one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, Count, DefaultNow, SmallCount, partial_index
from workers.ledger.states import BATCH_READY, BATCH_STATES, quoted


class Batch(Base):
    __tablename__ = "batch"
    __table_args__ = (
        CheckConstraint(f"state in ({quoted(BATCH_STATES)})", name="state is one of those in the docs"),
        partial_index(
            "batch_to_send", "send_at", where="state = 'waiting' or state = 'sent' and sends > 0"
        ),
        partial_index(
            "batch_ready",
            "queue",
            "task",
            text("priority desc"),
            "send_at",
            where="state = 'sent'",
        ),
        partial_index(
            "batch_waiting_for_upstream",
            "waiting_for",
            text("priority desc"),
            "updated_at",
            where=f"state in ({quoted(BATCH_READY)}) and waiting_for is not null",
        ),
        partial_index(
            "batch_waiting_run",
            "waiting_for",
            "run_id",
            where=f"state in ({quoted(BATCH_READY)}) and waiting_for is not null",
        ),
        partial_index("batch_leased", "lease_until", where="state = 'running'"),
        {"comment": "The unit of message, lease and loss: some items of a run."},
    )

    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("run.id", ondelete="CASCADE"), primary_key=True, comment="Its run"
    )
    seq: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="0 plans the run, or does a small one whole"
    )
    task: Mapped[str] = mapped_column(comment="The run's task, for the message")
    queue: Mapped[str] = mapped_column(comment="Queue of its message")
    priority: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("5"), comment="0 to 9, 9 first"
    )
    plain: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Of a plain Celery task: has a message of its own"
    )
    state: Mapped[str] = mapped_column(
        server_default=text("'waiting'"),
        comment="waiting | sent | running | done | failed | deferred | stopped",
    )
    items: Mapped[list[Any] | None] = mapped_column(
        comment="Its items with each one's outcome; null: not planned yet"
    )
    total: Mapped[Count] = mapped_column(comment="Items it has")
    done: Mapped[Count] = mapped_column(comment="Items done")
    failed: Mapped[Count] = mapped_column(comment="Items failed")
    deferred: Mapped[Count] = mapped_column(comment="Items deferred")
    not_before: Mapped[datetime | None] = mapped_column(
        comment="No worker takes it earlier (batch delay, back-off)"
    )
    send_at: Mapped[datetime | None] = mapped_column(
        server_default=text("clock_timestamp()"),
        comment="Ready from then on (waiting: not announced yet); with a message of its own:"
        " looked for again; null: not until released",
    )
    sends: Mapped[SmallCount] = mapped_column(
        comment="Messages of its own since it was last claimed; 0: its queue's doorbell"
    )
    waiting_for: Mapped[str | None] = mapped_column(
        comment="Upstream whose quota it waits for, until a worker has it"
    )
    fence: Mapped[Count] = mapped_column(comment="Rises at every claim; an older holder writes nothing")
    attempt: Mapped[SmallCount] = mapped_column(comment="Failures of the task so far")
    retries: Mapped[SmallCount] = mapped_column(
        comment="Celery's own retries of a plain task so far (task.retry)"
    )
    deaths: Mapped[SmallCount] = mapped_column(
        comment="Times its worker died while it was the only batch in hand"
    )
    suspect: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Its worker died with several batches in hand: it runs alone from now on",
    )
    alone: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Whether its worker's process has no other batch in hand",
    )
    leaving: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Its worker has said that it ends: if the lease ends now, that is no death",
    )
    lease_until: Mapped[datetime | None] = mapped_column(
        comment="Its worker is believed alive until then"
    )
    worker: Mapped[str | None] = mapped_column(comment="Who holds or last held it")
    error: Mapped[str | None] = mapped_column(comment="What went wrong last")
    created_at: Mapped[DefaultNow] = mapped_column(comment="Planned at")
    updated_at: Mapped[DefaultNow] = mapped_column(comment="Last change of state; order of waiting")
    started_at: Mapped[datetime | None] = mapped_column(comment="First claimed")
    finished_at: Mapped[datetime | None] = mapped_column(comment="Ended")
