"""`permit`: one row a call; the log of calls is the limiter and the audit trail at once.

The *settled log*: while a call is in flight its ``stamp`` lies in the future (its lease); when the
answer is in, the stamp drops to the time of the answer, which is no earlier than the upstream counted
the call.  A new call is let through only when, for every window, fewer than N stamps are younger than
the window.  So no window at the upstream can hold N + 1 calls, whatever the latency, provided nothing
is sent after the lease.  All on the database's clock, read after ``upstream_state`` is locked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, ForeignKey, Identity, Index, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime, Uuid

from workers.db import Base, fetch_one
from workers.errors import QuotaSpent, QuotaWait, Stopped

#: A wait so long (seconds) ends in deferral to the next run.
LONG_WAIT = 3600.0
#: An upstream is blocked for whole hours, and asked a moment later: what has passed of its hour by then
#: makes it no shorter a wait (seconds).
ELAPSED = 60.0
#: Causes of a refusal by a blocked upstream: another upstream may serve meanwhile.
BLOCKED = frozenset({"closed", "disabled"})


class Permit(Base):
    """Leave to make one call."""

    __tablename__ = "permit"
    __table_args__ = (
        Index("permit_by_stamp", "upstream", text("stamp desc")),
        Index("permit_by_run", "run_id", postgresql_where=text("run_id is not null")),
        {"comment": "Every call to an upstream: the limiter's log and the audit trail."},
    )

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Order of the calls"
    )
    upstream: Mapped[str] = mapped_column(
        Text, ForeignKey("upstream.name", ondelete="CASCADE"), comment="The upstream"
    )
    granted_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), comment="When the call was let through"
    )
    stamp: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), comment="End of its lease; once settled, when the answer was in"
    )
    settled: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Whether the answer is in"
    )
    status: Mapped[int | None] = mapped_column(SmallInteger, comment="HTTP status of the answer")
    run_id: Mapped[UUID | None] = mapped_column(Uuid, comment="The run that called")
    seq: Mapped[int | None] = mapped_column(comment="The batch that called")
    path: Mapped[str | None] = mapped_column(Text, comment="What was called, without secrets")


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave given (``id``), or the wait until asking again makes sense."""

    id: int | None
    wait: float
    reason: str | None
    window: timedelta | None
    trying: bool
    #: stop, disabled, closed, in flight, spacing or quota; None with a permit.
    cause: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A call whose answer is in: its permit, when (monotonic clock), and the HTTP status."""

    permit: int
    at: float
    status: int | None


def is_long(grant: Grant) -> bool:
    """Whether the wait is for the next run, not for this one: an upstream shut for an hour, or more.

    Calls that are spaced out (a paced quota) are waited for, however far apart they are.
    """
    if grant.cause == "spacing":
        return False
    return grant.wait >= (LONG_WAIT - ELAPSED if grant.cause == "closed" else LONG_WAIT)


def refusal(upstream: str, grant: Grant) -> QuotaWait | QuotaSpent | Stopped:
    """What to raise for a wait too long to be waited: for another turn, another run, or for good."""
    if grant.cause == "stop":
        return Stopped("stopped on request")
    reason = grant.reason or "no permit"
    if grant.cause != "disabled":
        reason += f", free in {timedelta(seconds=math.ceil(grant.wait))}"
    blocked = grant.cause in BLOCKED
    if is_long(grant):
        # For people to read: nothing is timed by this worker's clock.
        until = datetime.now(UTC) + timedelta(seconds=grant.wait)
        return QuotaSpent(upstream, until, reason, blocked=blocked)
    return QuotaWait(upstream, grant.wait, reason, blocked=blocked)


_TAKE = """
select permit_id, wait_seconds, reason, window_length, trying, cause
  from take_permit(%s, %s, %s, %s, %s, %s::bigint[], %s::double precision[], %s::integer[])
"""


def take(
    connection: Connection,
    upstream: str,
    lease: timedelta,
    *,
    run_id: UUID | None = None,
    seq: int | None = None,
    path: str | None = None,
    answered: Sequence[Answered] = (),
) -> Grant:
    """Settle ``answered``, then ask for leave to call ``upstream`` now.

    The permit's stamp lies ``lease`` ahead until it is settled.  One statement: on a connection in
    autocommit the door is locked no longer than the database needs.
    """
    columns = _columns(answered).values()
    row = fetch_one(connection, _TAKE, (upstream, lease, run_id, seq, path, *columns))
    return Grant(*row)


_SETTLE = text("""
select settle_permits(cast(:answered as bigint[]), cast(:elapsed as double precision[]),
                      cast(:statuses as integer[]))
""")


def settle(connection: Connection, answered: Sequence[Answered]) -> None:
    """Lower the stamps of answered calls to the time of their answers.

    The answer's time is the database's clock now less what has passed here since: never too early.
    """
    if answered:
        connection.execute(_SETTLE, _columns(answered))


def _columns(answered: Sequence[Answered]) -> dict[str, list[int] | list[float] | list[int | None]]:
    now = time.monotonic()
    return {
        "answered": [one.permit for one in answered],
        "elapsed": [max(0.0, now - one.at) for one in answered],
        "statuses": [one.status for one in answered],
    }


_AVAILABLE = text("select permits_available(:upstream, coalesce(:now, clock_timestamp()))")


def available(connection: Connection, upstream: str, now: datetime | None = None) -> int:
    """How many calls the upstream would let through now."""
    found = connection.execute(_AVAILABLE, {"upstream": upstream, "now": now}).scalar_one_or_none()
    return found or 0


_PURGE = text("""
delete from permit where id in (
    select id from permit where stamp < :before order by stamp limit :limit
)
""")


def purge(connection: Connection, before: datetime, limit: int) -> int:
    """Delete up to ``limit`` permits settled before ``before`` (older than every window)."""
    return connection.execute(_PURGE, {"before": before, "limit": limit}).rowcount
