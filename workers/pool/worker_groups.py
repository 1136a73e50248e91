"""`worker_group`: how small and how large the pools of a group of workers may be; people edit it."""

from __future__ import annotations

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base


class WorkerGroup(Base):
    """Bounds of every worker whose node name begins with ``name@``; in force within a second."""

    __tablename__ = "worker_group"
    __table_args__ = (
        CheckConstraint("name ~ '^[^@ ]+$'", name="name: what stands before @ in a worker's node name"),
        CheckConstraint("min_processes >= 1", name="min_processes must be 1 or more"),
        CheckConstraint(
            "max_processes >= min_processes", name="max_processes cannot be less than min_processes"
        ),
        CheckConstraint("max_processes <= 500", name="max_processes is at most 500 a worker"),
        {"comment": "Bounds of the pools of workers, by group; without a row --autoscale holds."},
    )

    name: Mapped[str] = mapped_column(
        primary_key=True, comment="Node name up to the @, e.g. prices for prices@host"
    )
    min_processes: Mapped[int] = mapped_column(comment="Processes that each worker always has")
    max_processes: Mapped[int] = mapped_column(comment="Processes that each worker has at most")
    note: Mapped[str | None] = mapped_column(comment="Why it is as it is")
