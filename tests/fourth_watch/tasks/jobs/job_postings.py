"""`job_posting`: postings that the board has shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Index, Numeric, UniqueConstraint, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from tasks.jobs.board import Posting
from workers.db import Base, DefaultNow, RowId


class JobPosting(Base):
    """One posting."""

    __tablename__ = "job_posting"
    __table_args__ = (
        UniqueConstraint("external_id"),
        Index("job_posting_by_time", "last_seen_at"),
        {"comment": "Postings that the job board has shown."},
    )

    id: Mapped[RowId]
    external_id: Mapped[str] = mapped_column(comment="The board's own id")
    title: Mapped[str] = mapped_column(comment="Title")
    company: Mapped[str] = mapped_column(comment="Who hires")
    locations: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="Where; empty: not said")
    salary: Mapped[Decimal | None] = mapped_column(Numeric, comment="A year")
    url: Mapped[str | None] = mapped_column(comment="Page of the posting")
    first_seen_at: Mapped[DefaultNow] = mapped_column(comment="First seen")
    last_seen_at: Mapped[DefaultNow] = mapped_column(comment="Last seen")


class IgnoredCompany(Base):
    """One company; people own these rows."""

    __tablename__ = "ignored_company"
    __table_args__ = ({"comment": "Companies whose postings are left out; edit with SQL."},)

    company: Mapped[str] = mapped_column(primary_key=True, comment="As the board writes it")
    added_at: Mapped[DefaultNow] = mapped_column(comment="Added")


def ignored(connection: Connection) -> set[str]:
    """Companies whose postings are left out."""
    return set(connection.execute(select(IgnoredCompany.company)).scalars())


def save(connection: Connection, postings: Sequence[Posting]) -> list[int]:
    """Store postings; the ids of those that are new."""
    if not postings:
        return []
    statement = insert(JobPosting).values([asdict(one) for one in postings])
    changes = {name: statement.excluded[name] for name in ("title", "locations", "salary", "url")}
    changes["last_seen_at"] = func.clock_timestamp()
    done = connection.execute(
        statement.on_conflict_do_update(index_elements=["external_id"], set_=changes)
        # A row that was inserted has never been locked by an update.
        .returning(JobPosting.id, text("xmax = 0 as is_new"))
    )
    return [row.id for row in done if row.is_new]


def find(connection: Connection, ids: Sequence[int]) -> Sequence[Any]:
    """Rows as `watch.fields_of` takes them."""
    rows = select(JobPosting.__table__, func.clock_timestamp().label("now"))
    return connection.execute(rows.where(JobPosting.id.in_(ids))).all()


def age_hours(first_seen_at: datetime, now: datetime) -> float:
    """Hours since a posting was first seen."""
    return (now - first_seen_at).total_seconds() / 3600
