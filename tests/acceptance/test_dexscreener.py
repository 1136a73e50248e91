"""What DexScreener was seen to answer, by id: each goes through the parser that production calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.discovery.sources.dexscreener import parse_feed, parse_orders, parse_pairs
from workers.answers import Answer, judge
from workers.errors import RateLimited

HERE = Path(__file__).parent
CASES = json.loads((HERE / "cases" / "dexscreener.json").read_text())
SHAPE = {"chainId": "solana", "pairAddress": "pool", "baseToken": {"address": "mint"}}


def orders(body: Any) -> dict[str, Any]:
    found = parse_orders(body)
    paid = found.paid_at and found.paid_at.astimezone(UTC)
    shown = paid and f"{paid:%Y-%m-%dT%H:%M:%S}.{paid.microsecond // 1000:03d}Z"
    return {"orders": found.orders, "boosts": found.boosts, "paid_at_utc": shown}


def pair(row: dict[str, Any]) -> dict[str, Any]:
    (found,) = parse_pairs([{**SHAPE, **row}])
    made = found.created_at
    return {
        "price_usd": None if found.price_usd is None else f"{found.price_usd:f}",
        "numeric": None if found.price_usd is None else f"{found.price_usd:f}",
        "liquidity_usd": None if found.liquidity_usd is None else float(found.liquidity_usd),
        "volume_h24": None if found.volume_h24 is None else float(found.volume_h24),
        "buys_h24": found.buys_h24,
        "sells_h24": found.sells_h24,
        "utc": made and f"{made:%Y-%m-%dT%H:%M:%SZ}",
    }


def refused(status: int) -> dict[str, Any]:
    with pytest.raises(RateLimited):
        judge(Answer("dexscreener", status, "", {"date": f"{datetime.now(UTC)}"}, b""))
    return {"error": "rate_limited", "retry": True}


def answer(given: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    body = given.get("body")
    if isinstance(body, str):
        file, _, key = body.partition("#")
        return pair(json.loads((HERE.parent / "fixtures" / file).read_text())[int(key)])
    if "links" in expected:
        (candidate,) = parse_feed(body, "boosts_top")
        return {"links": candidate.links}
    if "orders" in expected:
        return orders(body)
    return refused(given["http"]) if "http" in given else pair(given)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    found = answer(case["input"], case["expected"])

    assert {name: found.get(name) for name in case["expected"]} == case["expected"]
