"""`channel`: where notices go; addresses that are secrets stay in the environment or in files."""

from typing import Any

from sqlalchemy import Connection, ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow
from workers.upstreams import Upstream, channel_secrets


class Channel(Base):
    __tablename__ = "channel"
    __table_args__ = (
        Index("channel_by_upstream", "upstream"),
        {
            "comment": "Where notices go.  Secrets are named, not written:"
            " env:WATCHKEEPER_CHANNEL_NAME, file:/run/secrets/channel-name."
        },
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="Lower-case words joined by hyphens")
    kind: Mapped[str] = mapped_column(comment="discord | email | webhook | apprise")
    target: Mapped[str] = mapped_column(
        comment="Address, or where it is: env:WATCHKEEPER_CHANNEL_NAME or"
        " file:/run/secrets/channel-name; e-mail: recipients with commas",
    )
    upstream: Mapped[str] = mapped_column(
        ForeignKey("upstream.name", ondelete="RESTRICT"), comment="Its server: base_url and quota"
    )
    sender: Mapped[str | None] = mapped_column(comment="E-mail: From")
    max_per_hour: Mapped[int] = mapped_column(
        server_default=text("30"), comment="Most messages an hour; more notices share a message"
    )
    incidents: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="Also gets incidents and the daily digest"
    )
    enabled: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="false: gets no notices; those that wait already are kept"
    )
    note: Mapped[str | None] = mapped_column(comment="Reason for these settings")
    created_at: Mapped[DefaultNow] = mapped_column(comment="Added")


def resolved(target: str) -> str:
    return channel_secrets.resolve(target) if channel_secrets.is_reference(target) else target


def find(connection: Connection, name: str) -> Any:
    """The channel with its server's ``base_url``; None when there is none."""
    joined = select(Channel.__table__, Upstream.base_url).join(
        Upstream, Upstream.name == Channel.upstream
    )
    return connection.execute(joined.where(Channel.name == name)).one_or_none()
