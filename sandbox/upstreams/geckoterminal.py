"""Imitates api.geckoterminal.com/api/v2: the trades of a pool, the newest 300, no paging.

Pools and prices are those of the DexScreener imitation.  Numbers are strings, as there.
"""

import hashlib
import math
from datetime import UTC, datetime
from typing import Any

from sandbox.upstreams import tokens
from sandbox.upstreams.base import Reply, Request, Site, as_json
from sandbox.upstreams.chance import chance

#: No answer holds more trades; a busy pool fills it exactly, and what is older is cut off.
MAX_ROWS = 300
DAY = 86400.0
_known = tokens.Directory()


def _spacing(number: int, pool: int) -> float:
    """Seconds between two trades of a pool: a busy one has many more than 300 a day."""
    return 20.0 * math.exp(6 * chance("trades", number, pool))


def _trade(number: int, pool: int, nth: int, at: float) -> dict[str, Any]:
    quote, _, _, quote_price = tokens.quote_of(number)
    address, price = tokens.address_of(number), tokens.pool_price(number, pool, at)
    usd = 2000 * chance("size", number, pool, nth) ** 3 + 1
    buy = chance("side", number, pool, nth) < 0.55
    base_amount, quote_amount = usd / price, usd / quote_price
    sides = [(quote, quote_amount, quote_price), (address, base_amount, price)]
    given, taken = sides if buy else sides[::-1]
    tx = hashlib.sha256(f"{address} {pool} {nth}".encode()).hexdigest()
    sender = int(40 * chance("sender", number, pool, nth) ** 2)
    network = tokens.NETWORKS.get(tokens.chain_of(number), tokens.chain_of(number))
    return {
        "id": f"{network}_{nth}_{tx}_0",
        "type": "trade",
        "attributes": {
            "block_number": nth,
            "block_timestamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tx_hash": f"0x{tx}",
            "tx_from_address": hashlib.sha256(f"wallet {sender}".encode()).hexdigest()[:44],
            "kind": "buy" if buy else "sell",
            "from_token_address": given[0],
            "to_token_address": taken[0],
            "from_token_amount": f"{given[1]:.12f}",
            "to_token_amount": f"{taken[1]:.12f}",
            "price_from_in_usd": f"{given[2]:.12f}",
            "price_to_in_usd": f"{taken[2]:.12f}",
            "volume_in_usd": f"{usd:.8f}",
        },
    }


def _trades(number: int, pool: int, at_least: float, now: float) -> list[dict[str, Any]]:
    spacing, born = _spacing(number, pool), number * tokens.BIRTH
    rows: list[dict[str, Any]] = []
    nth = int(now // spacing)
    while nth * spacing > max(born, now - DAY) and len(rows) < MAX_ROWS:
        row = _trade(number, pool, nth, nth * spacing)
        if float(row["attributes"]["volume_in_usd"]) > at_least:
            rows.append(row)
        nth -= 1
    return rows


def respond(request: Request) -> Reply:
    match request.path.strip("/").split("/"):
        case ["api", "v2", "networks", network, "pools", address, "trades"]:
            found = _known.pool(address, request.now)
            chain = tokens.chain_of(found[0]) if found else ""
            if found and network == tokens.NETWORKS.get(chain, chain):
                try:
                    least = float(request.query.get("trade_volume_in_usd_greater_than") or 0)
                except ValueError:
                    return _error(400, "trade_volume_in_usd_greater_than is no number")
                return as_json({"data": _trades(*found, least, request.now)})
    return _error(404, "Not Found")


def _error(status: int, title: str) -> Reply:
    return as_json({"errors": [{"status": str(status), "title": title}]}, status)


SITE = Site("geckoterminal", respond, limits=[(30, 60.0)])
