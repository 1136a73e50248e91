"""`detour`: where a batch was sent on before it had to wait, so that the way there is paid once."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, ForeignKey, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from workers.db import Base, transaction
from workers.redaction import redact
from workers.upstreams.requests import Request


class Detour(Base):
    """Where an address led, for the batch that asked."""

    __tablename__ = "detour"
    __table_args__ = (
        {"comment": "Redirects followed half-way by a batch that must wait for its next call."},
    )

    run_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True, comment="Its run"
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="Its batch")
    url: Mapped[str] = mapped_column(Text, primary_key=True, comment="What was asked for")
    location: Mapped[str] = mapped_column(Text, comment="Where it led, at the same server")


_KEEP = text("""
insert into detour (run_id, seq, url, location) values (:run_id, :seq, :url, :location)
on conflict (run_id, seq, url) do update set location = excluded.location
""")


def keep(connection: Connection, run_id: UUID, seq: int, url: str, location: str) -> None:
    """Remember for this batch that ``url`` led to ``location``; both without secrets."""
    parameters = {"run_id": run_id, "seq": seq, "url": url, "location": location}
    connection.execute(_KEEP, parameters)


_TAKE = text("""
delete from detour where run_id = :run_id and seq = :seq and url = :url returning location
""")


def take(connection: Connection, run_id: UUID, seq: int, url: str) -> str | None:
    """Where ``url`` led when this batch asked last, once."""
    parameters = {"run_id": run_id, "seq": seq, "url": url}
    return connection.execute(_TAKE, parameters).scalar_one_or_none()


class Redirects:
    """The redirects of one batch; of nobody's calls none are remembered."""

    def __init__(self, run_id: UUID | None, seq: int | None, *, resumed: bool) -> None:
        self._run_id, self._seq, self._resumed = run_id, seq or 0, resumed

    def resume(self, request: Request) -> Request:
        """The hop at which this batch had to wait, where there was one."""
        if not self._resumed or self._run_id is None or not request.repeatable:
            return request
        with transaction() as connection:
            location = take(connection, self._run_id, self._seq, request.url)
        return request if location is None else request.redirected(location, 307)

    def keep(self, first: Request, hop: Request) -> None:
        """The batch waits at ``hop``, on the way from ``first``: what led there is paid."""
        secret = redact(first.url) != first.url or redact(hop.url) != hop.url
        if hop is first or first.params is not None or self._run_id is None or secret:
            return
        with transaction() as connection:
            keep(connection, self._run_id, self._seq, first.url, hop.url)
