"""Limits as people write them: by the calendar, paced, wrong ones refused; what quota_status says."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.support.permits import take_one
from workers.db import driver_connect, driver_transaction
from workers.upstreams import permits, upstream_states
from workers.upstreams.permits import Answered, Grant


@pytest.fixture
def upstream(connection: Any) -> Callable[..., None]:
    """``upstream("'1 day', 25, null, 'UTC', true")`` makes upstream "any" with these quotas."""

    def make(*quotas: str, **columns: Any) -> None:
        values = {"name": "any", "base_url": "http://127.0.0.1:1", "concurrency": 50, **columns}
        marks = ", ".join(f"%({name})s" for name in values)
        connection.execute(f"insert into upstream ({', '.join(values)}) values ({marks})", values)
        for quota in quotas:
            connection.execute(
                f"insert into quota (upstream, per, calls, note, timezone, paced) values ('any', {quota})"
            )

    return make


def take(**how: Any) -> Grant:
    with driver_connect() as connection:
        return take_one(connection, "any", timedelta(seconds=30), **how)


def call() -> bool:
    """A call that is answered at once; whether it was let through."""
    grant = take()
    if grant.id is None:
        return False
    with driver_transaction() as connection:
        permits.settle(connection, [Answered(grant.id, time.monotonic(), 200)])
    return True


def available() -> int:
    with driver_connect() as connection:
        return int(
            connection.execute("select permits_available('any', clock_timestamp())").fetchone()[0]
        )


def shift(connection: Any, to: str) -> None:
    """Move every call to the SQL time ``to``."""
    connection.execute(f"update permit set granted_at = {to}, stamp = {to}, settled = true")


def zone_at_noon(connection: Any) -> str:
    """A zone in which it is about noon: midnight is far away on both sides."""
    row = connection.execute(
        "select 'Etc/GMT' || case when h >= 0 then '+' else '-' end || abs(h) as zone"
        " from (select (extract(hour from clock_timestamp() at time zone 'UTC') - 12)::int as h) now"
    ).fetchone()
    return str(row["zone"]).replace("GMT+0", "GMT")


def test_a_calendar_quota_counts_from_its_zones_midnight(upstream: Any, connection: Any) -> None:
    zone = zone_at_noon(connection)
    upstream(f"'1 day', 3, null, '{zone}', false")
    midnight = f"(date_trunc('day', clock_timestamp() at time zone '{zone}') at time zone '{zone}')"
    assert [call() for _ in range(4)] == [True, True, True, False]

    shift(connection, f"{midnight} + interval '1 second'")
    assert (call(), available()) == (False, 0)
    shift(connection, f"{midnight} - interval '1 second'")

    assert available() == 3
    assert [call() for _ in range(4)] == [True, True, True, False]


def test_a_spent_calendar_quota_is_free_at_midnight(upstream: Any, connection: Any) -> None:
    zone = zone_at_noon(connection)
    upstream(f"'1 day', 1, null, '{zone}', false")
    call()

    grant = take()

    assert grant.reason == f"1 call a day of {zone}"
    assert grant.window == timedelta(days=1)
    expected = connection.execute(
        "select extract(epoch from ((clock_timestamp() at time zone %s)::date + 1)"
        " - clock_timestamp() at time zone %s)::float8 as s", (zone, zone)
    ).fetchone()["s"]  # fmt: skip
    assert grant.wait == pytest.approx(expected, abs=2)


def test_a_call_in_flight_at_midnight_counts_for_both_days(upstream: Any, connection: Any) -> None:
    zone = zone_at_noon(connection)
    upstream(f"'1 day', 1, null, '{zone}', false")
    take()
    connection.execute(
        f"update permit set granted_at = date_trunc('day', clock_timestamp() at time zone '{zone}')"
        f" at time zone '{zone}' - interval '1 second'"
    )

    assert take().id is None


def test_a_paced_quota_is_spread_over_its_window(upstream: Any, connection: Any) -> None:
    upstream("'1 day', 480, null, null, true")
    assert call()

    grant = take()

    assert (grant.id, grant.reason) == (None, "one call per 00:03:00")
    assert 178 < grant.wait <= 180
    assert available() == 0
    shift(connection, "clock_timestamp() - interval '181 seconds'")
    assert available() == 1
    assert call()


def test_a_paced_quota_waits_and_defers_nothing(upstream: Any) -> None:
    upstream("'1 day', 480, null, null, true")
    call()

    assert isinstance(permits.refusal("any", take()), permits.QuotaWait)


@pytest.mark.parametrize(
    ("quota", "words"),
    [
        ("'1 day', 5, null, 'America/New_Yrok', false", "unknown timezone"),
        ("'1 hour', 5, null, 'America/New_York', false", "per must be 1 day"),
        ("'1 day', 0, null, null, false", "calls must be 1 or more; to stop calls disable"),
        ("'-1 day', 5, null, null, false", "per must be longer than zero"),
        ("'1 month', 5, null, null, false", "no months or years, write 30 days"),
        ("'40 days', 5, null, null, false", "at most 31 days"),
    ],
)
def test_wrong_limits_are_refused_in_words(upstream: Any, quota: str, words: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=words):
        upstream(quota)


def test_an_unknown_timezone_is_answered_with_the_nearest(upstream: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        upstream("'1 day', 5, null, 'America/New_Yrok', false")

    assert "America/New_York" in (refused.value.diag.message_hint or "")


def test_quota_status_says_all_of_it(upstream: Any, connection: Any, new_run: Any) -> None:
    upstream("'1 minute', 4, null, null, false", "'1 day', 50, null, 'UTC', false")
    call()
    run_id = new_run("tests.counting", schedule="nightly")
    connection.execute(
        "update batch set waiting_for = 'any', send_at = null where run_id = %s", (run_id,)
    )

    rows = connection.execute("select * from quota_status where upstream = 'any'").fetchall()

    assert [(r["per"], r["used"], r["allowed"], r["share"]) for r in rows] == [
        ("1 minute", 1, 4, "25 %"), ("day of UTC", 1, 50, "2 %"),
    ]  # fmt: skip
    assert [(r["waiting"], r["who_waits"], r["breaker"]) for r in rows] == [
        (1, "nightly", "closed")
    ] * 2
    assert rows[0]["resets"].startswith("in ")


def test_quota_status_names_the_three_states_of_the_breaker(upstream: Any, connection: Any) -> None:
    upstream("'1 minute', 4, null, null, false")
    query = "select breaker, blocked_until, blocked_because from quota_status where upstream = 'any'"

    def close() -> None:
        with driver_transaction() as driver:
            upstream_states.count_failure(driver, "any")
            upstream_states.block(driver, "any", timedelta(minutes=5), "answered 429")

    assert connection.execute(query).fetchone()["breaker"] == "closed"
    close()
    shut = connection.execute(query).fetchone()
    assert (shut["breaker"], shut["blocked_because"]) == ("open", "answered 429")
    assert shut["blocked_until"] is not None
    connection.execute("update upstream_state set blocked_until = clock_timestamp()")
    assert connection.execute(query).fetchone()["breaker"] == "half open"
    with driver_transaction() as driver:
        upstream_states.recover(driver, "any")
    assert connection.execute(query).fetchone()["breaker"] == "closed"


def test_half_open_lets_one_call_try_while_the_others_wait(upstream: Any, connection: Any) -> None:
    upstream()
    with driver_transaction() as driver:
        upstream_states.count_failure(driver, "any")
        upstream_states.block(driver, "any", timedelta(minutes=5), "answered 429")
    connection.execute("update upstream_state set blocked_until = clock_timestamp()")

    first, second = take(), take()

    assert (first.trying, first.id is not None) == (True, True)
    assert (second.id, second.reason) == (None, "1 call in flight")


def test_a_person_lifts_a_block_and_one_call_goes_first(upstream: Any, connection: Any) -> None:
    upstream()
    with driver_transaction() as driver:
        upstream_states.block(driver, "any", timedelta(days=1), "answered 429")
    assert not call()

    said = connection.execute("select unblock('any', 'they said we may') as it").fetchone()
    row = connection.execute("select * from upstream where name = 'any'").fetchone()

    assert said == {"it": "any is unblocked; one call tries first."}
    assert (row["note"], row["unblocked_at"] is not None) == ("they said we may", True)
    first, second = take(), take()
    assert (first.trying, second.id, second.reason) == (True, None, "1 call in flight")
    connection.execute("update upstream set note = 'something else' where name = 'any'")
    with driver_transaction() as driver:
        upstream_states.block(driver, "any", timedelta(days=1), "answered 429 again")
    connection.execute("update upstream set note = 'edited later' where name = 'any'")
    assert available() == 0


def test_only_a_block_can_be_lifted(upstream: Any, connection: Any) -> None:
    upstream(enabled=False)
    with pytest.raises(psycopg.Error, match='upstream "any" is disabled') as disabled:
        connection.execute("select unblock('any')")
    with pytest.raises(psycopg.Error, match='no upstream named "many"'):
        connection.execute("select unblock('many')")
    connection.execute(str(disabled.value.diag.message_hint).removeprefix("To enable it: "))

    said = connection.execute("select unblock('any') as it").fetchone()

    assert said == {"it": "Upstream any is not blocked."}
    assert call()


def test_an_upstream_without_limits_shows_too_when_it_is_closed(upstream: Any, connection: Any) -> None:
    upstream(enabled=False, note="maintenance")

    row = connection.execute("select * from quota_status where upstream = 'any'").fetchone()

    assert (row["allowed"], row["blocked_because"]) == (None, "disabled: maintenance")


def test_a_limit_that_is_given_to_another_upstream_is_lifted_here_at_once(
    upstream: Callable[..., None], connection: Any
) -> None:
    upstream("'1 hour', 1, null, null, false")
    upstream(name="other")
    assert (call(), call()) == (True, False)
    waits = (
        "select next_permit_at > clock_timestamp() as yes from upstream_state where upstream = 'any'"
    )
    assert connection.execute(waits).fetchone()["yes"]
    connection.execute("update quota set upstream = 'other' where upstream = 'any'")
    assert not connection.execute(waits).fetchone()["yes"]
    assert call()
