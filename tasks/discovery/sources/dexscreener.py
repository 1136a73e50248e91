"""DexScreener (api.dexscreener.com, no key): feeds, pairs and orders; `parse_…` is pure.

Limits by its documentation: 60 calls a minute for feeds, 300 for pairs.  Recorded responses show that
``/tokens/v1`` cuts its response to 30 rows without notice, a token may be the quote side of a pair,
keys may be missing or null, and names reach 34,000 characters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from tasks.discovery.pairs import Pair
from tasks.discovery.token_addresses import is_name, normalise
from tasks.discovery.token_values import number, text
from workers.errors import BrokenResponse
from workers.upstreams import CallOptions, UpstreamClient, refuse_challenge

UPSTREAM = "dexscreener"
FEEDS = {
    "boosts_top": "/token-boosts/top/v1",
    "boosts_latest": "/token-boosts/latest/v1",
    "profiles": "/token-profiles/latest/v1",
    "takeovers": "/community-takeovers/latest/v1",
}
#: A response with so many rows is cut; it does not say for which tokens.
MAX_ROWS = 30
#: Tokens asked for together.  Thirty are accepted, but most have more than one pool.
MAX_ADDRESSES = 15
MAX_LINKS = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    chain: str
    address: str
    feed: str
    #: The token's pages: url, and type and label if given.
    links: list[dict[str, str]] = field(default_factory=list)
    #: Boosts of the newest purchase and all active ones; None where the feed names none.
    boost_amount: int | None = None
    boost_total: int | None = None

    @property
    def key(self) -> str:
        return f"{self.chain}:{normalise(self.address)}"


@dataclass(frozen=True, slots=True)
class Orders:
    orders: int = 0
    boosts: int = 0
    #: First payment.
    paid_at: datetime | None = None


def _get(client: UpstreamClient, path: str) -> Any:
    return client.get(UPSTREAM, path, CallOptions(check=refuse_challenge)).json()


def fetch_feed(client: UpstreamClient, feed: str) -> list[Candidate]:
    return list(parse_feed(_get(client, FEEDS[feed]), feed))


def fetch_pairs(
    client: UpstreamClient, chain: str, addresses: Sequence[str]
) -> dict[str, list[Pair]] | None:
    """Every pair by normalised address of its base; None when the response was cut."""
    listed = ",".join(_part(address) for address in addresses)
    rows = _get(client, f"/tokens/v1/{_part(chain)}/{listed}")
    is_cut = isinstance(rows, list) and len(rows) >= MAX_ROWS
    return None if is_cut else group(parse_pairs(rows))


def fetch_pools(client: UpstreamClient, chain: str, address: str) -> dict[str, list[Pair]]:
    """Every pair of one token, by normalised address of its base; never cut."""
    path = f"/token-pairs/v1/{_part(chain)}/{_part(address)}"
    return group(parse_pairs(_get(client, path)))


def fetch_orders(client: UpstreamClient, chain: str, address: str) -> Orders:
    return parse_orders(_get(client, f"/orders/v1/{_part(chain)}/{_part(address)}"))


def _part(word: str) -> str:
    """A word as one segment of a path: addresses of some chains hold slashes."""
    return quote(word, safe="")


def parse_orders(response: Any) -> Orders:
    """Orders of a response: an object with orders and boosts, or, as documented, a list of orders."""
    if isinstance(response, list):
        response = {"orders": response}
    if not isinstance(response, Mapping):
        raise BrokenResponse(UPSTREAM, "orders is neither an object nor a list")
    orders, boosts = _rows(response.get("orders")), _rows(response.get("boosts"))
    paid = [_instant(row.get("paymentTimestamp")) for row in [*orders, *boosts]]
    return Orders(len(orders), len(boosts), min((at for at in paid if at), default=None))


def parse_feed(rows: Any, feed: str) -> Iterator[Candidate]:
    """Candidates of a feed: a list of rows, or, as documented, one row; broken rows are passed over."""
    if isinstance(rows, Mapping) and "tokenAddress" in rows:
        rows = [rows]
    if not isinstance(rows, list):
        raise BrokenResponse(UPSTREAM, f"feed {feed} is not a list")
    for row in _rows(rows):
        chain, address = text(row.get("chainId"), 32), text(row.get("tokenAddress"), 128)
        if chain and address and is_name(chain) and is_name(address):
            boosts = _count(row.get("amount")), _count(row.get("totalAmount"))
            yield Candidate(chain.lower(), address, feed, _links(row.get("links")), *boosts)


def parse_pairs(response: Any) -> list[Pair]:
    """Pairs of a response in any of its three shapes; broken rows are passed over."""
    if isinstance(response, Mapping) and "pairs" not in response:
        raise BrokenResponse(UPSTREAM, "an object without pairs")
    rows = response["pairs"] if isinstance(response, Mapping) else response
    if rows is None and response is not None:
        return []
    if not isinstance(rows, list):
        raise BrokenResponse(UPSTREAM, "pairs is not a list")
    return [pair for row in rows if (pair := _pair(row)) is not None]


def group(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    """Pairs by normalised address of their base; a pool that is named twice is one."""
    found: dict[str, dict[tuple[str, str], Pair]] = {}
    for pair in pairs:
        found.setdefault(normalise(pair.token), {})[pair.chain, pair.pool] = pair
    return {token: list(pools.values()) for token, pools in found.items()}


def _pair(row: Any) -> Pair | None:
    if not isinstance(row, Mapping):
        return None
    base = _mapping(row.get("baseToken"))
    chain, pool = text(row.get("chainId"), 32), text(row.get("pairAddress"), 128)
    token = text(base.get("address"), 128)
    if not (chain and pool and token):
        return None
    trades = _mapping(_mapping(row.get("txns")).get("h24"))
    return Pair(
        chain=chain.lower(),
        pool=pool,
        dex=text(row.get("dexId"), 64),
        token=token,
        symbol=text(base.get("symbol"), 64),
        name=text(base.get("name"), 256),
        # 0 is no price.
        price_usd=number(row.get("priceUsd")) or None,
        liquidity_usd=number(_mapping(row.get("liquidity")).get("usd")),
        volume_h24=number(_mapping(row.get("volume")).get("h24")),
        price_change_h24=number(_mapping(row.get("priceChange")).get("h24"), signed=True),
        market_cap=number(row.get("marketCap")),
        created_at=_instant(row.get("pairCreatedAt")),
        url=text(row.get("url"), 500),
        buys_h24=_count(trades.get("buys")),
        sells_h24=_count(trades.get("sells")),
    )


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _links(value: Any) -> list[dict[str, str]]:
    found = []
    for row in _rows(value)[:MAX_LINKS]:
        words = {name: text(row.get(name), 500) for name in ("type", "label", "url")}
        if words["url"]:
            found.append({name: word for name, word in words.items() if word})
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and found < 2**31 else None


def _instant(value: Any) -> datetime | None:
    found = number(value)
    if found is None or not 0 < found < Decimal(4_102_444_800_000):
        return None
    return datetime.fromtimestamp(float(found) / 1000, UTC)
