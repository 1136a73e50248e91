"""`run_request`: people ask (run now, backfill, stop, retry), beat answers in the same row."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from workers.db import Base, DefaultNow, partial_index
from workers.ledger.states import quoted

ACTIONS = ("run", "backfill", "stop", "retry")


class RunRequest(Base):
    __tablename__ = "run_request"
    __table_args__ = (
        CheckConstraint(f"action in ({quoted(ACTIONS)})", name="action: run, backfill, stop, retry"),
        CheckConstraint(
            "(action in ('run', 'backfill')) = (schedule is not null)",
            name="run and backfill name a schedule, stop and retry a run",
        ),
        CheckConstraint(
            "(action in ('stop', 'retry')) = (run_id is not null)", name="stop and retry name a run"
        ),
        CheckConstraint(
            "(action = 'backfill') = (backfill_from is not null and backfill_until is not null)",
            name="a backfill, and only it, has a range",
        ),
        CheckConstraint(
            "backfill_until >= backfill_from", name="a backfill ends no earlier than it begins"
        ),
        partial_index("run_request_open", "id", where="answered_at is null"),
        Index("run_request_by_time", "requested_at"),
        {"comment": "Requests of people to beat: run now, backfill, stop, retry; with its answer."},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of the requests"
    )
    action: Mapped[str] = mapped_column(comment="run | backfill | stop | retry")
    schedule: Mapped[str | None] = mapped_column(comment="Schedule to run or backfill")
    run_id: Mapped[UUID | None] = mapped_column(comment="Run to stop or retry")
    options: Mapped[dict[str, Any] | None] = mapped_column(
        comment="Options that replace the schedule's, one by one"
    )
    backfill_from: Mapped[datetime | None] = mapped_column(comment="First due time, inclusive")
    backfill_until: Mapped[datetime | None] = mapped_column(comment="Last due time, inclusive")
    overlap: Mapped[str | None] = mapped_column(
        comment="Overlap policy of a backfill; null: buffer_all"
    )
    note: Mapped[str | None] = mapped_column(comment="Why")
    by_system: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Whether the system asks itself, as for notices that wait"
    )
    requested_at: Mapped[DefaultNow] = mapped_column(comment="When")
    requested_by: Mapped[str] = mapped_column(
        server_default=text("actor()"),
        comment="Person (app.actor) or role",
    )
    program: Mapped[str | None] = mapped_column(
        server_default=text("current_setting('application_name')"),
        comment="application_name of the session",
    )
    next_due_at: Mapped[datetime | None] = mapped_column(comment="A long backfill goes on from here")
    answered_at: Mapped[datetime | None] = mapped_column(comment="When beat was done with it")
    answer: Mapped[str | None] = mapped_column(comment="What beat did, in a sentence")
    answer_run_id: Mapped[UUID | None] = mapped_column(comment="The run it led to")
    new_run_id: Mapped[UUID | None] = mapped_column(
        comment="Id that the run will have: of run and retry"
    )
