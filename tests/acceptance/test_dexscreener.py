"""What DexScreener was seen to answer, by id: each goes through the parser that production calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tasks.discovery.sources.dexscreener import Candidate, parse_feed, parse_orders, parse_pairs
from tests.support.cases.common import cases
from workers.errors import Blocked, BrokenResponse, NotFound, RateLimited, Unavailable, UpstreamError
from workers.upstreams.responses import Response, raise_for_status

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHAPE = {"chainId": "solana", "pairAddress": "pool", "baseToken": {"address": "mint"}}
#: Errors in the cases' words, and whether asking again later may help.
ERRORS: dict[type[UpstreamError], tuple[str, bool]] = {
    RateLimited: ("rate_limited", True),
    Unavailable: ("unavailable", True),
    Blocked: ("blocked", False),
    NotFound: ("not_found", False),
    BrokenResponse: ("broken", False),
}


def orders(body: Any) -> dict[str, Any]:
    found = parse_orders(body)
    paid = found.paid_at and found.paid_at.astimezone(UTC)
    shown = paid and f"{paid:%Y-%m-%dT%H:%M:%S}.{paid.microsecond // 1000:03d}Z"
    return {"orders": found.orders, "boosts": found.boosts, "paid_at_utc": shown}


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def pair(row: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = parse_pairs([{**SHAPE, **row}])
    made = found.created_at
    return {
        "price_usd": _exact(found.price_usd),
        "numeric": _exact(found.price_usd),
        "liquidity_usd": _float(found.liquidity_usd),
        "volume_h24": _float(found.volume_h24),
        "price_change_h24": _float(found.price_change_h24),
        "market_cap": _float(found.market_cap),
        "symbol": found.symbol,
        "name": found.name,
        "buys_h24": found.buys_h24,
        "sells_h24": found.sells_h24,
        "utc": made and f"{made:%Y-%m-%dT%H:%M:%SZ}",
    }


def feed(rows: list[Candidate]) -> dict[str, Any]:
    links = [row.links for row in rows]
    tokens = [row.address for row in rows]
    return {"tokens": len(rows), "links": links[0] if len(rows) == 1 else links, "addresses": tokens}


def refused(status: int) -> dict[str, Any]:
    with pytest.raises(UpstreamError) as raised:
        raise_for_status(Response("dexscreener", status, "", {"date": f"{datetime.now(UTC)}"}, b""))
    name, again = ERRORS[raised.type]
    return {"error": name, "retry": again}


def body_of(given: Any) -> Any:
    """A body as it stands in the case, or in the file that it names."""
    if not isinstance(given, str):
        return given
    file, _, key = given.partition("#")
    content = json.loads((FIXTURES / file).read_text())
    return content[int(key)] if isinstance(content, list) and key else content.get(key, content)


def answer(given: dict[str, Any]) -> dict[str, Any]:
    if "http" in given:
        assert set(given) == {"http"}
        return refused(given["http"])
    if "body" not in given:
        return pair(given)
    assert set(given) == {"body"}
    body = body_of(given["body"])
    if isinstance(body, Mapping) and "pairs" in body:
        (body,) = body["pairs"] or [{}]
    if isinstance(body, Mapping) and "orders" not in body:
        return pair(body)
    if isinstance(body, list) and any("tokenAddress" in row and "type" not in row for row in body):
        return feed(list(parse_feed(body, "boosts_top")))
    return orders(body)


@pytest.mark.parametrize("case", cases("dexscreener"))
def test_case(case: dict[str, Any]) -> None:
    found = answer(case["input"])

    assert {name: found.get(name) for name in case["expected"]} == case["expected"]
