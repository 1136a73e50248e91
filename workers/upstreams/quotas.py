"""`quota`: limits of an upstream, one row a window, rolling or by the calendar."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base


class Quota(Base):
    """At most ``calls`` calls in any window as long as ``per``."""

    __tablename__ = "quota"
    __table_args__ = (
        CheckConstraint(
            "calls >= 1", name="calls must be 1 or more; to stop calls disable the upstream"
        ),
        CheckConstraint("per > interval '0'", name="per must be longer than nothing"),
        CheckConstraint(
            "extract(year from per) = 0 and extract(month from per) = 0",
            name="per: no months or years, write 30 days",
        ),
        CheckConstraint("per <= interval '31 days'", name="per is at most 31 days"),
        CheckConstraint(
            "timezone is null or per = interval '1 day'",
            name="a quota with a timezone counts its days: per must be 1 day",
        ),
        {"comment": "Limits of upstreams: at most so many calls in any window so long."},
    )

    upstream: Mapped[str] = mapped_column(
        ForeignKey("upstream.name", ondelete="CASCADE"), primary_key=True, comment="The upstream"
    )
    per: Mapped[timedelta] = mapped_column(
        primary_key=True, comment="Length of the window, e.g. '1 minute', '1 day'"
    )
    calls: Mapped[int] = mapped_column(comment="Most calls in any such window")
    timezone: Mapped[str | None] = mapped_column(
        comment="Counts calendar days of this timezone; null: any window so long"
    )
    paced: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Spread evenly: one call per per/calls, so that a day's quota lasts the day",
    )
    note: Mapped[str | None] = mapped_column(comment="Where the number comes from")
