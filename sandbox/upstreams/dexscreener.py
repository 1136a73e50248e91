"""Imitates api.dexscreener.com: feeds without paging, pairs cut to 30 rows without a word.

Its limits by its documentation: 60 calls a minute for feeds, 300 for pairs.
"""

from datetime import UTC, datetime
from typing import Any

from sandbox.upstreams import tokens
from sandbox.upstreams.base import Reply, Request, Site, as_json
from sandbox.upstreams.chance import chance

#: Rows of a feed, addresses and rows of an answer: more are cut off.
MAX_ROWS = 30
FEEDS = {
    # path: (kind, how many tokens behind the newest it begins)
    "/token-boosts/top/v1": ("top", 0),
    "/token-boosts/latest/v1": ("latest", 3),
    "/token-profiles/latest/v1": ("profiles", 8),
    "/token-profiles/recent-updates/v1": ("profiles", 14),
    "/community-takeovers/latest/v1": ("takeovers", 20),
}
PAIRS = ("/tokens/", "/token-pairs/", "/latest/dex/")
_known = tokens.Directory()


def _feed_row(kind: str, number: int, now: float) -> dict[str, Any]:
    chain, address = tokens.chain_of(number), tokens.address_of(number)
    row: dict[str, Any] = {
        "url": f"https://dexscreener.example/{chain}/{address}",
        "chainId": chain,
        "tokenAddress": address,
        "icon": "opaqueIconId" if kind == "top" else "https://cdn.example/i.png",
        "header": "https://cdn.example/h.png",
        "openGraph": "https://cdn.example/og.png",
        "links": [{"url": "https://t.example"}, {"type": "twitter", "url": "https://x.example"}],
    }
    if chance("described", number) < 0.7:
        row["description"] = f"Token number {number}"
    if kind == "latest":
        row["amount"] = 10
    if kind in {"latest", "top"}:
        row["totalAmount"] = 10 * (1 + int(50 * chance("boost", number)))
    if kind in {"profiles", "takeovers"}:
        row["cto"] = kind == "takeovers"
        row["updatedAt"] = datetime.fromtimestamp(now // 60 * 60, UTC).isoformat()
    return row


def _feed(kind: str, behind: int, now: float) -> list[dict[str, Any]]:
    last = tokens.newest(now) - behind
    numbers = [n for n in range(last, last - 2 * MAX_ROWS, -1) if chance("feed", kind, n) >= 0.4]
    rows = [_feed_row(kind, number, now) for number in numbers[:MAX_ROWS]]
    return sorted(rows, key=lambda row: -row["totalAmount"]) if kind == "top" else rows


def _pairs(addresses: list[str], now: float) -> list[dict[str, Any]]:
    rows = []
    for address in addresses:
        number = _known.token(address, now)
        if number is not None:
            rows += [tokens.pair(number, pool, now) for pool in range(tokens.pools_of(number))]
    return rows


def _wrapped(rows: list[dict[str, Any]]) -> Reply:
    return as_json({"schemaVersion": "1.0.0", "pairs": rows or None})


def _search(words: str, now: float) -> list[dict[str, Any]]:
    last = tokens.newest(now)
    named = [n for n in range(last, last - 300, -1) if words.lower() in f"token {n} tk{n % 10000}"]
    return [tokens.pair(number, 0, now) for number in named[:MAX_ROWS]]


def _one_pair(address: str, now: float) -> Reply:
    found = _known.pool(address, now)
    row = tokens.pair(*found, now) if found else None
    return as_json({"schemaVersion": "1.0.0", "pairs": [row] if row else None, "pair": row})


def respond(request: Request) -> Reply:
    path, now = request.path, request.now
    if path in FEEDS:
        return as_json(_feed(*FEEDS[path], now))
    match path.strip("/").split("/"):
        case ["tokens", "v1", chain, addresses]:
            rows = _pairs(addresses.split(",")[:MAX_ROWS], now)
            return as_json([row for row in rows if row["chainId"] == chain][:MAX_ROWS])
        case ["token-pairs", "v1", chain, address]:
            return as_json([row for row in _pairs([address], now) if row["chainId"] == chain])
        case ["latest", "dex", "tokens", address]:
            return _wrapped(_pairs([address], now))
        case ["latest", "dex", "pairs", _, address]:
            return _one_pair(address, now)
        case ["latest", "dex", "search"]:
            return _wrapped(_search(request.query.get("q", ""), now))
        case ["orders", "v1", _, _]:
            return as_json({"orders": [], "boosts": []})
    return as_json({"error": "not found"}, 404)


def group(path: str) -> str:
    """Pairs have a limit of their own."""
    return "pairs" if path.startswith(PAIRS) else "feeds"


SITE = Site("dexscreener", respond, limits=[(60, 60.0, "feeds"), (300, 60.0, "pairs")], group=group)
