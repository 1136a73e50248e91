"""`incident`: what broke and when it was well again; people hear of each once and once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Identity, Index, Text
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime

from tasks.watches import notices
from workers.db import Base


class Incident(Base):
    """One thing that was broken for a while."""

    __tablename__ = "incident"
    __table_args__ = (
        Index(
            "incident_open", "kind", "subject", unique=True, postgresql_where=sql("closed_at is null")
        ),
        Index("incident_by_time", "opened_at"),
        {"comment": "What broke, and when it was well again."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="Order")
    kind: Mapped[str] = mapped_column(
        Text, comment="failing | tripped | late | set aside | quota low | blocked | beat silent"
    )
    subject: Mapped[str] = mapped_column(Text, comment="Schedule, upstream or beat")
    title: Mapped[str] = mapped_column(Text, comment="What is the matter")
    text: Mapped[str] = mapped_column(Text, comment="Why, as far as is known")
    opened_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=sql("clock_timestamp()"), comment="Seen first"
    )
    closed_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Well again; null: still broken"
    )


_OPEN = sql("""
insert into incident (kind, subject, title, text)
select kind, subject, title, coalesce(text, '') from trouble order by kind, subject
    on conflict (kind, subject) where closed_at is null do nothing
returning id, title, text
""")
_CLOSE = sql("""
update incident i set closed_at = clock_timestamp()
 where closed_at is null
   and not exists (select from trouble t where t.kind = i.kind and t.subject = i.subject)
returning id, title, closed_at - opened_at as lasted
""")


def follow(connection: Connection) -> tuple[int, int]:
    """Open what broke, close what recovered, and tell people of both; how many of each."""
    opened = connection.execute(_OPEN).all()
    closed = connection.execute(_CLOSE).all()
    told = _tell(connection, [(f"incident {row.id}", row.title, row.text) for row in opened])
    told += _tell(
        connection,
        [
            (
                f"recovery {row.id}",
                f"Recovered: {row.title}",
                f"It lasted {str(row.lasted).partition('.')[0]}.",
            )
            for row in closed
        ],
    )
    if told:
        notices.ask_for_sending(connection)
    return len(opened), len(closed)


def _tell(connection: Connection, what: Sequence[tuple[str, Any, Any]]) -> int:
    return sum(
        notices.tell(connection, key, json.dumps({"title": title, "text": words}))
        for key, title, words in what
    )
