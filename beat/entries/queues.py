"""`queue`: queues that workers serve besides those of the tasks; named by code or by people."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow


class Queue(Base):
    """A queue that a schedule may name."""

    __tablename__ = "queue"
    __table_args__ = (
        {"comment": "Queues that workers serve besides those of the tasks; a schedule may name them."},
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="As workers name it with -Q")
    note: Mapped[str | None] = mapped_column(comment="What it is for")
    added_at: Mapped[DefaultNow] = mapped_column(comment="Added at")


ADD = "insert into queue (name, note) values (%(name)s, %(note)s) on conflict do nothing"
