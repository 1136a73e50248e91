"""Imitates api.dexscreener.com: feeds without paging, pairs cut to 30 rows without a word."""

from __future__ import annotations

import time
from typing import Any

from sandbox.upstreams import tokens
from sandbox.upstreams.base import Handler, Reply, as_json

LIMITS = [(300, 60.0)]


def _feed(kind: str, now: float) -> list[dict[str, Any]]:
    last = tokens.newest(now)
    offset = {"top": 0, "latest": 3, "profiles": 8, "takeovers": 20}[kind]
    rows = []
    for number in range(last - offset, last - offset - 30, -1):
        if tokens.chance("feed", kind, number) < 0.4:
            continue
        row: dict[str, Any] = {
            "url": f"https://dexscreener.example/{number}",
            "chainId": tokens.chain_of(number),
            "tokenAddress": tokens.address_of(number),
            "icon": "opaque",
            "links": [{"url": "https://t.example"}, {"type": "twitter", "url": "https://x.example"}],
        }
        if kind == "latest":
            row["amount"] = 10
        if kind in {"latest", "top"}:
            row["totalAmount"] = 500
        rows.append(row)
    return rows


def _pairs(addresses: list[str], now: float) -> list[dict[str, Any]]:
    rows = []
    for address in addresses:
        number = tokens.number_of(address)
        if number is not None:
            rows += [tokens.pair(number, pool, now) for pool in range(tokens.pools_of(number))]
    return rows


FEEDS = {
    "/token-boosts/top/v1": "top",
    "/token-boosts/latest/v1": "latest",
    "/token-profiles/latest/v1": "profiles",
    "/community-takeovers/latest/v1": "takeovers",
}


def respond(handler: Handler) -> Reply:
    """Answer one call."""
    path, now = handler.request.path, time.time()
    if path in FEEDS:
        return as_json(_feed(FEEDS[path], now))
    parts = path.strip("/").split("/")
    if parts[:2] == ["tokens", "v1"] and len(parts) == 4:
        return as_json(_pairs(parts[3].split(",")[:30], now)[:30])
    if parts[:2] == ["token-pairs", "v1"] and len(parts) == 4:
        return as_json(_pairs([parts[3]], now))
    if parts[:3] == ["latest", "dex", "tokens"] and len(parts) == 4:
        return as_json({"schemaVersion": "1.0.0", "pairs": _pairs([parts[3]], now) or None})
    return as_json({"error": "not found"}, 404)
