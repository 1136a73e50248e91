"""`timezone_name`: every zone that beat knows, so that the database can refuse others."""

from __future__ import annotations

from zoneinfo import available_timezones

from sqlalchemy import Connection, text
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base


class TimezoneName(Base):
    """One name of the IANA database, as this installation's zoneinfo knows it."""

    __tablename__ = "timezone_name"
    __table_args__ = ({"comment": "Timezones that schedules may name; written by migrate."},)

    name: Mapped[str] = mapped_column(primary_key=True, comment="IANA name")


def register(connection: Connection) -> None:
    """Write the names this installation knows."""
    connection.execute(
        text("insert into timezone_name select unnest(cast(:names as text[])) on conflict do nothing"),
        {"names": sorted(available_timezones())},
    )
