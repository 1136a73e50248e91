"""GeckoTerminal (api.geckoterminal.com/api/v2, no key): trades of a pool; fetch here, parse pure below.

30 calls a minute an address by its documentation.  It gives the newest 300 trades of the last 24 hours,
without paging: exactly 300 rows mean that older ones are cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tasks.discovery.addresses import normalise
from tasks.discovery.early import Trade
from tasks.discovery.values import number, text
from workers.errors import BrokenAnswer
from workers.upstream import Door

UPSTREAM = "geckoterminal"
VERSION = {"Accept": "application/json;version=20230302"}
#: Names of chains where they differ from DexScreener's.
NETWORKS = {"ethereum": "eth", "polygon": "polygon_pos", "avalanche": "avax"}
MOST_TRADES = 300


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades of a token in one pool; ``is_cut`` when older ones are not given."""

    rows: list[Trade]
    is_cut: bool


def fetch_trades(door: Door, chain: str, pool: str, token: str) -> Trades:
    """The newest trades of a pool."""
    network = NETWORKS.get(chain, chain)
    answer = door.get(UPSTREAM, f"/api/v2/networks/{network}/pools/{pool}/trades", headers=VERSION)
    return parse_trades(answer.json(), token)


def parse_trades(answer: Any, token: str) -> Trades:
    """Trades seen from ``token``; rows of other tokens, or without sense, are passed over."""
    rows = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list):
        raise BrokenAnswer(UPSTREAM, "trades are no list")
    found = [_trade(row, normalise(token)) for row in rows]
    return Trades([trade for trade in found if trade is not None], len(rows) >= MOST_TRADES)


def _trade(row: Any, token: str) -> Trade | None:
    given = row.get("attributes") if isinstance(row, Mapping) else None
    if not isinstance(given, Mapping) or given.get("kind") not in {"buy", "sell"}:
        return None
    is_buy = given["kind"] == "buy"
    side = "to" if is_buy else "from"
    wallet, at = text(given.get("tx_from_address"), 128), _instant(given.get("block_timestamp"))
    amount, usd = number(given.get(f"{side}_token_amount")), number(given.get("volume_in_usd"))
    traded = normalise(text(given.get(f"{side}_token_address"), 128) or "")
    if wallet is None or at is None or amount is None or usd is None or traded != token:
        return None
    return Trade(normalise(wallet), is_buy, Decimal(amount), Decimal(usd), at)


def _instant(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    # Kept clear of the calendar's ends, where arithmetic with a window would fail.
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.astimezone(UTC) if 2000 < at.year < 2200 else None
