"""The cases of both token systems, by id: adapters rename fields, then call what production calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fix_discovery import boost, pair
from pydantic import ValidationError

from beat import words
from beat.catchup import settle
from beat.timetable import Timing, next_due
from tasks.discovery.discover import DiscoverOptions
from tasks.discovery.filters import rejection
from tasks.discovery.pairs import Pair
from workers import retry
from workers.errors import RateLimited, UpstreamError
from workers.upstream import Door

HERE = Path(__file__).parent
CASES = [
    case
    for case in json.loads((HERE / "cases" / "walltrack.json").read_text())
    if case["area"] != "api"
]
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WIDE = {
    "feeds": ["boosts_top", "profiles"], "min_volume_usd": 0, "min_liquidity_usd": 0, "min_price_change_pct": 0,
}  # fmt: skip


# --- a run ------------------------------------------------------------------------------------------


def result_of(discovery: Any, run: dict[str, Any]) -> dict[str, Any]:
    """A run in their words."""
    counts = (run["result"] or {}).get("counts", {})
    status = {"succeeded": "complete", "failed": "error"}.get(run["state"], run["state"])
    if status == "complete" and not counts.get("found"):
        status = "no_results"
    return {
        "tokens_found": counts.get("found", 0),
        "new_tokens": counts.get("new", 0),
        "updated_tokens": counts.get("updated", 0),
        "status": status,
        "upserts": discovery.one("select count(*) as n from token")["n"],
    }


def feed_of(body: Any) -> Any:
    return [boost(name) for name in body] if isinstance(body, list) else body


def run(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    discovery = need("discovery")
    feeds = discovery.server.feeds
    feeds["boosts_top"] = feed_of(given.get("boosts", given.get("found", [])))
    feeds["profiles"] = feed_of(given.get("profiles", []))
    found = result_of(discovery, discovery.run(**WIDE))
    if given.get("runs") == 2:
        again = result_of(discovery, discovery.run(**WIDE))
        second = {name: again[name] for name in expected["second"]}
        return {"second": second, "token_rows": again["upserts"]}
    return found


# --- enrichment -------------------------------------------------------------------------------------


def stored(discovery: Any) -> dict[str, Any]:
    token = discovery.one("select * from token")
    price = token["price_usd"]
    return {
        **token,
        "saved": True,
        "price_usd": None if price is None else f"{price.normalize():f}",
        "volume_24h": token["volume_h24"],
    }


def enrich(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    discovery = need("discovery")
    server = discovery.server
    if "addresses" in given:
        server.feeds["boosts_top"] = [boost(one, given["chain"]) for one in given["addresses"]]
        discovery.run(**WIDE, chains=[given["chain"]])
        return {"token_rows": discovery.one("select count(*) as n from token")["n"]}
    server.feeds["boosts_top"] = [boost("A")]
    if "enrich" in given:
        known = given["stored"]
        base = {"address": "A", "name": "n", "symbol": known["symbol"]}
        server.pairs["A"] = [pair("A", baseToken=base, priceUsd=known["price_usd"])]
        discovery.run(**WIDE)
        server.instead["/tokens/"] = (501, {}, "no answer worth the name")
        discovery.run(**WIDE)
        return stored(discovery)
    row = dict(given.get("pair") or {})
    if row.get("pairCreatedAt") == "now-1h":
        row["pairCreatedAt"] = int((datetime.now(UTC) - HOUR).timestamp() * 1000)
    if "name_len" in given:
        base = {"address": "A", "name": "n" * given["name_len"], "symbol": "s" * given["symbol_len"]}
        row["baseToken"] = base
    if "pairs" in given:
        server.instead["/tokens/"] = (200, {}, {"pairs": given["pairs"]})
    server.pairs["A"] = [pair("A", **row)]
    discovery.run(**WIDE)
    found = stored(discovery)
    if found["pool_created_at"] is not None:
        age = discovery.one("select clock_timestamp() as now")["now"] - found["pool_created_at"]
        found["age_minutes"] = int(age / timedelta(minutes=1))
    found["truncated"] = (len(found["symbol"] or ""), len(found["name"] or "")) == (64, 256)
    return found


# --- options and schedules --------------------------------------------------------------------------


def strict(need: Any) -> Any:
    """A database with the kinds' own limits, as in production."""
    from workers import kinds
    from workers.db import transaction
    from workers.migrate import registered

    connection = need("connection")
    with transaction() as alchemy:
        kinds.register(alchemy, registered(), relaxed=False)
    return connection


def is_accepted(connection: Any, task: str, hours: int) -> bool:
    try:
        connection.execute(
            "insert into schedule (name, task, every) values ('case', %s, %s)",
            (task, timedelta(hours=hours)),
        )
    except psycopg.errors.CheckViolation:
        return False
    return True


def shipped(need: Any, name: str) -> Any:
    return next(row for row in need("shipped_schedules") if row["name"] == name)


def config(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    if "schedule" in given:
        connection = strict(need)
        first, second = given["schedule"]
        assert is_accepted(connection, "tasks.discovery.surveil", first)
        connection.execute("update schedule set every = %s where name = 'case'", (second * HOUR,))
        (row,) = connection.execute("select every from schedule").fetchall()
        return {"jobs": 1, "interval_hours": row["every"] / HOUR}
    if not given:
        row = shipped(need, "surveillance")
        return {"surveillance_interval_hours": row["every"] / HOUR, "enabled": row["enabled"]}
    hours = given["surveillance_interval_hours"]
    return {"valid": is_accepted(strict(need), "tasks.discovery.surveil", hours)}


def config_range(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    ((name, value),) = given.items()
    if name == "schedule_hours":
        valid = is_accepted(strict(need), "tasks.discovery.discover", value)
        return {"valid": valid, "default": shipped(need, "discovery")["every"] / HOUR}
    try:
        kept = getattr(DiscoverOptions.model_validate(given), name)
    except ValidationError:
        valid = False
    else:
        valid = kept == value
    return {"valid": valid, "default": getattr(DiscoverOptions(), name)}


def next_run(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    if given.get("enabled") is False:
        connection = need("connection")
        connection.execute(
            "insert into schedule (name, task, every, enabled) values ('case', 'tasks.discovery.discover', '6 h', false)"
        )
        need("drive").work()
        return connection.execute("select next_run_at as next_run from schedule_state").fetchone()
    last, now = (datetime.fromisoformat(given[name]) for name in ("last", "now"))
    timing = Timing("case", every=given["hours"] * HOUR)
    due = next_due(timing, last, last)
    assert due is not None
    if due > now:
        return {"next_run": f"{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    (outcome,) = settle(timing, last, due, now).outcomes
    assert outcome.missed is None
    return {"next_run": "<= now (run at once)" if outcome.due_at <= now else "later"}


def stats(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    connection = need("connection")
    states = {"completed": "succeeded"}
    for one in given["runs"]:
        connection.execute(
            "insert into run (id, schedule, task, trigger, due_at, state, queue, started_at, finished_at, result)"
            " values (gen_random_uuid(), 'discovery', 'tasks.discovery.discover', 'schedule', clock_timestamp(), %s,"
            " 'discovery', now(), now() + %s * interval '1 second', %s)",
            (states.get(one["status"], one["status"]), one["seconds"],
             json.dumps({"counts": {"new": one["new"], "updated": one["updated"]}})),
        )  # fmt: skip
    row = connection.execute("select * from discovery_stats").fetchone()
    return {name: float(row[name]) for name in expected}


# --- filters ----------------------------------------------------------------------------------------


def filters(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    if isinstance(given["tokens"][0], list):
        discovery = need("discovery")
        for name, volume in given["tokens"]:
            discovery.server.pairs[name] = [pair(name, volume={"h24": volume})]
        discovery.server.feeds["boosts_top"] = [boost(name) for name, _ in given["tokens"]]
        options = {"min_volume_usd": given["min_volume_usd"], "max_tokens": given.get("limit", 20)}
        discovery.run(**{**WIDE, **options})
        rows = discovery.all(
            "select t.address from token_sighting s join token t on t.id = s.token_id"
            " where s.chosen order by s.volume_h24 desc"
        )
        return {"selected": [row["address"] for row in rows]}
    limits = DiscoverOptions.model_validate({
        name: given[name] for name in ("max_token_age_hours", "min_price_change_pct", "min_liquidity_usd")
    })  # fmt: skip
    return {"selected": [one["id"] for one in given["tokens"] if passes(one, limits)]}


def passes(one: dict[str, Any], limits: DiscoverOptions) -> bool:
    found = Pair(
        "solana", "pool", None, one["id"], None, None, None, None, Decimal(str(one["liq"])), Decimal(10**9),
        Decimal(str(one["chg"])), None, NOW - one["age_h"] * HOUR,
    )  # fmt: skip
    return rejection(one["id"], found, limits, NOW) is None


# --- words, retries, breaker ------------------------------------------------------------------------


def relative(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    if "seconds_until" in given:
        return {"text": words.brief(timedelta(seconds=given["seconds_until"]))}
    if "last" in given:
        return {"text": words.ago(given["last"], NOW)}
    return {"text": words.ago(NOW - timedelta(seconds=given["seconds_ago"]), NOW)}


def http_retry(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    discovery, monkeypatch = need("discovery"), need("monkeypatch")
    pauses: list[float] = []
    pause = retry.pause

    def at_most(attempt: int) -> float:
        """The longest pause that chance allows, kept and not waited for."""
        pauses.append(pause(attempt, chance=1.0))
        return 0.01

    monkeypatch.setattr(retry, "pause", at_most)
    statuses = [int(one) for one in given["responses"]]
    replies = iter(statuses)

    def reply(path: str, _: Any) -> Any:
        discovery.server.paths.append(path)
        return next(replies), {"Retry-After": "0"}, []

    discovery.server.reply = reply
    error = None
    try:
        assert Door().get("dexscreener", "/token-boosts/top/v1", timeout=30).status == statuses[-1]
    except RateLimited:
        raise
    except UpstreamError as raised:
        error = "max retries exceeded" if f"answered {statuses[-1]}" in str(raised) else str(raised)
    return {"requests": len(discovery.server.paths), "delays_s": pauses, "error": error}


def breaker(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    discovery = need("discovery")
    need("monkeypatch").setattr(retry, "pause", lambda _: 0.0)
    fails = (500, {}, "")
    server = discovery.server

    def call() -> None:
        try:
            Door().get("dexscreener", "/token-boosts/top/v1")
        except UpstreamError:
            """The state of the door is what counts."""

    def state() -> str:
        row = discovery.one(
            "select failures, closed_until, closed_until > clock_timestamp() as shut from upstream_state"
            " where upstream = 'dexscreener'"
        )
        if row["closed_until"] is None:
            return "closed"
        return "open" if row["shut"] else "half_open"

    def pass_time(seconds: float) -> None:
        discovery.sql.execute(
            "update upstream_state set closed_until = closed_until - %s, next_permit_at = next_permit_at - %s"
            " where upstream = 'dexscreener'", (timedelta(seconds=seconds),) * 2,
        )  # fmt: skip

    server.instead["/token-boosts"] = fails
    for _ in range(given.get("failures", 5)):
        call()
    if "failures" in given:
        return {"state": state()}
    assert state() == "open"
    pass_time(given.get("open_for_s", 31))
    if "open_for_s" in given:
        return {"allowed": state() != "open"}
    assert state() == given["state"]
    if given["result"] == "success":
        server.instead.clear()
    call()
    failures = discovery.one("select failures from upstream_state where upstream = 'dexscreener'")
    return {"state": state(), **failures}


Adapter = Callable[[dict[str, Any], dict[str, Any], Any], dict[str, Any]]
ADAPTERS: dict[str, Adapter] = {
    "discovery": run,
    "enrich": enrich,
    "config": config,
    "config-range": config_range,
    "next-run": next_run,
    "stats": stats,
    "filters": filters,
    "relative-time": relative,
    "http-retry": http_retry,
    "circuit-breaker": breaker,
}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    expected = case["expected"]

    found = ADAPTERS[case["area"]](case["input"], expected, request.getfixturevalue)

    assert {name: found.get(name) for name in expected} == expected
