"""`upstream_state`: what the machine knows of each upstream: closed until when, why, next permit."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime, Interval

from workers.db import Base


class UpstreamState(Base):
    """The door to one upstream; locked while a permit is taken."""

    __tablename__ = "upstream_state"
    __table_args__ = (
        Index("upstream_state_next_permit", "next_permit_at"),
        {
            "comment": "The door to each upstream: closed until when and why, next permit when.",
            "postgresql_with": {"fillfactor": "50"},
        },
    )

    upstream: Mapped[str] = mapped_column(
        Text,
        ForeignKey("upstream.name", ondelete="CASCADE"),
        primary_key=True,
        comment="The upstream",
    )
    blocked_until: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Nobody calls it before"
    )
    blocked_reason: Mapped[str | None] = mapped_column(Text, comment="Why it is closed")
    failures: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Closings or outages in a row; a good answer clears them"
    )
    crawl_delay: Mapped[timedelta | None] = mapped_column(
        Interval, comment="What its robots.txt asks for, when longer than spacing"
    )
    next_permit_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True),
        server_default=text("clock_timestamp()"),
        comment="No permit before this, as far as is known; beat releases waiting batches then",
    )
    next_permit_reason: Mapped[str | None] = mapped_column(Text, comment="What it waits for")
    spare: Mapped[int | None] = mapped_column(
        comment="Permits to give before wide windows are counted again; null: count now"
    )


_CLOSE = text("""
update upstream_state
   set blocked_reason = case when blocked_until > clock_timestamp() + :pause
                            then blocked_reason else :reason end,
       blocked_until = greatest(blocked_until, clock_timestamp() + :pause),
       next_permit_at = greatest(next_permit_at, clock_timestamp() + :pause),
       next_permit_reason = :reason
 where upstream = :upstream
returning blocked_until
""")


def close(connection: Connection, upstream: str, pause: timedelta, reason: str) -> datetime | None:
    """Close the door for everybody for ``pause`` (or longer, if it is); returns until when."""
    parameters = {"upstream": upstream, "pause": pause, "reason": reason[:500]}
    return connection.execute(_CLOSE, parameters).scalar_one_or_none()


_COUNT_FAILURE = text("""
update upstream_state
   set failures = failures + (coalesce(blocked_until <= clock_timestamp(), true))::int
 where upstream = :upstream
returning failures
""")


def count_failure(connection: Connection, upstream: str) -> int:
    """One more failure in a row; returns how many there are.

    Behind a closed door nothing is counted: calls that were in flight when it closed say the same
    thing again.
    """
    failures: int = connection.execute(_COUNT_FAILURE, {"upstream": upstream}).scalar_one()
    return failures


_RECOVER = text("""
update upstream_state set failures = 0, blocked_reason = null, blocked_until = null
 where upstream = :upstream and (failures > 0 or blocked_until is not null)
   and coalesce(blocked_until <= clock_timestamp(), true)
""")


def recover(connection: Connection, upstream: str) -> None:
    """A good answer: forget failures and open the door fully."""
    connection.execute(_RECOVER, {"upstream": upstream})


_CRAWL_DELAY = text("""
update upstream_state set crawl_delay = :delay
 where upstream = :upstream and crawl_delay is distinct from :delay
""")


def set_crawl_delay(connection: Connection, upstream: str, delay: timedelta | None) -> None:
    """Keep what the upstream's robots.txt asks for."""
    connection.execute(_CRAWL_DELAY, {"upstream": upstream, "delay": delay})
