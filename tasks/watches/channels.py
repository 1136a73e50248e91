"""`channel`: where notices go; addresses that are secrets stay in the environment or in files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import CheckConstraint, Connection, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import DateTime

from workers.db import Base
from workers.errors import SettingMissing

KINDS = ("discord", "email", "webhook", "apprise")


class Channel(Base):
    """One destination."""

    __tablename__ = "channel"
    __table_args__ = (
        CheckConstraint(
            "name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'",
            name="name: lower-case words and digits joined by hyphens",
        ),
        CheckConstraint(
            "kind in ('discord', 'email', 'webhook', 'apprise')",
            name="kind: discord, email, webhook or apprise",
        ),
        CheckConstraint("max_per_hour >= 1", name="max_per_hour must be 1 or more"),
        CheckConstraint(
            "target ~ '^(env|file):' or kind in ('email', 'webhook')",
            name="target: a secret address is env:NAME or file:PATH",
        ),
        CheckConstraint(
            "target !~ '//[^/@]*:[^/@]*@'", name="target holds a password: write env:NAME or file:PATH"
        ),
        Index("channel_by_upstream", "upstream"),
        {
            "comment": "Where notices go.  Addresses that are secrets are named, not written:"
            " env:NAME, file:PATH."
        },
    )

    name: Mapped[str] = mapped_column(
        Text, primary_key=True, comment="Lower-case words joined by hyphens"
    )
    kind: Mapped[str] = mapped_column(Text, comment="discord | email | webhook | apprise")
    target: Mapped[str] = mapped_column(
        Text, comment="Address, or where it is: env:NAME or file:PATH; e-mail: recipients with commas"
    )
    upstream: Mapped[str] = mapped_column(
        Text, ForeignKey("upstream.name", ondelete="RESTRICT"), comment="Its server: base_url and quota"
    )
    sender: Mapped[str | None] = mapped_column(Text, comment="E-mail: From")
    max_per_hour: Mapped[int] = mapped_column(
        server_default=text("30"), comment="Most messages an hour; more notices share a message"
    )
    incidents: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="Also hears what is broken, and the daily digest"
    )
    enabled: Mapped[bool] = mapped_column(server_default=text("true"), comment="false: notices wait")
    note: Mapped[str | None] = mapped_column(Text, comment="Why it is as it is")
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="Added"
    )


def resolved(reference: str) -> str:
    """An address from where it is kept; SettingMissing names the variable or file."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name, "").strip()
        if not value:
            raise SettingMissing(name, f"a channel's target is env:{name}")
        return value
    if kind == "file":
        try:
            return Path(name).read_text().strip()
        except OSError as error:
            raise SettingMissing(name, f"a channel's target is that file ({error.strerror})") from None
    return reference


_ALL = text("""
select c.*, u.base_url from channel c join upstream u on u.name = c.upstream order by c.name
""")


def listed(connection: Connection) -> Sequence[Any]:
    """Every channel."""
    return connection.execute(_ALL).all()


def find(connection: Connection, name: str) -> Any:
    """The row of a channel with its server's address, None when there is none."""
    return next((row for row in listed(connection) if row.name == name), None)
