"""GeckoTerminal (api.geckoterminal.com/api/v2, no key): trades of a pool; `parse_…` is pure.

30 calls a minute per IP address by its documentation.  It gives the newest 300 trades of the last 24
hours, without paging.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tasks.discovery.early import Trade
from tasks.discovery.token_addresses import normalise
from tasks.discovery.token_values import number, text
from workers.errors import BrokenResponse
from workers.upstreams import CallOptions, UpstreamClient, refuse_challenge

UPSTREAM = "geckoterminal"
VERSION = {"Accept": "application/json;version=20230302"}
#: Its names of chains, where they differ from DexScreener's.
NETWORKS = {
    "ethereum": "eth", "polygon": "polygon_pos", "avalanche": "avax", "sui": "sui-network",
    "cronos": "cro", "fantom": "ftm", "worldchain": "world-chain", "starknet": "starknet-alpha",
}  # fmt: skip
MAX_TRADES = 300
_SIDES = ("from", "to")


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades of a token in one pool, the oldest first; ``is_cut`` when there may be older ones."""

    rows: list[Trade]
    is_cut: bool
    #: Rows of the response, also those that are no trade of the token.
    given: int = 0


def fetch_trades(client: UpstreamClient, chain: str, pool: str, token: str) -> Trades:
    """The newest trades of a pool; NotFound when it does not know the network or the pool."""
    network = NETWORKS.get(chain, chain)
    path = f"/api/v2/networks/{quote(network, safe='')}/pools/{quote(pool, safe='')}/trades"
    options = CallOptions(headers=VERSION, check=refuse_challenge)
    return parse_trades(client.get(UPSTREAM, path, options).json(), token)


def parse_trades(response: Any, token: str) -> Trades:
    """Trades of ``token``; broken rows and those of other tokens are passed over."""
    rows = response.get("data") if isinstance(response, Mapping) else None
    if not isinstance(rows, list):
        raise BrokenResponse(UPSTREAM, "trades is not a list")
    # The newest come first.
    found = [_trade(row, normalise(token)) for row in reversed(rows)]
    known = [trade for trade in found if trade is not None]
    return Trades(known, len(rows) >= MAX_TRADES, len(rows))


def _trade(row: Any, token: str) -> Trade | None:
    given = row.get("attributes") if isinstance(row, Mapping) else None
    if not isinstance(given, Mapping):
        return None
    # `kind` is relative to the pool's base, which may be the other token, so the addresses decide.
    sides = {side: normalise(text(given.get(f"{side}_token_address"), 128) or "") for side in _SIDES}
    if (sides["to"] == token) == (sides["from"] == token):
        return None
    is_buy = sides["to"] == token
    side = "to" if is_buy else "from"
    wallet, at = text(given.get("tx_from_address"), 128), _instant(given.get("block_timestamp"))
    amount, usd = number(given.get(f"{side}_token_amount")), number(given.get("volume_in_usd"))
    if wallet is None or at is None or amount is None or usd is None:
        return None
    return Trade(normalise(wallet), is_buy, amount, usd, at)


def _instant(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    # Near the calendar's ends arithmetic with a window would fail.
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.astimezone(UTC) if 2000 < at.year < 2200 else None
