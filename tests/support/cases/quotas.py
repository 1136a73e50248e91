"""Cases of rate limits: quota rows, and permits taken by them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.support.cases.common import only
from tests.support.permits import take_one
from workers.upstreams import permits

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def rate_limit(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(
        given, "per_minute", "per_day", "minute_wait", "day_wait", "used_at", "now", "consumed", "tries"
    )
    prices = need("prices")
    prices.sql.execute("update upstream set concurrency = 1000 where name = 'alpha_vantage'")
    windows = {MINUTE: given.get("per_minute"), DAY: given.get("per_day")}
    if "minute_wait" in given:
        windows = {MINUTE: 1, DAY: 2}
        stamp(prices, 60 - given["minute_wait"], 86400 - given["day_wait"])
    for per, calls in windows.items():
        if calls is None:
            continue
        if calls < 0:
            with pytest.raises(psycopg.errors.CheckViolation, match="calls must be 1 or more"):
                add_quota(prices, per, calls)
            return {"error": "must be non-negative"}
        if calls == 0:
            # No row means no limit; "0 calls" would mean never, so it is refused with a hint.
            with pytest.raises(psycopg.errors.CheckViolation, match="disable the upstream"):
                add_quota(prices, per, calls)
            continue
        add_quota(prices, per, calls)
    if "used_at" in given:
        used = given["used_at"] if isinstance(given["used_at"], list) else [given["used_at"]]
        stamp(prices, *(given["now"] - at for at in used))
    for _ in range(given.get("consumed", 0)):
        assert take().id is not None
    return quota_result(given, expected, prices)


def add_quota(prices: Any, per: timedelta, calls: int) -> None:
    statement = "insert into quota (upstream, per, calls) values ('alpha_vantage', %s, %s)"
    prices.sql.execute(statement, (per, calls))


def quota_result(given: dict[str, Any], expected: dict[str, Any], prices: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "tries" in given:
        let_through = [take().id is not None for _ in range(given["tries"])]
        found = {"allowed": let_through.count(True), "denied": let_through.count(False)}
    elif expected.keys() & {"allowed", "wait_seconds", "retry_after_s"}:
        grant = take()
        found = {"allowed": grant.id is not None}
        found |= dict.fromkeys(("wait_seconds", "retry_after_s"), round(grant.wait))
    status = {
        row["per_interval"]: row
        for row in prices.all("select * from quota_status where upstream = 'alpha_vantage'")
    }
    for name, per in (("minute", MINUTE), ("day", DAY)):
        row = status.get(per)
        found[name] = row["allowed"] - row["used"] if row else "unbounded"
        found[f"{name}_used"] = row["used"] if row else 0
    return {name: found[name] for name in expected}


def stamp(prices: Any, *ages: float) -> None:
    """Calls answered so many seconds ago."""
    for age in ages:
        prices.sql.execute(
            "insert into permit (upstream, granted_at, stamp, settled) select 'alpha_vantage',"
            " at, at, true from (select clock_timestamp() - make_interval(secs => %s) as at) answered",
            (age,),
        )


def take() -> Any:
    """One permit, settled at once."""
    from workers.db import driver_transaction
    from workers.upstreams.permits import Answered

    with driver_transaction() as connection:
        grant = take_one(connection, "alpha_vantage", timedelta(seconds=31))
        if grant.id is not None:
            permits.settle(connection, [Answered(grant.id, time.monotonic(), 200)])
    return grant
