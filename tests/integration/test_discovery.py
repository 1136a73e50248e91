"""Token discovery against a scripted DexScreener: what is asked, kept, chosen and rejected, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.discovery import boost, pair

SOL = "So11111111111111111111111111111111111111112"


@pytest.mark.parametrize(
    ("changed", "options", "why"),
    [
        ({"volume": {"h24": 49_999}}, {}, "volume of 24 h 49999 USD, wanted 50000 USD or more"),
        ({"liquidity": {"usd": 9_999}}, {}, "liquidity 9999 USD, wanted 10000 USD or more"),
        ({"liquidity": None}, {}, "liquidity unknown, wanted 10000 USD or more"),
        ({"priceChange": {"h24": 99.9}}, {}, "price change of 24 h 99.9 %, wanted 100 % or more"),
        ({"priceChange": {}}, {}, "price change of 24 h unknown, wanted 100 % or more"),
        (
            {"priceChange": {"h24": -50}},
            {"min_price_change_pct": 0},
            "price change of 24 h -50 %, wanted 0 % or more",
        ),
        ({"age_hours": 73}, {}, "73.0 h old, wanted 72 h or less"),
        ({"age_hours": None}, {}, "age unknown, wanted 72 h or less"),
        ({}, {"exclude": ["ODD"]}, "on the exclude list"),
        ({}, {"exclude": ["sodd"]}, "on the exclude list"),
        ({}, {"include": ["GOOD"]}, "not on the include list"),
        ({}, {"max_tokens": 1}, "2. of those that passed by volume, max_tokens is 1"),
    ],
)
def test_each_filter_rejects_by_itself_and_says_why(
    discovery: Any, changed: dict[str, Any], options: dict[str, Any], why: str
) -> None:
    discovery.server.pairs["ODD"] = [pair("ODD", **changed)]
    discovery.feed("ODD", "GOOD", volume={"h24": 90_001})

    run = discovery.run(**options)

    assert discovery.verdicts(run) == {"GOOD": None, "ODD": why}
    assert run["result"]["summary"] == "2 found, 2 new, 0 updated, 1 chosen"


def test_a_limit_of_zero_asks_for_nothing(discovery: Any) -> None:
    discovery.feed("BARE", volume={}, liquidity=None, priceChange={})

    run = discovery.run(min_volume_usd=0, min_liquidity_usd=0, min_price_change_pct=0)

    assert discovery.chosen(run) == ["BARE"]


def test_the_tokens_of_most_volume_are_chosen_over_all_batches_of_the_run(discovery: Any) -> None:
    names = [f"T{number:03d}" for number in range(100)]
    discovery.feed(*names)
    for number, name in enumerate(names):
        discovery.server.pairs[name] = [pair(name, volume={"h24": 60_000 + number})]

    run = discovery.run(max_tokens=3)

    assert discovery.one("select count(*) as n from batch where run_id = %s", run["id"])["n"] > 1
    assert discovery.chosen(run) == ["T097", "T098", "T099"]
    assert run["result"]["counts"]["chosen"] == 3


def pools(discovery: Any, run: dict[str, Any]) -> dict[str, str]:
    """The pool each token was judged by."""
    rows = discovery.all(
        "select t.address, s.pool from token_snapshot s join token t on t.id = s.token_id where s.run_id = %s",
        run["id"],
    )
    return {row["address"]: row["pool"] for row in rows}


@pytest.fixture
def many(discovery: Any) -> Any:
    """MANY has forty pools, the deepest last; LAST, named after it, has one, and both sell into each other."""
    discovery.feed("LAST", "MANY")
    discovery.server.pairs["MANY"] = [
        pair("MANY", pairAddress=f"p{number}", liquidity={"usd": 20_000 + number})
        for number in range(40)
    ]
    discovery.server.pairs["LAST"] = [
        pair("LAST", pairAddress="last"),
        pair("MANY", pairAddress="odd", liquidity={"usd": 11_000}),
    ]
    discovery.server.feeds["boosts_top"] = [boost("MANY"), boost("LAST")]
    return discovery


def test_tokens_of_a_cut_answer_are_asked_for_again_and_judged_by_all_their_pools(many: Any) -> None:
    run = many.run()

    assert many.chosen(run) == ["LAST", "MANY"]
    assert pools(many, run) == {"LAST": "last", "MANY": "p39"}
    assert many.server.asked("/token-pairs/") == [
        "/token-pairs/v1/solana/MANY",
        "/token-pairs/v1/solana/LAST",
    ]


@pytest.mark.outside(19)
@pytest.mark.parametrize("liars", [1, 2, 3])
def test_a_token_is_judged_by_a_pool_that_most_of_its_pools_agree_with(
    discovery: Any, liars: int
) -> None:
    discovery.feed("A")
    honest = [pair("A", pairAddress=f"h{n}", priceUsd=f"1.0{n}") for n in range(liars + 1)]
    false = [
        pair("A", pairAddress=f"l{n}", priceUsd="5000", liquidity={"usd": 10_000_000})
        for n in range(liars)
    ]
    discovery.server.pairs["A"] = [*false, *honest]

    run = discovery.run()

    assert pools(discovery, run) == {"A": "h0"}
    assert discovery.one("select price_usd from token")["price_usd"] < 2


@pytest.mark.outside(19)
def test_a_token_that_moved_keeps_its_age_also_when_its_first_pool_is_left_out(discovery: Any) -> None:
    discovery.feed("A")
    old = pair("A", pairAddress="curve", dexId="pumpfun", liquidity=None, age_hours=100)
    moved = pair("A", pairAddress="swap", dexId="pumpswap", age_hours=1)
    discovery.server.pairs["A"] = [moved, old]

    run = discovery.run()

    assert discovery.verdicts(run) == {"A": "100.0 h old, wanted 72 h or less"}
    assert pools(discovery, run) == {"A": "swap"}
    made = discovery.one("select pool_created_at from token")["pool_created_at"]
    discovery.server.pairs["A"] = [moved]
    discovery.run()
    assert discovery.one("select pool_created_at from token")["pool_created_at"] == made


def test_a_cut_answer_is_halved_until_it_is_whole(discovery: Any) -> None:
    names = [f"T{number:02d}" for number in range(14)]
    discovery.feed(*names)
    for name in names:
        discovery.server.pairs[name] = [pair(name, pairAddress=f"{name}-{n}") for n in range(3)]

    run = discovery.run()

    assert len(pools(discovery, run)) == 14
    asked = [len(path.split(",")) for path in discovery.server.asked("/tokens/")]
    assert asked == [14, 7, 7]
    assert discovery.server.asked("/token-pairs/") == []


def test_an_answer_that_cannot_be_had_fails_its_token_and_not_the_ones_of_the_same_call(
    many: Any,
) -> None:
    many.server.instead["/token-pairs/v1/solana/MANY"] = (200, {}, "<html>later</html>")

    run = many.run()

    assert (run["state"], run["done"], run["failed"]) == ("partial", 1, 1)
    assert many.chosen(run) == ["LAST"]


@pytest.mark.parametrize("broken", [(404, {}, ""), (200, {}, "<html>"), (200, {}, {"error": "x"})])
def test_a_broken_answer_for_a_group_is_asked_for_token_by_token(discovery: Any, broken: Any) -> None:
    discovery.feed("A", "B", "C")
    discovery.server.instead["/tokens/v1/solana/A,B,C"] = broken

    run = discovery.run()

    assert discovery.chosen(run) == ["A", "B", "C"]
    assert len(discovery.server.asked("/token-pairs/")) == 3


def test_a_value_that_postgres_refuses_fails_its_own_token_alone(discovery: Any) -> None:
    discovery.feed("A", "BAD", "C")
    discovery.sql.execute("alter table token add check (symbol <> 'SBAD')")

    run = discovery.run()

    assert (run["done"], run["failed"]) == (2, 1)
    assert discovery.chosen(run) == ["A", "C"]
    assert len(discovery.server.asked("/tokens/")) == 1


def test_addresses_are_asked_for_as_they_are_written_and_odd_ones_not_at_all(discovery: Any) -> None:
    ibc = "ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2"
    discovery.feed(ibc, chain="injective")
    discovery.server.feeds["profiles"] = [
        boost(odd, chain="injective") for odd in ("..", "a,b", "a b", "a\nb", "\u00e9", "a?b#c%2F")
    ]

    run = discovery.run(chains=[], feeds=["boosts_top", "profiles"])

    assert discovery.chosen(run) == [ibc]
    (path,) = discovery.server.asked("/tokens/")
    assert path == f"/tokens/v1/injective/{ibc.replace('/', '%2F')},a%3Fb%23c%252F"


@pytest.mark.parametrize("reply", [(501, {}, ""), (200, {}, "<html>"), (200, {}, {"error": "no"})])
def test_a_token_whose_look_up_fails_is_seen_stamped_and_keeps_what_is_known(
    discovery: Any, reply: Any
) -> None:
    discovery.feed("A")
    discovery.run()
    discovery.sql.execute("update token set last_checked_at = now() - interval '1 day'")
    discovery.server.feeds["boosts_top"] = [
        boost("A"),
        boost("NEW", links=[{"url": "https://n.example"}]),
    ]
    discovery.server.instead = {"/tokens/": reply, "/token-pairs/": reply}

    run = discovery.run()

    assert (run["state"], run["failed"]) == ("failed", 2)
    assert run["result"]["summary"] == "2 found, 1 new, 1 updated, 0 chosen"
    assert {why.partition(":")[0] for why in discovery.verdicts(run).values()} == {"look-up failed"}
    new, old = discovery.all("select * from token order by address desc")
    assert (new["symbol"], new["links"]) == (None, [{"url": "https://n.example"}])
    assert (old["symbol"], old["price_usd"] * 10) == ("SA", 15)
    now = discovery.one("select now() as now")["now"]
    assert all(now - row["last_checked_at"] < timedelta(minutes=1) for row in (new, old))


def test_a_pool_of_another_chain_says_nothing_of_a_token(discovery: Any) -> None:
    discovery.feed("A")
    discovery.server.pairs["A"].append(
        pair("A", chain="base", liquidity={"usd": 10**6}, pairAddress="x")
    )

    run = discovery.run()

    assert pools(discovery, run) == {"A": "pool-A-0"}


def test_a_token_is_judged_by_the_deepest_pool_that_has_it_as_its_base(discovery: Any) -> None:
    as_quote = pair(SOL, pairAddress="quote-side", liquidity={"usd": 10**9})
    as_quote["quoteToken"] = {"address": "TOK", "name": "x", "symbol": "x"}
    odd = pair("TOK", pairAddress="odd", priceUsd="7338.0", liquidity={"usd": 60_000})
    discovery.feed("TOK")
    discovery.server.pairs["TOK"] = [
        as_quote,
        odd,
        pair("TOK", pairAddress="shallow", liquidity={"usd": 11_000}),
        pair("TOK", pairAddress="deep", liquidity={"usd": 70_000}),
        pair("TOK", pairAddress="deep2", liquidity={"usd": 69_000}),
    ]

    run = discovery.run()

    assert (
        discovery.one("select pool from token_snapshot where run_id = %s", run["id"])["pool"] == "deep"
    )
    assert discovery.one("select price_usd from token")["price_usd"] * 10 == 15


def test_a_price_of_zero_is_no_price(discovery: Any) -> None:
    discovery.feed("A")
    discovery.run()
    discovery.server.pairs["A"] = [
        pair("A", pairAddress="dead", priceUsd="0", liquidity={"usd": 10**6}),
        pair("A", pairAddress="empty", priceUsd=None, liquidity={"usd": 10**6}),
        pair("A", pairAddress="good", priceUsd="1.6"),
    ]

    run = discovery.run()
    assert pools(discovery, run) == {"A": "good"}
    discovery.server.pairs["A"] = discovery.server.pairs["A"][:1]
    discovery.run()

    assert discovery.one("select price_usd from token")["price_usd"] * 10 == 16


def test_html_instead_of_json_fails_its_tokens_and_no_others(discovery: Any) -> None:
    discovery.feed("A")
    discovery.feed("B", chain="base", feed="profiles")
    discovery.server.instead["/tokens/v1/base"] = (200, {}, "<html>later</html>")

    run = discovery.run(chains=[])

    assert (run["state"], run["done"], run["failed"]) == ("partial", 1, 1)
    assert discovery.chosen(run) == ["A"]


def test_a_challenge_page_blocks_the_server_instead_of_asking_token_by_token(discovery: Any) -> None:
    discovery.feed("A", "B", "C")
    discovery.server.instead["/tokens/v1/"] = (200, {}, "<html><title>Just a moment...</title>")

    run = discovery.run()

    assert (run["state"], run["error"]) == ("failed", "dexscreener: shows a challenge page")
    assert len(discovery.server.asked("/token")) == 4
    state = discovery.one("select blocked_reason from upstream_state where upstream = 'dexscreener'")
    assert state["blocked_reason"] == "shows a challenge page"


def test_an_answer_that_is_null_says_nothing_of_its_tokens(discovery: Any) -> None:
    discovery.feed("A")
    discovery.server.instead["/token-pairs/"] = discovery.server.instead["/tokens/v1/"] = (
        200,
        {},
        None,
    )

    run = discovery.run()

    assert run["state"] == "failed"
    assert discovery.verdicts(run) == {"A": "look-up failed: dexscreener: pairs is not a list"}


def test_a_feed_that_fails_does_not_stop_the_others(discovery: Any) -> None:
    discovery.feed("A", feed="profiles")
    discovery.server.instead["/token-boosts/"] = (501, {}, "")

    run = discovery.run()

    assert (run["state"], discovery.chosen(run)) == ("succeeded", ["A"])
    assert run["result"]["summary"] == (
        "1 found, 1 new, 0 updated, 1 chosen; no answer from boosts_top, boosts_latest"
    )


@pytest.mark.parametrize("reply", [(501, {}, ""), (200, {}, {"error": "down"}), (200, {}, "<html>")])
def test_a_run_that_found_nothing_because_a_feed_failed_has_failed(discovery: Any, reply: Any) -> None:
    discovery.server.instead["/token-"] = reply

    run = discovery.run()

    assert (run["state"], run["result"]["counts"]) == ("failed", {})
    assert run["error"].startswith("BrokenResponse: dexscreener: ")


@pytest.mark.parametrize("task", ["tasks.discovery.discover", "tasks.discovery.surveil"])
def test_a_plan_that_must_wait_between_two_feeds_asks_none_of_them_twice(
    discovery: Any, task: str
) -> None:
    discovery.feed("A", feed="boosts_top")
    discovery.server.feeds["boosts_top"][0]["links"] = [{"type": "x", "url": "https://a.example"}]
    discovery.feed("B", feed="takeovers")
    discovery.server.once["/token-profiles/"] = (429, {"Retry-After": "1800"}, "")

    run = discovery.run(task)

    assert (run["state"], discovery.chosen(run)) == ("succeeded", ["A", "B"])
    assert discovery.server.paths[:5] == [
        "/token-boosts/top/v1",
        "/token-boosts/latest/v1",
        "/token-profiles/latest/v1",
        "/token-profiles/latest/v1",
        "/community-takeovers/latest/v1",
    ]
    assert discovery.one("select links from token where address = 'A'")["links"]
    assert discovery.all("select * from memo") == []


def test_surveillance_refreshes_what_is_known_when_every_feed_fails(discovery: Any) -> None:
    discovery.feed("A")
    discovery.run()
    discovery.server.instead = dict.fromkeys(
        ("/token-boosts", "/token-profiles", "/community"), (501, {}, "")
    )

    run = discovery.run("tasks.discovery.surveil")

    assert run["result"]["summary"] == (
        "1 checked, 0 new; no answer from boosts_top, boosts_latest, profiles, takeovers"
    )
    assert discovery.verdicts(run) == {"A": "no feed names it now: refreshed only"}


def test_known_tokens_that_no_feed_names_take_no_place_of_the_chosen(discovery: Any) -> None:
    discovery.feed("OLD", volume={"h24": 10**9})
    discovery.run()
    discovery.feed("FRESH")

    run = discovery.run("tasks.discovery.surveil", max_tokens=1)

    assert discovery.chosen(run) == ["FRESH"]
    asked = discovery.all("select token_id from token_profile where run_id = %s", run["id"])
    assert len(asked) == 1


def test_every_known_token_is_refreshed_unless_a_most_is_set(discovery: Any) -> None:
    discovery.sql.execute(
        "insert into token (chain, address_key, address, last_checked_at)"
        " select 'solana', 'T' || n, 'T' || n, now() - n * interval '1 minute' from generate_series(1, 5) n"
    )

    assert discovery.run("tasks.discovery.surveil", max_known=2)["total"] == 2
    assert discovery.run("tasks.discovery.surveil")["total"] == 5


def test_groups_of_several_chains_keep_the_longest_unseen_first(discovery: Any) -> None:
    for number, (address, chain) in enumerate([("S1", "solana"), ("B1", "base"), ("S2", "solana")]):
        discovery.sql.execute(
            "insert into token (chain, address_key, address, last_checked_at) values (%s, %s, %s, now() - %s)",
            (chain, address, address, timedelta(hours=9 - number)),
        )

    discovery.run("tasks.discovery.surveil")

    assert discovery.server.asked("/tokens/") == ["/tokens/v1/solana/S1,S2", "/tokens/v1/base/B1"]


def test_takeovers_are_a_feed_like_the_others_and_looked_at_unless_told_otherwise(
    discovery: Any,
) -> None:
    discovery.feed("T", feed="takeovers")

    run = discovery.run()

    assert discovery.chosen(run) == ["T"]
    assert discovery.one("select feeds from token_sighting")["feeds"] == ["takeovers"]
    assert discovery.run(feeds=["profiles"])["total"] == 0


def test_tokens_of_other_chains_are_left_out_and_a_chain_is_found_however_it_is_written(
    discovery: Any,
) -> None:
    discovery.feed("A")
    discovery.feed("0xB", chain="base", feed="profiles")

    assert discovery.chosen(discovery.run(chains=["Base "])) == ["0xB"]
    assert discovery.chosen(discovery.run()) == ["A"]
    assert discovery.chosen(discovery.run(chains=[])) == ["0xB", "A"]


@pytest.mark.parametrize("task", ["tasks.discovery.discover", "tasks.discovery.surveil"])
def test_a_chain_of_which_no_token_was_ever_found_is_named_with_those_of_the_feeds(
    discovery: Any, task: str
) -> None:
    discovery.feed("A")
    discovery.feed("0xB", chain="base", feed="profiles")
    said = "; no token of solan is known: the feeds name base, solana"

    nothing, some = discovery.run(task, chains=["Solan"]), discovery.run(task, chains=["solan", "base"])

    for run, done in ((nothing, 1), (some, 1)):
        assert (run["state"], run["done"]) == ("succeeded", done)
        assert run["result"]["summary"].endswith(said)
    assert discovery.chosen(some) == ["0xB"]
    # A chain that was found before may have no token in the feeds now.
    discovery.server.feeds["profiles"] = []
    assert ";" not in discovery.run(task, chains=["base"])["result"]["summary"]


def test_an_empty_text_in_a_list_is_refused_by_a_call_too(discovery: Any) -> None:
    run = discovery.run(include=["BONK", " "])

    assert (run["state"], run["error"]) == (
        "failed",
        'tasks.discovery.discover: option "include.1" is not allowed: it must be a text that is not empty',
    )


def test_a_failed_look_up_keeps_the_values_that_were_good(discovery: Any) -> None:
    discovery.feed("A")
    discovery.run()
    discovery.server.pairs["A"] = [pair("A", priceUsd=None, marketCap=None, liquidity=None)]

    discovery.run()

    token = discovery.one("select * from token")
    assert (token["price_usd"] * 10, token["market_cap"], token["liquidity_usd"]) == (
        15,
        1_000_000,
        25_000,
    )


def test_links_and_what_was_paid_are_kept(discovery: Any) -> None:
    links = [
        {"url": "https://s.example"},
        {"type": "twitter", "url": "https://x.example/a"},
        {"label": "no url"},
    ]
    discovery.feed("A")
    discovery.server.feeds["boosts_top"] = [boost("A", links=links)]
    discovery.server.orders["A"] = {
        "orders": [{"paymentTimestamp": 1785004748399}], "boosts": [{"paymentTimestamp": 1785073381985}],
    }  # fmt: skip

    discovery.run(look_at_orders=True)

    token = discovery.one("select * from token")
    assert token["links"] == links[:2]
    assert (token["orders"], token["boosts"]) == (1, 1)
    assert token["paid_at"] == datetime(2026, 7, 25, 18, 39, 8, 399_000, UTC)


def test_what_was_paid_is_asked_for_chosen_tokens_alone_and_one_failure_is_one_token_s(
    discovery: Any,
) -> None:
    discovery.feed("A", "B", "C", "D", "E")
    discovery.server.pairs["D"] = [pair("D", volume={"h24": 80_000})]
    discovery.server.pairs["E"] = [pair("E", volume={"h24": 1})]
    discovery.server.instead["/orders/v1/solana/B"] = (200, {}, "<html>")

    run = discovery.run(look_at_orders=True, max_tokens=3)

    assert (run["done"], run["failed"]) == (4, 1)
    # Items of one batch are asked for at once.
    asked = sorted(path.rpartition("/")[2] for path in discovery.server.asked("/orders/"))
    assert asked == ["A", "B", "C"]
    assert discovery.one("select symbol from token where address = 'B'")["symbol"] == "SB"


def test_the_first_of_equal_volume_are_those_of_the_first_addresses(discovery: Any) -> None:
    discovery.feed("C")
    discovery.run()
    discovery.feed("C", "B", "A")

    assert discovery.chosen(discovery.run(max_tokens=2)) == ["A", "B"]


def test_the_same_answers_again_change_only_when_tokens_were_seen(discovery: Any) -> None:
    discovery.feed("A", "B")
    discovery.run()
    rows = "select to_jsonb(t) - array['last_seen_at', 'last_checked_at', 'checked_at'] as row from {} t order by id"
    before = [discovery.all(rows.format(table)) for table in ("token", "token_pool")]

    discovery.run()

    assert [discovery.all(rows.format(table)) for table in ("token", "token_pool")] == before


def test_surveillance_looks_at_every_known_token_longest_unseen_first(discovery: Any) -> None:
    discovery.feed("A", "B", "C")
    discovery.run()
    discovery.server.feeds["boosts_top"] = []
    stale = {"A": 2, "B": 3, "C": 1}
    for address, hours in stale.items():
        discovery.sql.execute(
            "update token set last_checked_at = now() - %s, last_seen_at = now() - interval '1 day' where address = %s",
            (timedelta(hours=hours), address),
        )
    discovery.server.paths.clear()

    run = discovery.run("tasks.discovery.surveil")

    assert discovery.server.asked("/tokens/") == ["/tokens/v1/solana/B,A,C"]
    assert run["result"]["summary"] == "3 checked, 0 new"
    rows = discovery.all(
        "select now() - last_checked_at as checked, now() - last_seen_at as seen from token"
    )
    assert all(row["checked"] < timedelta(minutes=1) < row["seen"] for row in rows)
