"""A discovery and a look at early buyers that die at any call leave the rows of one clean run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.discovery.sources.dexscreener import FEEDS
from tests.support.discovery import boost, pair, trade
from workers.db import driver_transaction
from workers.ledger import rescued
from workers.upstreams.client import UpstreamClient

DISCOVER, PROFILE = "tasks.discovery.discover", "tasks.discovery.profile"
#: What differs from run to run: keys and times.
NAMES = (
    "id", "token_id", "wallet_id", "run_id", "first_run_id", "profile_run_id", "first_seen_at", "last_seen_at",
    "last_checked_at", "checked_at", "taken_at", "asked_at", "profiled_at", "due_at",
)  # fmt: skip
OTHERS = f"array{list(NAMES)}"
TABLES = ("token_pool", "token_snapshot", "token_sighting", "token_profile")
ROWS = (
    f"select to_jsonb(t) - {OTHERS} as row from token t order by chain, address_key",
    *(
        f"select t.address, to_jsonb(x) - {OTHERS} as row from {table} x join token t on t.id = x.token_id order by 1, 2"
        for table in TABLES
    ),
    f"select to_jsonb(w) - {OTHERS} as row from wallet w order by chain, address",
    f"select t.address, w.address as wallet, to_jsonb(x) - {OTHERS} as row from wallet_token x, token t, wallet w where t.id = x.token_id and w.id = x.wallet_id order by 1, 2",
    # What a run counts is what it did, not what it did twice.
    "select task, state, total, done, failed, result from run order by created_at",
)


class Death(BaseException):
    """Ends the process as far as the code under test can tell."""


@pytest.fixture
def world(discovery: Any) -> Any:
    """Tokens of two chains: cut answers, halves, one that is refused, one that was never paid for."""
    start = datetime.now(UTC) - timedelta(hours=2)
    made = int(start.timestamp() * 1000)
    for address, number in (("A", 20), ("B", 15), ("C", 1), ("0xD", 1)):
        chain = "base" if address == "0xD" else "solana"
        discovery.server.pairs[address] = [
            pair(
                address,
                chain,
                pairAddress=f"{address}-{n}",
                pairCreatedAt=made,
                liquidity={"usd": 20_000 + n},
            )
            for n in range(number)
        ]
        main = f"{address}-{number - 1}"
        discovery.gecko.trades[main] = [
            trade(address, f"ann of {chain}", start + timedelta(minutes=1), 1, 1),
            trade(address, "dan", start + timedelta(minutes=90), 1, 2),
        ]
    discovery.server.feeds["boosts_top"] = [boost("A"), boost("B"), boost("0xD", "base")]
    discovery.server.feeds["profiles"] = [boost("C"), boost("B"), boost("BROKEN", "base")]
    discovery.server.orders["A"] = {"orders": [{"paymentTimestamp": 1785004748399}], "boosts": []}
    discovery.gecko.trades["B-14"] = None
    whole = discovery.server.reply

    def reply(path: str, headers: Any) -> Any:
        found = whole(path, headers)
        return (501, {}, "") if "BROKEN" in path else found

    discovery.server.reply = reply
    return discovery


def work(world: Any) -> None:
    """Both runs, taken back by another worker each time one dies."""
    options = {"chains": [], "look_at_orders": True, "max_tokens": 3}
    for task, given in ((DISCOVER, options), (PROFILE, {})):
        try:
            world.run(task, **given)
        except Death:
            with driver_transaction() as connection:
                ((run_id, _, state),) = rescued.rescue(
                    connection, datetime.now(UTC) + timedelta(hours=1), 10
                )
            assert state == "waiting"
            world.go_on(task, run_id)


def stored(world: Any) -> list[Any]:
    return [world.all(query) for query in ROWS]


@pytest.mark.parametrize("when", ["before the answer", "after the answer"])
def test_runs_killed_at_any_call_end_as_clean_ones(
    world: Any, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    work(world)
    clean, calls = stored(world), len(world.server.paths) + len(world.gecko.paths)
    assert calls > 15
    assert clean[-1][0]["state"] == "partial"
    real = UpstreamClient.get
    for fatal in range(calls):
        world.sql.execute("truncate token, wallet, run cascade")
        before = len(world.server.paths) + len(world.gecko.paths)
        number = iter(range(1000))

        def dies(*asked: Any, fatal: int = fatal, number: Any = number, **how: Any) -> Any:
            deadly = next(number) == fatal
            if deadly and when == "before the answer":
                raise Death
            try:
                return real(*asked, **how)
            finally:
                if deadly:
                    raise Death

        monkeypatch.setattr(UpstreamClient, "get", dies)
        work(world)
        monkeypatch.setattr(UpstreamClient, "get", real)
        assert stored(world) == clean, fatal
        # Only what was on the way is paid for twice; a plan that is not stored yet begins anew.
        paid = len(world.server.paths) + len(world.gecko.paths) - before
        assert paid - calls <= (when == "after the answer") + (fatal if fatal < len(FEEDS) else 0)
