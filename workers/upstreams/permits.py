"""`permit`: one row a call, which is both the limiter's log and the audit trail.

While a call is in flight its ``stamp`` lies in the future: its lease.  When the response is in, the
call is settled: the stamp drops to the time of the response, which is no earlier than the upstream
counted the call.  A new call is let through only when, for every window, fewer than N stamps are
younger than the window.  So no window at the upstream holds N + 1 calls, whatever the latency,
provided that nothing is sent after the lease.  All times are the database's, read after
``upstream_state`` is locked.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from workers.db import Driver, array, execute
from workers.errors import QuotaSpent, QuotaWait, Stopped

#: A wait so long (seconds) ends in deferral to the next run.
LONG_WAIT = 3600.0
#: A block of an hour is asked about a little later, when less is left of it: this much less (seconds)
#: still counts as long.
ELAPSED = 60.0


@dataclass(frozen=True, slots=True)
class Grant:
    """A permit (``id``), or how long to wait before asking again."""

    id: int | None
    wait: float
    reason: str | None
    window: timedelta | None
    #: Whether the upstream has failed lately, so that a good response must be noted.
    trying: bool
    #: stop, disabled, blocked, in flight, spacing or quota; None with a permit.
    cause: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A call whose response is in: its permit, when (monotonic clock), and the HTTP status."""

    permit: int
    at: float
    status: int | None


def is_long(grant: Grant) -> bool:
    """Whether to defer to the next run.  Calls of a paced quota are waited for, however far apart."""
    if grant.cause == "spacing":
        return False
    return grant.wait >= (LONG_WAIT - ELAPSED if grant.cause == "blocked" else LONG_WAIT)


def refusal(upstream: str, grant: Grant) -> QuotaWait | QuotaSpent | Stopped:
    if grant.cause == "stop":
        return Stopped("stopped on request")
    reason = grant.reason or "no permit"
    if grant.cause != "disabled":
        reason += f", free in {timedelta(seconds=math.ceil(grant.wait))}"
    blocked = grant.cause in {"blocked", "disabled"}
    if is_long(grant):
        # For people to read: nothing is timed by this worker's clock.
        until = datetime.now(UTC) + timedelta(seconds=grant.wait)
        return QuotaSpent(upstream, until, reason, blocked=blocked)
    return QuotaWait(upstream, grant.wait, reason, blocked=blocked)


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller asks for: a permit whose stamp lies ``lease`` ahead until it is settled."""

    lease: timedelta
    run_id: UUID | None = None
    seq: int | None = None
    path: str | None = None


_TAKE = """
select permit_id, wait_seconds, reason, window_length, trying, cause
  from take_permits(%s, %s::double precision[], %s::uuid[], %s::integer[], %s::text[],
                    %s::bigint[], %s::double precision[], %s::integer[])
"""


def take_many(
    connection: Driver,
    upstream: str,
    questions: Sequence[Question],
    answered: Sequence[Answered] = (),
) -> list[Grant]:
    """Settle ``answered``, then answer each question, in their order.

    One statement: on a connection in autocommit ``upstream_state`` is locked as briefly as can be.
    """
    asked = (
        [one.lease.total_seconds() for one in questions],
        array([one.run_id for one in questions]),
        array([one.seq for one in questions]),
        array([one.path for one in questions]),
    )
    rows = execute(connection, _TAKE, (upstream, *asked, *_columns(answered)))
    return [Grant(*row) for row in rows]


_SETTLE = "select settle_permits(%s::bigint[], %s::double precision[], %s::integer[])"


def settle(connection: Driver, answered: Sequence[Answered]) -> None:
    """Lower the stamps of answered calls to the time of their responses.

    That time is the database's clock now less what has passed here since: never too early.
    """
    if answered:
        execute(connection, _SETTLE, _columns(answered))


def _columns(answered: Sequence[Answered]) -> tuple[list[int], list[float], list[int | None]]:
    now = time.monotonic()
    return (
        [one.permit for one in answered],
        [max(0.0, now - one.at) for one in answered],
        [one.status for one in answered],
    )
