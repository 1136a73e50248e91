"""Whatever answers hold, what is read of them can be stored: extremes and damaged copies, into real tables."""

from __future__ import annotations

import json
import random
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.discovery import early, profile, token_store
from tasks.discovery.discover import DiscoverOptions
from tasks.discovery.early import Reach
from tasks.discovery.sources import dexscreener, geckoterminal
from tests.support.discovery import boost, pair, trade
from tests.support.mutations import COUNT, mutated
from workers.db import transaction
from workers.errors import UpstreamError
from workers.execution import Item
from workers.upstreams.responses import Response

EXTREMES = (
    "1e9999999", "-1e9999999", "1e-20000", "9" * 400, "0." + "1" * 17_000, "0." + "1" * 79, "1e30", "1e-40", "0e-20000",
    "-0", "NaN", "Infinity", 2**63, -(2**63), 1e308, 5e-324, "1\x00", "\ud800", "", [], {}, True, None,
)  # fmt: skip
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def extreme_pairs(address: str, value: Any) -> list[dict[str, Any]]:
    """Pairs that have the value in every place, and in each place alone."""
    places: dict[str, Any] = {
        "priceUsd": value, "liquidity": {"usd": value}, "volume": {"h24": value}, "priceChange": {"h24": value},
        "marketCap": value, "pairCreatedAt": value, "txns": {"h24": {"buys": value, "sells": value}}, "dexId": value,
        "url": value, "quoteToken": {"address": value},
    }  # fmt: skip
    alone = [
        pair(address, pairAddress=f"{address}-{place}", **{place: content})
        for place, content in places.items()
    ]
    base = {"address": address, "name": value, "symbol": value}
    return [*alone, pair(address, pairAddress=f"{address}-all", **places, baseToken=base)]


@pytest.mark.parametrize(
    "options", [{}, {"min_volume_usd": 0, "min_liquidity_usd": 0, "min_price_change_pct": 0}]
)
def test_extreme_values_are_stored_or_left_out(discovery: Any, options: dict[str, Any]) -> None:
    names = [f"T{number:02d}" for number in range(len(EXTREMES))]
    discovery.server.feeds["boosts_top"] = [boost(name) for name in names]
    for name, value in zip(names, EXTREMES, strict=True):
        discovery.server.pairs[name] = extreme_pairs(name, value)

    run = discovery.run(**options)

    assert (run["state"], run["done"]) == ("succeeded", len(names)), run["error"]
    found = discovery.all(
        "select address, length(rejected_because) as long from token_sighting join token on id = token_id"
    )
    assert {row["address"] for row in found} == set(names)
    assert all((row["long"] or 0) < 200 for row in found)


@pytest.mark.usefixtures("database")
def test_what_is_read_of_damaged_pairs_can_be_stored() -> None:
    chance = random.Random(11)
    whole = json.dumps([pair("A", url="https://d.example"), pair("B", liquidity=None)]).encode()
    items = [
        Item(f"solana:{name}", {"chain": "solana", "address": name, "feeds": ["profiles"]})
        for name in "AB"
    ]
    read = 0
    for _ in range(COUNT // 10):
        with suppress(UpstreamError):
            answer = Response("dexscreener", 200, "", {}, mutated(whole, chance)).json()
            pairs = dexscreener.group(dexscreener.parse_pairs(answer))
            found = [token_store.judge(item, pairs, DiscoverOptions(), NOW) for item in items]
            with transaction() as connection:
                token_store.store(connection, uuid.uuid4(), found, 1, NOW)
            read += 1
    assert read > 0


def test_what_is_read_of_damaged_trades_can_be_stored(discovery: Any) -> None:
    discovery.sql.execute("insert into token (chain, address_key, address) values ('solana', 'A', 'A')")
    token = discovery.one("select id from token")["id"]
    chance = random.Random(12)
    rows = [
        trade("A", wallet, NOW + timedelta(minutes=n), 1.5, 3 + n) for n, wallet in enumerate("abc")
    ]
    whole = json.dumps({"data": [{"attributes": row} for row in rows]}).encode()
    item = Item("x", {"chain": "solana", "token_id": token, "pool": "p"})
    stored = 0
    for _ in range(COUNT // 10):
        with suppress(UpstreamError):
            answer = Response("geckoterminal", 200, "", {}, mutated(whole, chance)).json()
            trades = geckoterminal.parse_trades(answer, "A")
            found = early.buyers(trades.rows, NOW, timedelta(minutes=30), 0)
            with transaction() as connection:
                profile.store(connection, uuid.uuid4(), item, found, Reach(covered=True))
            stored += len(found)
    assert stored > 0
    assert discovery.one("select max(score) as score from wallet")["score"] <= 100
