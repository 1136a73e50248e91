"""An upstream that is shut for an hour ends what waits for it, however soon or late it is asked."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from beat.tick import release
from tests.support.permits import take_one
from workers.db import driver_transaction
from workers.errors import QuotaSpent, QuotaWait, RateLimited, Unavailable
from workers.upstreams import circuit_breaker, permits, retry
from workers.upstreams.permits import Grant

pytestmark = pytest.mark.outside(13)


def refused(wait: float, cause: str) -> Grant:
    return Grant(None, wait, "a test", None, trying=False, cause=cause)


@pytest.mark.parametrize(
    ("wait", "cause", "error"),
    [
        (3600.0, "blocked", QuotaSpent),
        (3599.99, "blocked", QuotaSpent),
        (3545.0, "blocked", QuotaSpent),
        (3500.0, "blocked", QuotaWait),
        (retry.outage_block_seconds(30) - 0.01, "blocked", QuotaSpent),
        (retry.block_seconds(30, 3600.0) - 5.0, "blocked", QuotaSpent),
        (86_400.0, "disabled", QuotaSpent),
        (3599.99, "quota", QuotaWait),
        (3600.0, "quota", QuotaSpent),
        (7200.0, "spacing", QuotaWait),
    ],
)
def test_what_a_refusal_asks_for(wait: float, cause: str, error: type[Exception]) -> None:
    assert type(permits.refusal("generic", refused(wait, cause))) is error


@pytest.fixture
def shut(connection: Any) -> Any:
    """Upstream "generic"; ``shut(error)`` blocks it as the call that failed does."""
    connection.execute("insert into upstream (name, base_url) values ('generic', 'http://127.0.0.1:9')")

    def close(error: Unavailable | RateLimited) -> Any:
        connection.execute("update upstream_state set failures = 20 where upstream = 'generic'")
        (circuit_breaker.count_outage if isinstance(error, Unavailable) else circuit_breaker.block)(
            error
        )  # type: ignore[arg-type]
        return connection.execute(
            "select blocked_until from upstream_state where upstream = 'generic'"
        ).fetchone()["blocked_until"]

    return close


@pytest.mark.parametrize(
    "error",
    [Unavailable("generic", "HTTP 500"), RateLimited("generic", "HTTP 429", retry_after=3600.0)],
)
def test_whoever_asks_after_the_closing_is_deferred(shut: Any, database: Any, error: Any) -> None:
    shut(error)

    with driver_transaction() as connection:
        grant = take_one(connection, "generic", timedelta(seconds=31))

    assert 3500 < grant.wait < permits.LONG_WAIT
    assert isinstance(permits.refusal("generic", grant), QuotaSpent)


@pytest.mark.parametrize(("before", "told"), [(3599, 1), (3541, 1), (3500, 0)])
def test_a_run_that_waits_is_told_so_long_before_the_block_ends(
    drive: Any, shut: Any, new_run: Any, connection: Any, before: int, told: int
) -> None:
    run_id = new_run("tests.calling")
    connection.execute(
        "update batch set waiting_for = 'generic', send_at = null where run_id = %s", (run_id,)
    )
    opens = shut(Unavailable("generic", "HTTP 500"))

    drive.work()
    connection.execute("update batch set send_at = null")
    context = drive.scheduler._context
    context.ready = replace(context.ready, now=opens - timedelta(seconds=before))

    assert release.notify_blocked_runs(drive.scheduler._context) == bool(told)


def test_a_discovery_whose_feeds_all_answer_500_ends(
    imitation: Any, connection: Any, kinds: Any, new_run: Any, row: Any
) -> None:
    dexscreener = imitation("dexscreener")
    dexscreener.control(down=3600)
    connection.execute(
        "update upstream set base_url = %s where name = 'dexscreener'", (dexscreener.url,)
    )
    # As it is after two hours of outages: each closing is the longest one.
    connection.execute("update upstream_state set failures = 12 where upstream = 'dexscreener'")
    feeds = ["boosts_top", "profiles"]
    run_id: uuid.UUID = new_run("tasks.discovery.discover")
    connection.execute(
        "update run set options = jsonb_build_object('feeds', %s::text[]) where id = %s",
        (feeds, run_id),
    )

    kinds.app.tasks["tasks.discovery.discover"](str(run_id), 0)

    ended = row(run_id)
    assert ended["state"] == "partial"
    assert "blocked" in ended["reason"]
