"""`run`: one row a due time; what happened to it, for ever readable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from sqlalchemy import CheckConstraint, Connection, Index, SmallInteger, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, fetch_one, prepared

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
        CheckConstraint(f"trigger in ({quoted(TRIGGERS)})", name="trigger is one of those in the docs"),
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
        Index("run_held", "schedule", "created_at", "due_at", postgresql_where=text("state = 'held'")),
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
        Index(
            "run_stopping",
            "stop_requested_at",
            postgresql_where=text(
                f"state in ({quoted((*ACTIVE, 'held'))}) and stop_requested_at is not null"
            ),
        ),
        Index("run_by_schedule", "schedule", "created_at"),
        Index("run_by_creation", "created_at"),
        Index("run_failures", "finished_at", postgresql_where=text("state in ('failed', 'partial')")),
        Index("run_task_active", "task", postgresql_where=text(f"state in ({quoted(ACTIVE)})")),
        {"comment": "One row a due time or request: what was decided, what happened, and why."},
    )

    id: Mapped[UUID] = mapped_column(
        primary_key=True, comment="Also the Celery id and root id of its messages"
    )
    schedule: Mapped[str | None] = mapped_column(
        comment="Name of the schedule; kept when the schedule is deleted; null: made by hand"
    )
    task: Mapped[str] = mapped_column(comment="Name of the kind, which is its module's path")
    options: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"), comment="Frozen copy of the options it runs with"
    )
    trigger: Mapped[str] = mapped_column(comment="schedule | manual | after | backfill | retry")
    due_at: Mapped[datetime] = mapped_column(
        comment="The due time it stands for (nominal, without jitter)"
    )
    covers_from: Mapped[datetime | None] = mapped_column(
        comment="First due time it covers, when it covers several"
    )
    covers_count: Mapped[int] = mapped_column(
        server_default=text("1"), comment="How many due times it covers"
    )
    state: Mapped[str] = mapped_column(
        comment="due | running | held | succeeded | partial | failed | stopped | skipped | missed"
        " | expired"
    )
    reason: Mapped[str | None] = mapped_column(
        comment="Why it is held, skipped, missed, stopped, expired or partial"
    )
    exclusive: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="No other exclusive run of its schedule may be active"
    )
    queue: Mapped[str] = mapped_column(comment="Queue its messages go to")
    priority: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("5"), comment="0 to 9, 9 first"
    )
    max_attempts: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("3"), comment="Attempts a batch has before it is failed"
    )
    batch_size: Mapped[int | None] = mapped_column(comment="Items a batch; null: the kind's")
    batch_delay: Mapped[timedelta | None] = mapped_column(
        comment="Least time between two of its batches; null: the kind's"
    )
    max_in_flight: Mapped[int | None] = mapped_column(
        comment="Its batches that may run at once; null: any number"
    )
    timeout: Mapped[timedelta | None] = mapped_column(comment="Longest time from its start to its end")
    expires_at: Mapped[datetime | None] = mapped_column(
        comment="Not started by then, it is no longer worth starting"
    )
    deadline_at: Mapped[datetime | None] = mapped_column(
        comment="When its timeout ends it; set when it starts"
    )
    stop_requested_at: Mapped[datetime | None] = mapped_column(
        comment="Since when it is asked to stop at its next call"
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
        comment="Counts by name, and a summary for people"
    )
    error: Mapped[str | None] = mapped_column(comment="What went wrong, in a sentence")
    traceback: Mapped[str | None] = mapped_column(comment="Where it went wrong, redacted")
    requested_by: Mapped[str | None] = mapped_column(comment="Who asked for it, when a person did")
    retry_of: Mapped[UUID | None] = mapped_column(comment="The run it repeats")
    counted: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Whether beat has drawn its conclusions from the end (failures, after)",
    )
    created_at: Mapped[datetime] = mapped_column(
        server_default=text("clock_timestamp()"), comment="Decided at"
    )
    started_at: Mapped[datetime | None] = mapped_column(comment="First batch claimed by a worker")
    finished_at: Mapped[datetime | None] = mapped_column(
        comment="Last batch ended, or decided not to run"
    )


_LOCK = prepared("select r.*, clock_timestamp() as now from run r where r.id = :run_id for update")


def lock(connection: Connection, run_id: UUID) -> Mapping[str, Any] | None:
    """The run's row, locked, with the database's clock read after the lock as ``now``."""
    row: Mapping[str, Any] | None = fetch_one(connection, _LOCK, {"run_id": run_id}, dict_row)
    return row


_LOCK_BRIEFLY = prepared("select id, max_in_flight from run where id = :run_id for update")


def lock_briefly(connection: Connection, run_id: UUID) -> Mapping[str, Any] | None:
    """Lock the run and read only what the end of a batch needs."""
    row: Mapping[str, Any] | None = fetch_one(connection, _LOCK_BRIEFLY, {"run_id": run_id}, dict_row)
    return row


_ADD_BATCHES = text("""
update run
   set batch_count = batch_count + :batches, open_batches = open_batches + :batches,
       total = total + :items
 where id = :run_id
""")


def add_batches(connection: Connection, run_id: UUID, batches: int, items: int) -> None:
    """The run was split: so many more batches, so many items."""
    connection.execute(_ADD_BATCHES, {"run_id": run_id, "batches": batches, "items": items})


_CREATE_BY_HAND = text("""
with created as (
    insert into run (id, task, options, trigger, due_at, state, queue, priority, max_attempts,
                     timeout, batch_count, open_batches, requested_by)
    values (:run_id, :task, :options, 'manual', clock_timestamp(), 'due', :queue, 5,
            :max_attempts, :timeout, 1, 1, :requested_by)
    on conflict do nothing
    returning id
)
insert into batch (run_id, seq, task, queue, send_at)
select id, 0, :task, :queue, clock_timestamp() + interval '1 minute' from created
""").bindparams(bindparam("options", type_=JSONB))


def create_by_hand(
    connection: Connection,
    run_id: UUID,
    task: str,
    options: dict[str, Any],
    *,
    queue: str,
    max_attempts: int,
    timeout: timedelta | None,
    requested_by: str,
) -> None:
    """Give a hand-made call its row; a second copy of the same message changes nothing."""
    connection.execute(
        _CREATE_BY_HAND,
        {
            "run_id": run_id,
            "task": task,
            "options": options,
            "queue": queue,
            "max_attempts": max_attempts,
            "timeout": timeout,
            "requested_by": requested_by,
        },
    )


_DEFERRED = text("""
select i->>'key'
  from (select id from run
         where schedule = :schedule and total > 0 and finished_at is not null and id <> :run_id
         order by created_at desc limit 1) last
  join batch on batch.run_id = last.id
  cross join jsonb_array_elements(batch.items) i
 where i->>'state' = 'deferred'
""")


def deferred_keys(connection: Connection, schedule: str, run_id: UUID) -> set[str]:
    """Keys of the items that the schedule's run before this one had to leave."""
    parameters = {"schedule": schedule, "run_id": run_id}
    return set(connection.execute(_DEFERRED, parameters).scalars())
