"""DexScreener (api.dexscreener.com, no key): feeds and pairs; fetch here, parse pure below.

Limits by its documentation: 60 calls a minute for feeds, 300 for pairs.  Traps (recorded answers):
``/tokens/v1`` cuts its answer to 30 rows without saying so, a token may be the quote side of a pair,
keys may be missing or null, names reach 34,000 characters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from tasks.discovery.addresses import is_name, normalise
from tasks.discovery.pairs import Pair
from tasks.discovery.values import number, text
from workers.errors import BrokenAnswer
from workers.upstreams import UpstreamClient

UPSTREAM = "dexscreener"
FEEDS = {
    "boosts_top": "/token-boosts/top/v1",
    "boosts_latest": "/token-boosts/latest/v1",
    "profiles": "/token-profiles/latest/v1",
    "takeovers": "/community-takeovers/latest/v1",
}
#: Rows after which an answer is cut: which tokens it cut nobody knows.
MOST_ROWS = 30
#: Tokens asked for together.  Thirty are taken, but each has a pool or two: the answer would be cut.
MOST_ADDRESSES = 15
LONGEST_SYMBOL = 64
LONGEST_NAME = 256
MOST_LINKS = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that a feed named."""

    chain: str
    address: str
    feed: str
    #: Pages that its makers name: type and label may be missing, the address not.
    links: list[dict[str, str]] = field(default_factory=list)
    #: Boosts of the newest purchase, and of all that are active; None where the feed names none.
    boost_amount: int | None = None
    boost_total: int | None = None

    @property
    def key(self) -> str:
        """Chain and normalised address: one token, one key."""
        return f"{self.chain}:{normalise(self.address)}"


@dataclass(frozen=True, slots=True)
class Orders:
    """What was paid for a token."""

    orders: int = 0
    boosts: int = 0
    #: When something was first paid.
    paid_at: datetime | None = None


def fetch_feed(client: UpstreamClient, feed: str) -> list[Candidate]:
    """The tokens that ``feed`` (a key of FEEDS) names now."""
    return list(parse_feed(client.get(UPSTREAM, FEEDS[feed]).json(), feed))


def fetch_pairs(
    client: UpstreamClient, chain: str, addresses: Sequence[str]
) -> dict[str, list[Pair]] | None:
    """Every pair by normalised address of its base; None when the answer was cut: ask for fewer."""
    listed = ",".join(_part(address) for address in addresses)
    rows = client.get(UPSTREAM, f"/tokens/v1/{_part(chain)}/{listed}").json()
    is_cut = isinstance(rows, list) and len(rows) >= MOST_ROWS
    return None if is_cut else group(parse_pairs(rows))


def fetch_pools(client: UpstreamClient, chain: str, address: str) -> dict[str, list[Pair]]:
    """Every pair of one token, by normalised address of its base; never cut."""
    return group(
        parse_pairs(client.get(UPSTREAM, f"/token-pairs/v1/{_part(chain)}/{_part(address)}").json())
    )


def fetch_orders(client: UpstreamClient, chain: str, address: str) -> Orders:
    """What was paid for a token."""
    return parse_orders(client.get(UPSTREAM, f"/orders/v1/{_part(chain)}/{_part(address)}").json())


def _part(word: str) -> str:
    """A word as one part of a path: addresses of some chains hold slashes and colons."""
    return quote(word, safe="")


def parse_orders(answer: Any) -> Orders:
    """Both shapes: the object that is sent (orders and boosts), and the documented list of orders."""
    if isinstance(answer, list):
        answer = {"orders": answer}
    if not isinstance(answer, Mapping):
        raise BrokenAnswer(UPSTREAM, "orders are neither an object nor a list")
    orders, boosts = _rows(answer.get("orders")), _rows(answer.get("boosts"))
    paid = [_instant(row.get("paymentTimestamp")) for row in [*orders, *boosts]]
    return Orders(len(orders), len(boosts), min((at for at in paid if at), default=None))


def parse_feed(rows: Any, feed: str) -> Iterator[Candidate]:
    """Candidates of a feed's answer: a list, or one row as documented; others are passed over."""
    if isinstance(rows, Mapping) and "tokenAddress" in rows:
        rows = [rows]
    if not isinstance(rows, list):
        raise BrokenAnswer(UPSTREAM, f"feed {feed} is no list")
    for row in _rows(rows):
        chain, address = text(row.get("chainId"), 32), text(row.get("tokenAddress"), 128)
        if chain and address and is_name(chain) and is_name(address):
            boosts = _count(row.get("amount")), _count(row.get("totalAmount"))
            yield Candidate(chain.lower(), address, feed, _links(row.get("links")), *boosts)


def parse_pairs(answer: Any) -> list[Pair]:
    """Pairs of an answer in any of the three shapes; a row that is none is passed over."""
    if isinstance(answer, Mapping) and "pairs" not in answer:
        raise BrokenAnswer(UPSTREAM, "an object without pairs")
    rows = answer["pairs"] if isinstance(answer, Mapping) else answer
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise BrokenAnswer(UPSTREAM, "pairs are no list")
    return [pair for row in rows if (pair := _pair(row)) is not None]


def group(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    """Pairs by the normalised address of their base token."""
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(normalise(pair.token), []).append(pair)
    return found


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
        symbol=text(base.get("symbol"), LONGEST_SYMBOL),
        name=text(base.get("name"), LONGEST_NAME),
        quote_token=text(_mapping(row.get("quoteToken")).get("address"), 128),
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
    for row in _rows(value)[:MOST_LINKS]:
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
    """Milliseconds since 1970 as an instant; what is no sensible time is None."""
    found = number(value)
    if found is None or not 0 < found < Decimal(4_102_444_800_000) or math.isnan(float(found)):
        return None
    return datetime.fromtimestamp(float(found) / 1000, UTC)
