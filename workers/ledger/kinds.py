"""`task_kind`: which tasks exist, what options they take, how often they may run."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Index, func, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Interval

from workers.db import Base

#: A text with something in it; the database refuses others in these words (`option_words`).
NOT_EMPTY = r"\S"
NotEmpty = Annotated[str, Field(pattern=NOT_EMPTY)]


class Options(BaseModel):
    """Options of a kind; an option that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskKind(Base):
    """A registered task; written by the migrate step, retired but never deleted."""

    __tablename__ = "task_kind"
    __table_args__ = (
        Index("task_kind_plain", "name", postgresql_where=text("plain")),
        {"comment": "Which tasks exist and what they take; written by migrate."},
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="Path of its module")
    description: Mapped[str] = mapped_column(comment="What it does, in a sentence")
    options_schema: Mapped[dict[str, Any]] = mapped_column(
        comment="JSON Schema of its options; the database checks edits by it"
    )
    queue: Mapped[str] = mapped_column(comment="Queue its runs go to by default")
    upstream: Mapped[str | None] = mapped_column(comment="Upstream it calls most")
    min_every: Mapped[timedelta | None] = mapped_column(comment="Shortest interval allowed")
    max_every: Mapped[timedelta | None] = mapped_column(comment="Longest interval allowed")
    allowed_every: Mapped[list[timedelta] | None] = mapped_column(
        ARRAY(Interval), comment="The only intervals allowed, when set"
    )
    max_running: Mapped[int | None] = mapped_column(comment="Most of its runs active at once")
    max_attempts: Mapped[int] = mapped_column(
        server_default=text("3"), comment="Attempts per batch, unless the schedule says otherwise"
    )
    timeout: Mapped[timedelta | None] = mapped_column(
        comment="Longest time of a run, unless the schedule says otherwise"
    )
    plain: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="A plain Celery task: its message is its own, with args and kwargs",
    )
    acks_late: Mapped[bool] = mapped_column(
        server_default=text("true"),
        comment="Whether a run whose worker died may begin again; false: it fails, unless"
        " max_attempts is over 1",
    )
    retired_at: Mapped[datetime | None] = mapped_column(comment="Since when no worker knows it")
    updated_at: Mapped[datetime] = mapped_column(
        server_default=text("clock_timestamp()"), comment="Last registered"
    )


def _description(task: Any) -> str:
    text = getattr(task, "description", None) or task.__doc__ or task.name
    return str(text).strip().partition("\n")[0]


#: Columns that a task declares under the same name.
AS_DECLARED = ("upstream", "max_every", "max_running", "max_attempts", "timeout")


def register(connection: Connection, tasks: Iterable[Any], *, relaxed: bool = False) -> int:
    """Write every registered task's kind, retire those no longer known; returns how many there are.

    A plain Celery task comes as its `workers.plain.signatures.PlainKind`.
    ``relaxed`` lifts the shortest intervals, so that a sandbox may run often; other limits hold.
    """
    known = []
    for task in tasks:
        kind = {
            "name": task.name,
            "description": _description(task),
            "options_schema": task.options.model_json_schema(),
            "queue": task.default_queue,
            "min_every": timedelta(seconds=1) if relaxed and task.min_every else task.min_every,
            "allowed_every": list(task.allowed_every) if task.allowed_every else None,
            "plain": getattr(task, "plain", False),
            "acks_late": getattr(task, "reruns", True),
            **{name: getattr(task, name) for name in AS_DECLARED},
        }
        now = {"retired_at": None, "updated_at": func.clock_timestamp()}
        statement = insert(TaskKind).values(kind)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=kind | now))
        known.append(task.name)
    retired = update(TaskKind).where(TaskKind.name.not_in(known), TaskKind.retired_at.is_(None))
    connection.execute(
        retired.values(retired_at=func.clock_timestamp(), updated_at=func.clock_timestamp())
    )
    return len(known)
