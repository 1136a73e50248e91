"""`schedule_edit`: what was edited and is not yet planned; a trigger appends, beat consumes."""

from __future__ import annotations

from sqlalchemy import Identity
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from workers.db import Base, DefaultNow


class ScheduleEdit(Base):
    """A durable change event: this schedule was edited or deleted."""

    __tablename__ = "schedule_edit"
    __table_args__ = ({"comment": "Edits that beat has not planned yet; appended by trigger."},)

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of the edits"
    )
    schedule: Mapped[str] = mapped_column(comment="Name of the schedule edited")
    edited_at: Mapped[DefaultNow] = mapped_column(comment="Edited at")


OPEN = """
select id, schedule from schedule_edit order by id limit %(limit)s for update skip locked
"""

#: Planned ones, and those of schedules that are gone.
CONSUME = """
delete from schedule_edit e
 where id = any(%(ids)s)
   and (schedule = any(%(names)s) or not exists (select from schedule where name = e.schedule))
"""
