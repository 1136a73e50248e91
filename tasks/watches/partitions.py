"""`partitioned_table`: tables that are partitioned by time; their partitions are made and dropped here.

The functions in the database belong to the owner, because beat and workers may change no table.  Each
makes or drops one partition and waits at most 100 ms for its lock: whoever calls tries again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base

#: SQLSTATE of a lock that was not to be had in time.
LOCK_NOT_AVAILABLE = "55P03"


class PartitionedTable(Base):
    __tablename__ = "partitioned_table"
    __table_args__ = (
        {"comment": "Tables partitioned by time: partitions are made ahead and dropped whole."},
    )

    name: Mapped[str] = mapped_column(
        primary_key=True, comment="Table; its partitions are tables of schema history"
    )
    key: Mapped[str] = mapped_column(comment="Column of the time that a row belongs to")
    width: Mapped[timedelta] = mapped_column(comment="Time that one partition is for")
    ahead: Mapped[timedelta] = mapped_column(comment="How far ahead partitions are made")


def names(connection: Connection) -> Sequence[str]:
    return (
        connection.execute(select(PartitionedTable.name).order_by(PartitionedTable.name))
        .scalars()
        .all()
    )


def make(connection: Connection, table: str) -> str | None:
    made: str | None = connection.execute(
        text("select make_partition(:name)"), {"name": table}
    ).scalar()
    return made


def drop(connection: Connection, table: str, before: datetime, limit: int) -> tuple[str | None, int]:
    """Drop the oldest partition that ends before ``before``; its name and about how many rows it had.

    When there is none, ``limit`` such rows of the default partition are deleted.
    """
    row = connection.execute(
        text("select partition, about_rows from drop_partition(:name, :before, :limit)"),
        {"name": table, "before": before, "limit": limit},
    ).one()
    return row.partition, row.about_rows


def is_locked(error: DBAPIError) -> bool:
    """Whether somebody else held a lock: worth trying again soon."""
    return getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE
