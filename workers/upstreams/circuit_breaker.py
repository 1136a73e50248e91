"""Blocks an upstream for everybody when it refuses calls, or fails too often in a row."""

from datetime import timedelta

import structlog

from workers import metrics
from workers.db import driver_transaction
from workers.errors import Unavailable, UpstreamError
from workers.upstreams import retry, upstream_states

log = structlog.stdlib.get_logger(__name__)


def block(error: UpstreamError) -> None:
    """Block the upstream until the time that it named, or longer with every failure in a row."""
    with driver_transaction() as connection:
        failures = upstream_states.count_failure(connection, error.upstream)
        pause = timedelta(seconds=retry.block_seconds(failures, error.retry_after))
        until = upstream_states.block(connection, error.upstream, pause, error.detail)
    metrics.BLOCKS.labels(error.upstream).inc()
    log.warning("upstream.blocked", upstream=error.upstream, until=str(until), reason=error.detail)


def count_outage(error: Unavailable) -> None:
    """Count a call without a usable response; the fifth in a row blocks the upstream."""
    with driver_transaction() as connection:
        failures = upstream_states.count_failure(connection, error.upstream)
        if failures < retry.MAX_OUTAGES:
            return
        seconds = retry.outage_block_seconds(failures - retry.MAX_OUTAGES + 1)
        upstream_states.block(connection, error.upstream, timedelta(seconds=seconds), error.detail)
    log.warning("upstream.blocked", upstream=error.upstream, seconds=seconds, reason=error.detail)
