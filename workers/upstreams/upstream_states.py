"""`upstream_state`: what is known of each upstream: blocked until when, why, next permit."""

from datetime import datetime, timedelta
from typing import Any

from workers.db import Driver, execute

_BLOCK = """
update upstream_state
   set blocked_reason = case when blocked_until > clock_timestamp() + %(pause)s
                            then blocked_reason else %(reason)s end,
       blocked_until = greatest(blocked_until, clock_timestamp() + %(pause)s),
       next_permit_at = greatest(next_permit_at, clock_timestamp() + %(pause)s),
       next_permit_reason = %(reason)s
 where upstream = %(upstream)s
returning blocked_until
"""


def block(connection: Driver, upstream: str, pause: timedelta, reason: str) -> datetime | None:
    """Block all calls for ``pause`` (or longer, if they are); returns until when."""
    parameters = {"upstream": upstream, "pause": pause, "reason": reason[:500]}
    row = execute(connection, _BLOCK, parameters).fetchone()
    return row.blocked_until if row else None


_COUNT_FAILURE = """
update upstream_state
   set failures = failures + (coalesce(blocked_until <= clock_timestamp(), true))::int
 where upstream = %s
returning failures
"""


def count_failure(connection: Driver, upstream: str) -> int:
    """One more failure in a row; returns how many there are.

    While it is blocked nothing is counted: calls that were in flight fail for the same reason.
    """
    row: Any = execute(connection, _COUNT_FAILURE, (upstream,)).fetchone()
    return int(row.failures)


_RECOVER = """
update upstream_state set failures = 0, blocked_reason = null, blocked_until = null
 where upstream = %s and (failures > 0 or blocked_until is not null)
   and coalesce(blocked_until <= clock_timestamp(), true)
"""


def recover(connection: Driver, upstream: str) -> None:
    """After a good response: forget failures and blocks that are over."""
    execute(connection, _RECOVER, (upstream,))


_CRAWL_DELAY = """
update upstream_state set crawl_delay = %(delay)s
 where upstream = %(upstream)s and crawl_delay is distinct from %(delay)s
"""


def set_crawl_delay(connection: Driver, upstream: str, delay: timedelta | None) -> None:
    execute(connection, _CRAWL_DELAY, {"upstream": upstream, "delay": delay})
