"""The cases of both token systems, by id: adapters rename fields, then call what production calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tasks.discovery.discover import DiscoverOptions
from tasks.discovery.pairs import Pair
from tasks.discovery.token_filters import rejection
from tests.support.cases.api import discovery_api
from tests.support.cases.common import cases, only
from tests.support.cases.schedules import config, config_range, next_run, stats
from tests.support.cases.upstreams import answer, breaker, http_retry
from tests.support.discovery import boost, pair
from tests.support.scripted_server import Reply
from workers.upstreams import retry
from workers.upstreams.client import UpstreamClient
from workers.upstreams.requests import CallOptions

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WIDE = {
    "feeds": ["boosts_top", "profiles"], "min_volume_usd": 0, "min_liquidity_usd": 0, "min_price_change_pct": 0,
}  # fmt: skip


def hasten(need: Any) -> None:
    """No pauses between attempts, and half a second for a call: production's times are too long here."""
    need("monkeypatch").setattr(retry, "pause", lambda _: 0.0)
    need("monkeypatch").setattr(UpstreamClient.get, "__defaults__", (CallOptions(timeout=0.5),))


def result_of(discovery: Any, run: dict[str, Any]) -> dict[str, Any]:
    """A run in their words."""
    counts = (run["result"] or {}).get("counts", {})
    names = {"succeeded": "complete", "partial": "complete", "failed": "error"}
    status = names.get(run["state"], run["state"])
    if status == "complete" and not counts.get("found"):
        status = "no_results"
    return {
        "tokens_found": counts.get("found", 0),
        "new_tokens": counts.get("new", 0),
        "updated_tokens": counts.get("updated", 0),
        "status": status,
        "error_message": run["error"],
        "upserts": discovery.one("select count(*) as n from token")["n"],
    }


def feed_row(row: Any) -> Any:
    """A token as a feed names it, from its address, from a pair, or from an object."""
    if isinstance(row, str):
        return boost(row)
    if isinstance(row, list):
        return boost(*row)
    if isinstance(row, Mapping):
        only(
            row,
            "chain",
            "chainId",
            "address",
            "mint",
            "id",
            "tokenAddress",
            "amount",
            "totalAmount",
            "links",
        )
        address = next(
            (row[name] for name in ("tokenAddress", "address", "mint", "id") if name in row), None
        )
        more = {name: row[name] for name in ("amount", "totalAmount", "links") if name in row}
        return boost(address, row.get("chainId", row.get("chain", "solana")), **more)
    return row


def set_feed(discovery: Any, feed: str, path: str, body: Any) -> None:
    """A feed's answer: rows, another body, or a failure by its name."""
    if isinstance(body, list):
        discovery.server.feeds[feed] = [feed_row(row) for row in body]
    elif isinstance(body, Mapping) and set(body) == {"http"}:
        discovery.server.instead[path] = answer(body["http"])
    elif isinstance(body, (str, int)):
        discovery.server.instead[path] = answer(body)
    else:
        discovery.server.feeds[feed] = body


def run(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "boosts", "profiles", "found", "existing", "runs", "error", "chain", "chains")
    hasten(need)
    discovery = need("discovery")
    chains = given.get("chains", [given["chain"]] if "chain" in given else ["solana"])
    if given.get("existing"):
        set_feed(discovery, "boosts_top", "/token-boosts/", given["existing"])
        discovery.run(**WIDE, chains=chains)
    down = given.get("error", [])
    boosts = given.get("boosts", given.get("found", down))
    set_feed(discovery, "boosts_top", "/token-boosts/", boosts)
    set_feed(discovery, "profiles", "/token-profiles/", given.get("profiles", down))
    found = result_of(discovery, discovery.run(**WIDE, chains=chains))
    again = found
    for _ in range(given.get("runs", 1) - 1):
        again = result_of(discovery, discovery.run(**WIDE, chains=chains))
    if "second" in expected:
        second = {name: again[name] for name in expected["second"]}
        return {"second": second, "token_rows": again["upserts"]}
    return {**again, "token_rows": again["upserts"]}


# --- enrichment -------------------------------------------------------------------------------------


def stored(discovery: Any) -> dict[str, Any]:
    """The only token, in their words."""
    token = discovery.one("select * from token where address = 'A'")
    price, made = token["price_usd"], token["pool_created_at"]
    pools = discovery.all("select pool from token_snapshot order by taken_at desc limit 1")
    age = made and discovery.one("select clock_timestamp() as now")["now"] - made
    return {
        **token,
        "saved": True,
        "price_usd": None if price is None else f"{price.normalize():f}",
        "volume_24h": token["volume_h24"],
        "age_minutes": None if age is None else int(age / timedelta(minutes=1)),
        "pair": pools[0]["pool"] if pools else None,
        "pair_address": pools[0]["pool"] if pools else None,
        "name_len": len(token["name"] or ""),
        "symbol_len": len(token["symbol"] or ""),
        "truncated": (len(token["symbol"] or ""), len(token["name"] or "")) == (64, 256),
    }


PAIR = (
    "chainId", "dexId", "url", "pairAddress", "labels", "baseToken", "quoteToken", "priceNative", "priceUsd", "txns",
    "volume", "priceChange", "liquidity", "fdv", "marketCap", "pairCreatedAt", "info", "boosts",
)  # fmt: skip


#: Shorter names for fields of a pair, and values that stand for an object.
SHORT = {
    "pool": "pairAddress", "pair": "pairAddress", "base": "baseToken", "quote": "quoteToken", "price": "priceUsd",
    "price_usd": "priceUsd", "liq": "liquidity", "liquidity_usd": "liquidity", "market_cap": "marketCap", "dex": "dexId",
}  # fmt: skip
INSIDE = {
    "liquidity": "usd",
    "volume": "h24",
    "priceChange": "h24",
    "baseToken": "address",
    "quoteToken": "address",
}


def whole_pair(row: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
    """A pair of token A that has what the row leaves out."""
    row = {SHORT.get(name, name): value for name, value in row.items()}
    only(row, *PAIR)
    for name, inner in INSIDE.items():
        if isinstance(row.get(name), (str, int, float)):
            row[name] = {inner: row[name]}
    shown = {"pairAddress": f"pool{number}", **row}
    if isinstance(base := row.get("baseToken"), Mapping):
        shown["baseToken"] = {"address": "A", "name": "n", "symbol": "s", **base}
    if since := re.fullmatch(r"now-(\d+)([mhd])", str(row.get("pairCreatedAt"))):
        ago = timedelta(minutes=int(since[1]) * {"m": 1, "h": 60, "d": 1440}[since[2]])
        shown["pairCreatedAt"] = int((datetime.now(UTC) - ago).timestamp() * 1000)
    return pair("A", **shown)


def known_before(discovery: Any, known: Mapping[str, Any]) -> None:
    """A first run that stores these values of token A."""
    only(known, "symbol", "name", "price_usd", "market_cap", "volume_24h", "liquidity_usd")
    base = {"symbol": known.get("symbol"), "name": known.get("name", "n")}
    row = whole_pair({
        "baseToken": base, "priceUsd": known.get("price_usd"), "marketCap": known.get("market_cap"),
        "volume": {"h24": known.get("volume_24h")}, "liquidity": {"usd": known.get("liquidity_usd")},
    })  # fmt: skip
    discovery.server.pairs["A"] = [row]
    discovery.run(**WIDE)


def enrich(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "chain", "addresses", "stored", "enrich", "pair", "pairs", "name_len", "symbol_len")
    hasten(need)
    discovery = need("discovery")
    server = discovery.server
    if "addresses" in given:
        server.feeds["boosts_top"] = [boost(one, given["chain"]) for one in given["addresses"]]
        discovery.run(**WIDE, chains=[given["chain"]])
        return {"token_rows": discovery.one("select count(*) as n from token")["n"]}
    server.feeds["boosts_top"] = [boost("A")]
    if "stored" in given:
        known_before(discovery, given["stored"])
    row = dict(given.get("pair") or {})
    if "name_len" in given or "symbol_len" in given:
        lengths = (given.get("name_len", 1), given.get("symbol_len", 1))
        row["baseToken"] = {"name": "n" * lengths[0], "symbol": "s" * lengths[1]}
    server.pairs["A"] = [whole_pair(row)]
    said: Reply | None = answer(given["enrich"]) if "enrich" in given else None
    if "pair" in given and given["pair"] is None:
        said = (200, {}, {"pairs": None})
    if "pairs" in given:
        rows = given["pairs"]
        rows = rows and [whole_pair(one, number) for number, one in enumerate(rows)]
        said = (200, {}, {"pairs": rows})
    if said is not None:
        server.instead = {"/tokens/": said, "/token-pairs/": said}
    discovery.run(**WIDE)
    return stored(discovery)


# --- filters ----------------------------------------------------------------------------------------

FILTERS = ("max_token_age_hours", "min_price_change_pct", "min_liquidity_usd")


def filters(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "tokens", "min_volume_usd", "limit", "max_tokens", *FILTERS)
    listed = [one for one in given["tokens"] if isinstance(one, list)]
    if listed == given["tokens"]:
        discovery = need("discovery")
        for name, volume in listed:
            discovery.server.pairs[name] = [pair(name, volume={"h24": volume})]
        discovery.server.feeds["boosts_top"] = [boost(name) for name, _ in listed]
        options = {"max_tokens": given.get("limit", given.get("max_tokens", 20))}
        options |= {name: given[name] for name in ("min_volume_usd", *FILTERS) if name in given}
        discovery.run(**{**WIDE, **options})
        rows = discovery.all(
            "select t.address from token_sighting s join token t on t.id = s.token_id"
            " where s.chosen order by s.volume_h24 desc"
        )
        return {"selected": [row["address"] for row in rows]}
    names = ("min_volume_usd", *FILTERS)
    limits = DiscoverOptions.model_validate({name: given[name] for name in names if name in given})
    return {"selected": [one["id"] for one in given["tokens"] if passes(one, limits)]}


def passes(one: dict[str, Any], limits: DiscoverOptions) -> bool:
    only(one, "id", "liq", "vol", "chg", "age_h")
    liquidity, volume, change = (
        None if one.get(name, 10**9) is None else Decimal(str(one.get(name, 10**9)))
        for name in ("liq", "vol", "chg")
    )
    age = one.get("age_h", 0)
    found = Pair(
        "solana", "pool", None, one["id"], None, None, None, liquidity, volume, change, None,
        None if age is None else NOW - age * HOUR,
    )  # fmt: skip
    return rejection(one["id"], found, limits, NOW) is None


# --- words ----------------------------------------------------------------------------------------


def relative(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    """The functions that `schedule_status` and `status_bar` are made of."""
    ((name, value),) = given.items()
    function, key = {
        "seconds_ago": ("past_words", 1), "last": ("past_words", None),
        "seconds_until": ("brief_words", 1), "next": ("brief_words", None),
    }[name]  # fmt: skip
    assert key or value is None
    span = None if value is None else timedelta(seconds=value)
    return need("connection").execute(f"select {function}(%s) as text", (span,)).fetchone()  # type: ignore[no-any-return]


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
    "api": discovery_api,
}


@pytest.mark.parametrize("case", cases("walltrack"))
def test_case(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    expected = case["expected"]

    found = ADAPTERS[case["area"]](case["input"], expected, request.getfixturevalue)

    assert {name: found.get(name) for name in expected} == expected
