"""`run`: one row a due time; what happened to it, for ever readable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from sqlalchemy import CheckConstraint, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, Count, DefaultNow, Driver, execute, partial_index
from workers.ledger import machine_locks
from workers.ledger.states import RUN_ACTIVE, RUN_STATES, RUN_UNFINISHED, quoted

#: Why a run exists.
TRIGGERS = ("schedule", "manual", "system", "after", "backfill", "retry")


class Run(Base):
    __tablename__ = "run"
    __table_args__ = (
        CheckConstraint(f"state in ({quoted(RUN_STATES)})", name="state is one of those in the docs"),
        CheckConstraint(f"trigger in ({quoted(TRIGGERS)})", name="trigger is one of those in the docs"),
        CheckConstraint("open_batches >= 0", name="open_batches never falls below zero"),
        partial_index(
            "run_one_per_due_time", "schedule", "due_at", unique=True, where="trigger = 'schedule'"
        ),
        partial_index(
            "run_one_exclusive",
            "schedule",
            unique=True,
            where=f"exclusive and state in ({quoted(RUN_ACTIVE)})",
        ),
        partial_index(
            "run_active", "schedule", "created_at", where=f"state in ({quoted(RUN_UNFINISHED)})"
        ),
        partial_index("run_held", "schedule", "created_at", "due_at", where="state = 'held'"),
        partial_index(
            "run_deadline",
            "deadline_at",
            where="finished_at is null and deadline_at is not null",
        ),
        partial_index("run_uncounted", "finished_at", where="finished_at is not null and not counted"),
        partial_index(
            "run_stopping",
            "stop_requested_at",
            where="finished_at is null and stop_requested_at is not null",
        ),
        Index("run_by_schedule", "schedule", "created_at"),
        Index("run_by_creation", "created_at"),
        partial_index(
            "run_ended_otherwise",
            "state",
            text("created_at desc"),
            text("id desc"),
            where="state in ('expired', 'failed', 'missed', 'partial', 'skipped', 'stopped')",
        ),
        partial_index(
            "run_asked_for",
            "trigger",
            text("created_at desc"),
            text("id desc"),
            where="trigger in ('after', 'backfill', 'manual', 'retry')",
        ),
        partial_index("run_failures", "finished_at", where="state in ('failed', 'partial')"),
        partial_index("run_task_active", "task", where=f"state in ({quoted(RUN_ACTIVE)})"),
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
    trigger: Mapped[str] = mapped_column(
        comment="schedule | manual | system | after | backfill | retry"
    )
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
        comment="Time of a request to stop; it stops at its next call"
    )
    batch_count: Mapped[Count] = mapped_column(comment="Batches it was split into")
    open_batches: Mapped[Count] = mapped_column(comment="Batches not ended; zero ends the run")
    total: Mapped[Count] = mapped_column(comment="Items to do")
    done: Mapped[Count] = mapped_column(comment="Items done")
    failed: Mapped[Count] = mapped_column(comment="Items failed")
    deferred: Mapped[Count] = mapped_column(comment="Items left for the next run (quota spent)")
    result: Mapped[dict[str, Any] | None] = mapped_column(
        comment="Counts by name, and a summary for people"
    )
    error: Mapped[str | None] = mapped_column(comment="What went wrong, in a sentence")
    traceback: Mapped[str | None] = mapped_column(comment="Where it went wrong, redacted")
    requested_by: Mapped[str | None] = mapped_column(comment="Person who requested it")
    retry_of: Mapped[UUID | None] = mapped_column(comment="The run it repeats")
    counted: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Whether beat has drawn its conclusions from the end (failures, after)",
    )
    created_at: Mapped[DefaultNow] = mapped_column(comment="Decided at")
    started_at: Mapped[datetime | None] = mapped_column(comment="First batch claimed by a worker")
    finished_at: Mapped[datetime | None] = mapped_column(
        comment="Last batch ended, or decided not to run"
    )


LOCK = "select r.*, clock_timestamp() as now from run r where r.id = %s for update"


def lock(connection: Driver, run_id: UUID) -> Mapping[str, Any] | None:
    """The run's row, locked, with the database's clock read after the lock as ``now``."""
    return execute(connection, LOCK, (run_id,), dict_row).fetchone()


LOCK_BRIEFLY = "select id, max_in_flight from run where id = %s for update"


def lock_briefly(connection: Driver, run_id: UUID) -> Mapping[str, Any] | None:
    """Lock the run and read only what the end of a batch needs."""
    return execute(connection, LOCK_BRIEFLY, (run_id,), dict_row).fetchone()


COUNT_ACTIVE = """
select schedule, count(*) filter (where state <> 'held') as active,
       count(*) filter (where state = 'held') as held
  from run where schedule = any(%(names)s) and state in ('due', 'running', 'held')
 group by schedule
"""

COUNT_TASKS = """
select task, count(*) from run where task = any(%(tasks)s) and state in ('due', 'running')
 group by task
"""


def count_active(connection: Driver, names: list[str]) -> dict[str, list[int]]:
    found = connection.execute(COUNT_ACTIVE, {"names": names})
    return {name: [active, held] for name, active, held in found}


def count_tasks(connection: Driver, tasks: list[str]) -> dict[str, int]:
    """Active runs of each task; locked, so that two beats never both find the last free place."""
    lock_tasks(connection, tasks)
    return dict(connection.execute(COUNT_TASKS, {"tasks": tasks}).fetchall())


def lock_tasks(connection: Driver, tasks: list[str]) -> None:
    if tasks:
        machine_locks.wait_for(connection, *(f"kind {task}" for task in tasks))


DEFERRED = """
select i->>'key'
  from (select id from run
         where schedule = %(schedule)s and total > 0 and finished_at is not null and id <> %(id)s
         order by created_at desc limit 1) last
  join batch on batch.run_id = last.id
  cross join jsonb_array_elements(batch.items) i
 where i->>'state' = 'deferred'
"""


def deferred_keys(connection: Driver, run: Mapping[str, Any]) -> set[str]:
    """Keys of the items that the run before this one of the same schedule had to leave."""
    return {key for (key,) in connection.execute(DEFERRED, run)}
