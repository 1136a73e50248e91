"""`schedule`: what people want to run and when."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from beat.time.overlap import CATCH_UPS, OVERLAPS
from workers.db import Base, DefaultNow
from workers.ledger.states import quoted

#: Constraints by name; the name is the message that people read.
_CHECKS = {
    "name: lower-case words and digits joined by hyphens": (
        "name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(name) <= 100"
    ),
    "set exactly one of every, cron, at, after": "num_nonnulls(every, cron, at, after) = 1",
    "every must be longer than nothing": "every > interval '0'",
    "after: a schedule cannot follow itself": "after <> name",
    "ends_at must be later than starts_at": "ends_at > starts_at",
    "jitter cannot be negative": "jitter >= interval '0'",
    "timeout must be longer than nothing": "timeout > interval '0'",
    "expires must be longer than nothing": "expires > interval '0'",
    "catch_up_window cannot be negative": "catch_up_window >= interval '0'",
    "options must be a JSON object": "jsonb_typeof(options) = 'object'",
    "overlap: skip|buffer_one|buffer_all|cancel_other|allow_all": f"overlap in ({quoted(OVERLAPS)})",
    "catch_up: latest, all or none": f"catch_up in ({quoted(CATCH_UPS)})",
    "calendar_hours: day or session": "calendar_hours in ('day', 'session')",
    "max_runs must be 1 or more": "max_runs >= 1",
    "pause_after_failures must be 1 or more": "pause_after_failures >= 1",
    "alert_after must be 1 or more": "alert_after >= 1",
    "alert_on_partial: a share, more than 0 and at most 1": (
        "alert_on_partial > 0 and alert_on_partial <= 1"
    ),
    "max_attempts must be 1 or more": "max_attempts >= 1",
    "priority: 0 to 9, and 9 goes first": "priority between 0 and 9",
    "batch_size must be 1 or more": "batch_size >= 1",
    "batch_delay cannot be negative": "batch_delay >= interval '0'",
    "max_in_flight must be 1 or more": "max_in_flight >= 1",
    # An interval with months or years has no fixed length.
    **{
        f"{column}: no months or years, use cron for those"[:63]: (
            f"{column} is null"
            f" or (extract(year from {column}) = 0 and extract(month from {column}) = 0)"
        )
        for column in ("every", "jitter", "catch_up_window", "timeout", "expires")
    },
}


class Schedule(Base):
    """One watch: a task, its options, and when it is due."""

    __tablename__ = "schedule"
    __table_args__ = (
        *(CheckConstraint(condition, name=name) for name, condition in _CHECKS.items()),
        Index("schedule_by_task", "task"),
        Index("schedule_by_queue", "queue", postgresql_where=text("queue is not null")),
        Index("schedule_by_after", "after", postgresql_where=text("after is not null")),
        # Searches of the console: any part of what people call it.
        Index(
            "schedule_search",
            text("lower(name || ' ' || coalesce(title, '') || ' ' || coalesce(note, '')) gin_trgm_ops"),
            postgresql_using="gin",
        ),
        {"comment": "What to run and when. Edit it with SQL; an edit is in force at once."},
    )

    name: Mapped[str] = mapped_column(
        primary_key=True, comment="Lower-case words joined by hyphens; history is filed here"
    )
    title: Mapped[str | None] = mapped_column(comment="For people")
    task: Mapped[str] = mapped_column(
        ForeignKey("task_kind.name"), comment="The kind of work; cannot be changed"
    )
    options: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"), comment="Options of the task, checked by its schema"
    )
    every: Mapped[timedelta | None] = mapped_column(
        comment="Runs every so often: '15 minutes', '2 hours', '1 day'"
    )
    cron: Mapped[str | None] = mapped_column(
        comment="minute hour day month weekday, in its timezone; several with ';'; or"
        " '@sunset 52.52 13.4'"
    )
    at: Mapped[datetime | None] = mapped_column(comment="Runs once, then")
    after: Mapped[str | None] = mapped_column(
        ForeignKey("schedule.name", ondelete="RESTRICT"),
        comment="Runs whenever this other schedule has succeeded",
    )
    timezone: Mapped[str] = mapped_column(
        server_default=text("'UTC'"), comment="IANA zone that cron is read in"
    )
    calendar: Mapped[str | None] = mapped_column(
        comment="Exchange (MIC, e.g. XNYS) whose trading days alone count"
    )
    calendar_hours: Mapped[str] = mapped_column(
        server_default=text("'day'"), comment="day: any hour of it; session: open to close"
    )
    starts_at: Mapped[datetime | None] = mapped_column(
        comment="Not due earlier; the grid of every begins here"
    )
    ends_at: Mapped[datetime | None] = mapped_column(comment="Not due at or after this")
    jitter: Mapped[timedelta | None] = mapped_column(
        comment="Length of time over which starts are spread, the same way on every beat"
    )
    overlap: Mapped[str] = mapped_column(
        server_default=text("'skip'"),
        comment="When the last run still runs: skip | buffer_one | buffer_all | cancel_other"
        " | allow_all",
    )
    catch_up: Mapped[str] = mapped_column(
        server_default=text("'latest'"), comment="Which missed due times run: latest | all | none"
    )
    catch_up_window: Mapped[timedelta] = mapped_column(
        server_default=text("interval '1 day'"),
        comment="Older than this is given up, in one missed row",
    )
    max_runs: Mapped[int | None] = mapped_column(comment="Number of runs after which it stops")
    enabled: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="false: not planned at all"
    )
    paused_until: Mapped[datetime | None] = mapped_column(
        comment="Not due until then; 'infinity': until resumed"
    )
    note: Mapped[str | None] = mapped_column(comment="Why it is as it is")
    pause_after_failures: Mapped[int | None] = mapped_column(
        comment="Number of failed runs in a row after which it pauses itself"
    )
    max_attempts: Mapped[int | None] = mapped_column(
        SmallInteger, comment="Attempts per batch; null: the kind's"
    )
    timeout: Mapped[timedelta | None] = mapped_column(
        comment="Longest time a run may take; null: no limit but the kind's"
    )
    expires: Mapped[timedelta | None] = mapped_column(
        comment="A run that has not started this long after its due time expires"
    )
    queue: Mapped[str | None] = mapped_column(comment="Queue; null: the kind's")
    priority: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("5"), comment="0 to 9, 9 first"
    )
    batch_size: Mapped[int | None] = mapped_column(comment="Items a batch; null: the kind's")
    batch_delay: Mapped[timedelta | None] = mapped_column(
        comment="Least time between two batches of a run; null: the kind's"
    )
    max_in_flight: Mapped[int | None] = mapped_column(
        comment="Batches of a run that may run at once; null: any number"
    )
    revision: Mapped[int] = mapped_column(
        BigInteger, server_default=text("0"), comment="Rises at every edit (trigger)"
    )
    updated_at: Mapped[DefaultNow] = mapped_column(comment="Last edit (trigger)")
    updated_by: Mapped[str | None] = mapped_column(comment="Who edited it last (trigger)")
    pause_reason: Mapped[str | None] = mapped_column(comment="Why it is paused; goes with the pause")
    alert_after: Mapped[int] = mapped_column(
        server_default=text("1"),
        comment="Number of failed runs in a row after which people are notified",
    )
    alert_on_partial: Mapped[Decimal | None] = mapped_column(
        server_default=text("0.5"),
        comment="A partial run of which so many items failed, as a share, counts as failed;"
        " null: none does",
    )
