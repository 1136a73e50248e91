"""When the door to an upstream is closed: it said "too much", or was out of order too often."""

from __future__ import annotations

from datetime import timedelta

import structlog

from workers import metrics
from workers.db import transaction
from workers.errors import Unavailable, UpstreamError
from workers.upstreams import retry, upstream_states

log = structlog.stdlib.get_logger(__name__)


def block(error: UpstreamError) -> None:
    """Close the door for everybody until the time named, or for a growing while."""
    with transaction() as connection:
        failures = upstream_states.count_failure(connection, error.upstream)
        pause = retry.block_seconds(failures, error.retry_after)
        until = upstream_states.close(
            connection, error.upstream, timedelta(seconds=pause), error.detail
        )
    metrics.BLOCKS.labels(error.upstream).inc()
    log.warning("door.closed", upstream=error.upstream, until=str(until), reason=error.detail)


def count_outage(error: Unavailable) -> None:
    """One more call without a usable answer; the fifth in a row closes the door."""
    with transaction() as connection:
        failures = upstream_states.count_failure(connection, error.upstream)
        if failures < retry.MAX_OUTAGES:
            return
        pause = retry.outage_block_seconds(failures - retry.MAX_OUTAGES + 1)
        upstream_states.close(connection, error.upstream, timedelta(seconds=pause), error.detail)
    log.warning("door.closed", upstream=error.upstream, seconds=pause, reason=error.detail)
