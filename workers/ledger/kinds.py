"""`task_kind`: which tasks exist, what options they take, how often they may run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Interval

from workers.db import Base


class Options(BaseModel):
    """What a kind is told; an option that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskKind(Base):
    """A registered task; written by the migrate step, retired but never deleted."""

    __tablename__ = "task_kind"
    __table_args__ = {"comment": "Which tasks exist and what they take; written by migrate."}

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
    retired_at: Mapped[datetime | None] = mapped_column(
        comment="No worker knows it any more, since then"
    )
    updated_at: Mapped[datetime] = mapped_column(
        server_default=text("clock_timestamp()"), comment="Last registered"
    )


_REGISTER = text("""
insert into task_kind (name, description, options_schema, queue, upstream, min_every, max_every,
                       allowed_every, max_running, max_attempts, timeout)
values (:name, :description, :options_schema, :queue, :upstream, :min_every, :max_every,
        :allowed_every, :max_running, :max_attempts, :timeout)
on conflict (name) do update
   set description = excluded.description, options_schema = excluded.options_schema,
       queue = excluded.queue, upstream = excluded.upstream, min_every = excluded.min_every,
       max_every = excluded.max_every, allowed_every = excluded.allowed_every,
       max_running = excluded.max_running, max_attempts = excluded.max_attempts,
       timeout = excluded.timeout, retired_at = null, updated_at = clock_timestamp()
""").bindparams(
    bindparam("options_schema", type_=JSONB), bindparam("allowed_every", type_=ARRAY(Interval))
)

_RETIRE = text("""
update task_kind set retired_at = clock_timestamp(), updated_at = clock_timestamp()
 where name <> all(:known) and retired_at is null
""")


def register(connection: Connection, tasks: Iterable[Any], *, relaxed: bool = False) -> int:
    """Write every registered task's kind, retire those no longer known; returns how many there are.

    ``relaxed`` lifts the shortest intervals, so that a sandbox may run often; other limits hold.
    """
    known = []
    for task in tasks:
        known.append(task.name)
        connection.execute(
            _REGISTER,
            {
                "name": task.name,
                "description": (task.__doc__ or task.name).strip().partition("\n")[0],
                "options_schema": task.options.model_json_schema(),
                "queue": task.default_queue,
                "upstream": task.upstream,
                "min_every": timedelta(seconds=1) if relaxed else task.min_every,
                "max_every": task.max_every,
                "allowed_every": list(task.allowed_every) if task.allowed_every else None,
                "max_running": task.max_running,
                "max_attempts": task.max_attempts,
                "timeout": task.timeout,
            },
        )
    connection.execute(_RETIRE, {"known": known})
    return len(known)
