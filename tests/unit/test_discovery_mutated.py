"""Damaged answers of token sources: each ends as data or as a typed error, never as our traceback."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.discovery import early
from tasks.discovery.discover import DiscoverOptions
from tasks.discovery.pairs import best
from tasks.discovery.sources import dexscreener, geckoterminal
from tasks.discovery.token_filters import rejection
from tests.support.discovery import boost, pair, trade
from tests.support.mutations import COUNT, mutated
from workers.errors import UpstreamError
from workers.upstreams.responses import Response

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LINKS = [{"url": "https://s.example"}, {"type": "twitter", "url": "https://x.example"}]
FEED = [boost("A", links=LINKS), boost("0xABCD", chain="base", description=None)]
PAIRS = [
    pair("A"),
    pair("B", liquidity=None, labels=["v3"]),
    pair("A", pairAddress="p2", priceUsd="0.001"),
]
ORDERS = {
    "orders": [{"paymentTimestamp": 1785004748399}],
    "boosts": [{"amount": 5, "paymentTimestamp": None}],
}
TRADES = {"data": [
    {"attributes": trade("A", wallet, NOW + timedelta(minutes=number), 1.5, 3, sell=number % 2 == 1)}
    for number, wallet in enumerate(("ann", "ann", "bob"))
]}  # fmt: skip


def read_feed(answer: Any) -> None:
    for candidate in dexscreener.parse_feed(answer, "boosts_top"):
        assert len(candidate.key) < 200


def read_pairs(answer: Any) -> None:
    found = dexscreener.group(dexscreener.parse_pairs(answer))
    for token, pairs in found.items():
        rejection(token, best(pairs), DiscoverOptions(), NOW)


def read_orders(answer: Any) -> None:
    assert dexscreener.parse_orders(answer).orders >= 0


def read_trades(answer: Any) -> None:
    found = geckoterminal.parse_trades(answer, "A")
    buyers = early.buyers(found.rows, NOW, timedelta(minutes=30), 0)
    assert 0 <= early.score([one.gain_pct for one in buyers]) <= 100


@pytest.mark.parametrize(
    ("body", "read"),
    [(FEED, read_feed), (PAIRS, read_pairs), (ORDERS, read_orders), (TRADES, read_trades)],
    ids=["feed", "pairs", "orders", "trades"],
)
def test_mutated_answers_end_as_data_or_as_a_typed_error(
    body: Any, read: Callable[[Any], None]
) -> None:
    chance = random.Random(7)
    whole = json.dumps(body).encode()
    read(json.loads(whole))
    read_whole = 0
    for _ in range(COUNT):
        with suppress(UpstreamError):
            read(Response("dexscreener", 200, "", {}, mutated(whole, chance)).json())
            read_whole += 1
    assert read_whole > 0
