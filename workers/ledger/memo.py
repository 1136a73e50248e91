"""`memo`: what a plan learned by a call, so that a plan that goes on pays for it once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, ForeignKey, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from workers.db import Base


class Memo(Base):
    """One answer that a plan had before it was ready."""

    __tablename__ = "memo"
    __table_args__ = (
        {"comment": "What plans learned from upstreams; a plan that had to wait asks for the rest."},
    )

    run_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True, comment="Its run"
    )
    name: Mapped[str] = mapped_column(Text, primary_key=True, comment="The step, as its kind calls it")
    value: Mapped[Any] = mapped_column(JSONB, comment="What was learned")


_KEEP = text("""
insert into memo (run_id, name, value) values (:run_id, :name, :value)
on conflict (run_id, name) do update set value = excluded.value
""")


def keep(connection: Connection, run_id: UUID, name: str, value: Any) -> None:
    """Remember ``value`` (JSON) as what the step ``name`` of the run's plan brought."""
    connection.execute(_KEEP, {"run_id": run_id, "name": name, "value": Jsonb(value)})


_KEPT = text("select name, value from memo where run_id = :run_id")


def kept(connection: Connection, run_id: UUID) -> dict[str, Any]:
    """What each step of the run's plan brought so far."""
    return {row.name: row.value for row in connection.execute(_KEPT, {"run_id": run_id})}


_FORGET = text("delete from memo where run_id = :run_id")


def forget(connection: Connection, run_id: UUID) -> None:
    """The run's plan is stored: what it learned is in its items."""
    connection.execute(_FORGET, {"run_id": run_id})
