"""Profiling: early buyers of chosen tokens, counted for the discovery that chose them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fix_discovery import boost, pair, trade

PROFILE = "tasks.discovery.profile"


def made(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def found(discovery: Any) -> dict[str, Any]:
    return discovery.one("select * from discovery_runs where state = 'succeeded'")  # type: ignore[no-any-return]


@pytest.fixture
def two_tokens(discovery: Any) -> Any:
    """A and B, two hours old; "ann" doubled her money in both, "bob" lost in A, "cy" came late."""
    start = made(2)
    for name in "AB":
        discovery.server.pairs[name] = [
            pair(name, pairAddress=f"pool{name}", pairCreatedAt=int(start.timestamp() * 1000))
        ]
        discovery.gecko.trades[f"pool{name}"] = [
            trade(name, "ann", start + timedelta(minutes=5), 10, 10),
            trade(name, "cy", start + timedelta(minutes=31), 10, 10),
            trade(name, "dan", start + timedelta(minutes=100), 1, 2),
        ]
    discovery.gecko.trades["poolA"].append(trade("A", "bob", start + timedelta(minutes=6), 10, 40))
    discovery.server.feeds["boosts_top"] = [boost("A"), boost("B")]
    return discovery


def test_early_buyers_with_the_gain_asked_for_become_wallets_with_a_score(two_tokens: Any) -> None:
    two_tokens.run()

    run = two_tokens.run(PROFILE)

    assert run["result"]["summary"] == "2 tokens analysed, 1 wallets new, 1 updated"
    (wallet,) = two_tokens.all("select * from wallet")
    assert (wallet["address"], wallet["early_tokens"], wallet["score"]) == ("ann", 2, 75)
    assert [row["gain_pct"] for row in two_tokens.all("select gain_pct from wallet_token")] == [
        100,
        100,
    ]
    totals = found(two_tokens)
    names = ("tokens_analysed", "profiled_wallets", "new_wallets", "updated_wallets", "out_of_reach")
    assert [totals[name] for name in names] == [2, 2, 1, 1, 0]


def test_window_and_gain_are_those_of_the_discovery(two_tokens: Any) -> None:
    two_tokens.run(early_window_minutes=60, min_profit_pct=0)

    two_tokens.run(PROFILE)

    rows = two_tokens.all("select address from wallet order by 1")
    assert [row["address"] for row in rows] == ["ann", "cy"]


def test_a_discovery_that_does_not_ask_leaves_nothing_to_profile(two_tokens: Any) -> None:
    two_tokens.run(profile_immediately=False)

    run = two_tokens.run(PROFILE)

    assert run["result"]["summary"] == "0 tokens analysed, 0 wallets new, 0 updated"
    assert two_tokens.gecko.paths == []


def test_profiling_again_changes_nothing_and_asks_for_nothing(two_tokens: Any) -> None:
    two_tokens.run()
    two_tokens.run(PROFILE)
    before = two_tokens.all("select address, score, early_tokens from wallet")
    two_tokens.gecko.paths.clear()

    two_tokens.run(PROFILE)

    assert two_tokens.gecko.paths == []
    assert two_tokens.all("select address, score, early_tokens from wallet") == before


def test_a_token_older_than_a_day_is_out_of_reach_and_costs_no_call(discovery: Any) -> None:
    discovery.feed("OLD", age_hours=30)
    discovery.run()

    run = discovery.run(PROFILE)

    assert discovery.gecko.paths == []
    assert run["result"]["summary"].endswith(", 1 tokens out of reach")
    note = discovery.one("select note from token_profile")["note"]
    assert note.startswith("early trades are out of reach: none before ")


def test_300_trades_that_do_not_go_back_to_the_beginning_are_said_to_be_cut(discovery: Any) -> None:
    start = made(2)
    discovery.feed("BUSY", pairAddress="busy", pairCreatedAt=int(start.timestamp() * 1000))
    late = start + timedelta(minutes=40)
    discovery.gecko.trades["busy"] = [
        trade("BUSY", f"w{number}", late + timedelta(seconds=number), 1, 1) for number in range(300)
    ]
    discovery.run()

    discovery.run(PROFILE)

    assert found(discovery)["out_of_reach"] == 1
    assert discovery.all("select from wallet") == []


def test_the_shipped_schedule_profiles_after_each_discovery(shipped_schedules: Any) -> None:
    (row,) = [row for row in shipped_schedules if row["name"] == "profile"]

    assert (row["task"], row["after"], row["enabled"]) == (PROFILE, "discovery", True)
