"""`upstream`: servers of somebody else, as people describe them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Connection, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime, Interval

from workers.db import Base, connect
from workers.errors import Unavailable

#: How long the description of an upstream is believed (seconds).
FRESH = 1.0

_known: dict[str, tuple[float, Rules]] = {}


class Upstream(Base):
    """A server that we call, and how politely."""

    __tablename__ = "upstream"
    __table_args__ = (
        CheckConstraint(
            "name ~ '^[a-z0-9]+(_[a-z0-9]+)*$'",
            name="name: lower-case words and digits joined by _",
        ),
        CheckConstraint(
            "base_url ~ '^(https?|smtps?|smtp[+]starttls)://[^/]'",
            name="base_url must begin with http(s):// or smtp(s)://",
        ),
        CheckConstraint(
            "concurrency >= 1", name="concurrency must be 1 or more; to stop calls: enabled=false"
        ),
        CheckConstraint("spacing >= interval '0'", name="spacing cannot be negative"),
        CheckConstraint(
            "spacing <= interval '1 day'", name="spacing is at most a day; use a quota for more"
        ),
        {"comment": "Servers of somebody else, and how politely we call them; edit with SQL."},
    )

    name: Mapped[str] = mapped_column(Text, primary_key=True, comment="Name used by tasks")
    base_url: Mapped[str] = mapped_column(Text, comment="Where it is; paths are added to it")
    concurrency: Mapped[int] = mapped_column(
        server_default=text("4"), comment="Calls in flight at once, over all workers"
    )
    spacing: Mapped[timedelta] = mapped_column(
        Interval,
        server_default=text("interval '0'"),
        comment="Least time between one answer and the next call",
    )
    obey_robots: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Read and obey robots.txt (web sites; not APIs)"
    )
    enabled: Mapped[bool] = mapped_column(server_default=text("true"), comment="false: nobody calls it")
    note: Mapped[str | None] = mapped_column(Text, comment="Why it is as it is")
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Last edit"
    )
    unblocked_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When a person opened its closed door last: unblock()"
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """What a caller needs to know of an upstream; the rest is for the permit to obey."""

    base_url: str
    obey_robots: bool
    #: Whether a second call may go while one that hangs holds its permit: several at once, not spaced.
    repeats: bool


_DESCRIBE = text("""
select base_url, obey_robots,
       concurrency > 1 and spacing = interval '0'
       and not exists (select from quota q where q.upstream = u.name and q.paced)
       and not (obey_robots and exists (
           select from upstream_state s where s.upstream = u.name and s.crawl_delay > interval '0'))
       as repeats
  from upstream u where name = :name
""")


def describe(connection: Connection, name: str) -> Rules | None:
    """Where the upstream is and whether its robots.txt counts, or None when there is no such row."""
    row = connection.execute(_DESCRIBE, {"name": name}).first()
    return Rules(row.base_url, row.obey_robots, row.repeats) if row else None


def described(name: str) -> Rules:
    """As ``describe``, remembered for a second; Unavailable when there is no such row."""
    at, found = _known.get(name, (0.0, None))
    if found is None or time.monotonic() - at > FRESH:
        with connect() as connection:
            found = describe(connection, name)
        if found is None:
            raise Unavailable(name, "there is no such row in table upstream")
        _known[name] = (time.monotonic(), found)
    return found


def forget() -> None:
    """Forget every description (after a fork; between tests)."""
    _known.clear()
