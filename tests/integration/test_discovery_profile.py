"""Profiling: early buyers of chosen tokens, counted for the discovery that chose them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.discovery import boost, pair, trade

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

    assert run["result"]["summary"] == "2 tokens analysed, 1 new wallet, 1 updated"
    (wallet,) = two_tokens.all("select * from wallet")
    assert (wallet["address"], wallet["early_tokens"], wallet["score"]) == ("ann", 2, 75)
    assert [row["gain_pct"] for row in two_tokens.all("select gain_pct from wallet_token")] == [
        100,
        100,
    ]
    totals = found(two_tokens)
    names = ("tokens_analysed", "profiled_wallets", "new_wallets", "updated_wallets", "out_of_reach")
    assert [totals[name] for name in names] == [2, 2, 1, 1, 0]


@pytest.mark.outside(19)
def test_early_buyers_are_looked_for_in_the_oldest_pool_also_when_the_token_moved(
    discovery: Any,
) -> None:
    start = made(2)
    discovery.feed("A")
    discovery.server.pairs["A"] = [
        pair("A", pairAddress="swap", age_hours=1, liquidity={"usd": 90_000}),
        pair("A", pairAddress="curve", pairCreatedAt=int(start.timestamp() * 1000)),
    ]
    for name, wallet in (("curve", "ann"), ("swap", "ben")):
        discovery.gecko.trades[name] = [
            trade("A", wallet, start + timedelta(minutes=5), 10, 10),
            trade("A", "dan", start + timedelta(minutes=100), 1, 2),
        ]
    discovery.run()

    discovery.run(PROFILE)

    assert [row["address"] for row in discovery.all("select address from wallet")] == ["ann"]
    assert [path.split("/")[-2] for path in discovery.gecko.paths] == ["curve"]


def test_window_and_gain_are_those_of_the_discovery(two_tokens: Any) -> None:
    two_tokens.run(early_window_minutes=60, min_profit_pct=0)

    two_tokens.run(PROFILE)

    rows = two_tokens.all("select address from wallet order by 1")
    assert [row["address"] for row in rows] == ["ann", "cy"]


def test_a_token_that_several_runs_asked_for_costs_one_call_and_answers_each(two_tokens: Any) -> None:
    two_tokens.run()
    two_tokens.run(early_window_minutes=60)
    two_tokens.run()

    run = two_tokens.run(PROFILE, max_tokens=2)

    # "cy" came after 31 minutes.
    assert run["result"]["summary"] == "2 tokens analysed, 2 new wallets, 2 updated"
    assert len(two_tokens.gecko.paths) == 2
    rows = two_tokens.all(
        "select early_window_minutes as minutes, profiled_wallets as wallets, count(profiled_at) as n"
        " from token_profile group by 1, 2 order by 1"
    )
    assert [(row["minutes"], row["wallets"], row["n"]) for row in rows] == [(30, 1, 4), (60, 2, 2)]


def test_a_discovery_that_does_not_ask_leaves_nothing_to_profile(two_tokens: Any) -> None:
    two_tokens.run(profile_immediately=False)

    run = two_tokens.run(PROFILE)

    assert run["result"]["summary"] == "0 tokens analysed, 0 new wallets, 0 updated"
    assert two_tokens.gecko.paths == []


def test_profiling_again_changes_nothing_and_asks_for_nothing(two_tokens: Any) -> None:
    two_tokens.run()
    two_tokens.run(PROFILE)
    before = two_tokens.all("select address, score, early_tokens from wallet")
    two_tokens.gecko.paths.clear()

    two_tokens.run(PROFILE)

    assert two_tokens.gecko.paths == []
    assert two_tokens.all("select address, score, early_tokens from wallet") == before


WALLETS = (
    "select w.address, w.score, w.early_tokens, to_jsonb(e) - 'wallet_id' as early"
    " from wallet w left join wallet_token e on e.wallet_id = w.id order by 1, e.token_id"
)


def opened(discovery: Any, token: str, pool: str, hours: float, **more: Any) -> datetime:
    """The only pool of a token, made so many hours ago."""
    start = made(hours)
    made_at = int(start.timestamp() * 1000)
    discovery.server.pairs[token] = [pair(token, pairAddress=pool, pairCreatedAt=made_at, **more)]
    return start


def profiled(discovery: Any, **options: Any) -> dict[str, Any]:
    """A discovery and the look at early buyers that it asks for; the profiling run."""
    discovery.run(**options)
    return discovery.run(PROFILE)  # type: ignore[no-any-return]


def test_early_buyers_stay_when_their_trades_have_come_out_of_reach(two_tokens: Any) -> None:
    profiled(two_tokens)
    before = two_tokens.all(WALLETS)
    for name in "AB":
        opened(two_tokens, name, f"pool{name}", 25)

    run = profiled(two_tokens)

    assert run["result"]["summary"].endswith(", 2 tokens out of reach")
    assert len(before) == 2
    assert two_tokens.all(WALLETS) == before


def test_early_buyers_stay_when_an_answer_has_no_trade_at_all(two_tokens: Any) -> None:
    profiled(two_tokens)
    before = two_tokens.all(WALLETS)
    two_tokens.gecko.trades = {}

    run = profiled(two_tokens)

    assert run["result"]["summary"] == "2 tokens analysed, 0 new wallets, 0 updated"
    assert len(before) == 2
    assert two_tokens.all(WALLETS) == before


@pytest.mark.parametrize(("chain", "network"), [("sui", "sui-network"), ("cronos", "cro")])
def test_a_chain_is_asked_for_by_the_name_that_geckoterminal_has_for_it(
    discovery: Any, chain: str, network: str
) -> None:
    discovery.feed("0xT", chain=chain)

    discovery.run(chains=[chain])
    discovery.run(PROFILE)

    assert [path.split("/")[4] for path in discovery.gecko.paths] == [network]


def test_the_same_trades_again_change_nothing_not_even_which_run_found_them(two_tokens: Any) -> None:
    profiled(two_tokens)
    before = two_tokens.all(WALLETS)

    profiled(two_tokens)

    assert two_tokens.all(WALLETS) == before


def test_a_part_of_the_window_adds_buyers_and_replaces_none(two_tokens: Any) -> None:
    profiled(two_tokens)
    before = two_tokens.all(WALLETS)
    start = datetime.fromisoformat(two_tokens.gecko.trades["poolA"][0]["block_timestamp"])
    start -= timedelta(minutes=5)
    two_tokens.gecko.trades["poolA"] = [
        trade("A", "eve", start + timedelta(minutes=15), 10, 10),
        trade("A", "ann", start + timedelta(minutes=16), 10, 1),
        *[trade("A", f"w{number}", start + timedelta(minutes=40), 1, 3) for number in range(298)],
    ]

    profiled(two_tokens)

    notes = two_tokens.all("select note from token_profile where note is not null")
    assert [note["note"].partition(":")[0] for note in notes] == [
        "a part of the early trades is out of reach"
    ]
    after = two_tokens.all(WALLETS)
    assert [row for row in after if row["address"] == "ann"] == before
    assert [row["address"] for row in after if row not in before] == ["eve"]


def test_a_wallet_that_the_whole_window_shows_to_have_lost_is_early_no_more(two_tokens: Any) -> None:
    profiled(two_tokens)
    two_tokens.gecko.trades["poolA"].append(trade("A", "late", made(0.1), 1, 0.5))

    profiled(two_tokens)

    (wallet,) = two_tokens.all("select address, score, early_tokens from wallet")
    assert tuple(wallet.values()) == ("ann", 50, 1)


def test_whoever_bought_first_in_a_newer_pool_was_not_early(two_tokens: Any) -> None:
    profiled(two_tokens)
    start = opened(two_tokens, "A", "newer", 1)
    two_tokens.gecko.trades["newer"] = [
        trade("A", "ann", start + timedelta(minutes=1), 10, 10),
        trade("A", "eve", start + timedelta(minutes=2), 10, 10),
        trade("A", "dan", start + timedelta(minutes=40), 1, 4),
    ]

    profiled(two_tokens)

    rows = two_tokens.all(
        "select w.address, e.pool from wallet_token e join wallet w on w.id = e.wallet_id order by 1, 2"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("ann", "poolA"),
        ("ann", "poolB"),
    ]
    assert not any("newer" in path for path in two_tokens.gecko.paths)


def test_an_older_pool_that_comes_to_light_before_the_look_is_the_one_looked_at(
    two_tokens: Any,
) -> None:
    two_tokens.run()
    start = opened(two_tokens, "A", "older", 3)
    two_tokens.gecko.trades["older"] = [
        trade("A", "eve", start + timedelta(minutes=2), 10, 10),
        trade("A", "dan", start + timedelta(minutes=40), 1, 4),
    ]
    two_tokens.run(profile_immediately=False)

    two_tokens.run(PROFILE)

    rows = two_tokens.all(
        "select w.address, e.pool from wallet_token e join wallet w on w.id = e.wallet_id order by 1"
    )
    assert [tuple(row.values()) for row in rows] == [("ann", "poolB"), ("eve", "older")]


def test_a_pool_that_is_not_listed_is_out_of_reach_and_not_asked_for_again(two_tokens: Any) -> None:
    two_tokens.gecko.trades["poolA"] = None

    run = profiled(two_tokens)

    assert (run["state"], run["done"]) == ("succeeded", 2)
    assert run["result"]["summary"].endswith(", 1 token out of reach")
    notes = two_tokens.all("select note from token_profile where note is not null")
    assert notes == [{"note": "GeckoTerminal does not know the chain or the pool"}]
    two_tokens.gecko.paths.clear()
    two_tokens.run(PROFILE)
    assert two_tokens.gecko.paths == []


def test_a_token_whose_trades_cannot_be_had_lets_others_go_first_next_time(two_tokens: Any) -> None:
    rows = two_tokens.gecko.trades["poolA"]
    two_tokens.gecko.trades["poolA"] = "<html>later</html>"

    run = two_tokens.run(max_tokens=2) and two_tokens.run(PROFILE, max_tokens=1)
    assert (run["state"], run["failed"]) == ("failed", 1)
    assert run["error"].startswith("solana:A: ")
    run = two_tokens.run(PROFILE, max_tokens=1)
    assert (run["state"], run["result"]["counts"]["analysed"]) == ("succeeded", 1)
    two_tokens.gecko.trades["poolA"] = rows
    two_tokens.run(PROFILE, max_tokens=1)

    assert two_tokens.one("select count(profiled_at) as n from token_profile")["n"] == 2


def test_a_challenge_in_place_of_trades_blocks_their_server(two_tokens: Any) -> None:
    two_tokens.gecko.trades = dict.fromkeys(("poolA", "poolB"), "<title>Just a moment...</title>")

    run = profiled(two_tokens)

    assert (run["state"], run["error"]) == ("failed", "geckoterminal: shows a challenge page")
    assert len(two_tokens.gecko.paths) == 1


@pytest.mark.parametrize("count", [3, 300])
def test_trades_of_which_none_is_the_token_s_tell_nothing_and_say_so(
    discovery: Any, count: int
) -> None:
    start = opened(discovery, "T", "pool", 2)
    discovery.server.feeds["boosts_top"] = [boost("T")]
    discovery.gecko.trades["pool"] = [trade("OTHER", "ann", start, 1, 1) for _ in range(count)]

    run = profiled(discovery)

    assert run["result"]["summary"].endswith(", 1 token out of reach")
    note = discovery.one("select note from token_profile")["note"]
    assert note == f"none of {count} trades is one of the token"


def test_what_was_bought_is_told_by_the_addresses_and_not_by_the_kind(two_tokens: Any) -> None:
    for rows in two_tokens.gecko.trades.values():
        for row in rows:
            row["kind"] = {"buy": "sell", "sell": "buy"}[row["kind"]]

    profiled(two_tokens)

    assert [row["address"] for row in two_tokens.all("select address from wallet")] == ["ann"]


@pytest.fixture
def ended(connection: Any) -> Any:
    """A run ends that has asked for the early buyers of a token; the requests that this makes."""
    connection.execute(
        "insert into schedule (name, task, every) values ('discovery', 'tasks.discovery.discover', '6 hours'),"
        " ('surveillance', 'tasks.discovery.surveil', '4 hours')"
    )
    connection.execute(
        "insert into schedule (name, task, after) values ('profile', 'tasks.discovery.profile', 'discovery')"
    )
    connection.execute(
        "insert into token (chain, address_key, address) values ('solana', 'A', 'A') on conflict do nothing"
    )

    def end(task: str, schedule: str | None, state: str, *, asked: bool = True) -> list[Any]:
        run = connection.execute(
            "insert into run (id, schedule, task, trigger, due_at, state, queue) values (gen_random_uuid(), %s, %s,"
            " 'schedule', now(), 'running', 'discovery') returning id",
            (schedule, task),
        ).fetchone()["id"]
        if asked:
            connection.execute(
                "insert into token_profile (run_id, token_id, early_window_minutes, min_profit_pct)"
                " select %s, id, 30, 50 from token",
                (run,),
            )
        connection.execute("update run set state = %s, finished_at = now() where id = %s", (state, run))
        rows = connection.execute("select action, schedule, note from run_request").fetchall()
        return [tuple(row.values()) for row in rows]

    end.sql = connection  # type: ignore[attr-defined]
    return end


@pytest.mark.parametrize(
    ("task", "schedule", "state"),
    [
        ("tasks.discovery.discover", "discovery", "partial"),
        ("tasks.discovery.discover", "discovery", "stopped"),
        ("tasks.discovery.discover", None, "succeeded"),
        ("tasks.discovery.surveil", "surveillance", "succeeded"),
    ],
)
def test_a_run_that_chose_tokens_has_them_profiled_however_it_ends(
    ended: Any, task: str, schedule: str | None, state: str
) -> None:
    ((action, name, note),) = ended(task, schedule, state)

    assert (action, name) == ("run", "profile")
    assert note.startswith(f"early buyers of tokens chosen by {schedule or 'run '}")


def test_what_follows_a_discovery_by_itself_is_not_asked_for_as_well(ended: Any) -> None:
    assert ended("tasks.discovery.discover", "discovery", "succeeded") == []


def test_nothing_is_profiled_that_nobody_asked_for_or_that_is_switched_off(ended: Any) -> None:
    assert ended("tasks.discovery.surveil", "surveillance", "succeeded", asked=False) == []
    assert ended("tasks.prices.refresh", None, "succeeded") == []
    ended.sql.execute("update schedule set enabled = false where name = 'profile'")
    assert ended("tasks.discovery.surveil", "surveillance", "succeeded") == []
    ended.sql.execute(
        "update schedule set enabled = true, paused_until = 'infinity' where name = 'profile'"
    )
    assert ended("tasks.discovery.surveil", "surveillance", "succeeded") == []


def test_a_token_older_than_a_day_is_out_of_reach_and_costs_no_call(discovery: Any) -> None:
    discovery.feed("OLD", age_hours=30)
    discovery.run()

    run = discovery.run(PROFILE)

    assert discovery.gecko.paths == []
    assert run["result"]["summary"].endswith(", 1 token out of reach")
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
    # One that is asked for while another runs waits for it: it may have more to look at.
    assert row["overlap"] == "buffer_one"
