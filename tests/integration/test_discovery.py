"""Token discovery against a scripted DexScreener: what is asked, kept, chosen and rejected, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fix_discovery import boost, pair

SOL = "So11111111111111111111111111111111111111112"


@pytest.mark.parametrize(
    ("changed", "options", "why"),
    [
        ({"volume": {"h24": 49_999}}, {}, "volume of 24 h 49999 USD, wanted 50000 USD or more"),
        ({"liquidity": {"usd": 9_999}}, {}, "liquidity 9999 USD, wanted 10000 USD or more"),
        ({"liquidity": None}, {}, "liquidity unknown, wanted 10000 USD or more"),
        ({"priceChange": {"h24": 99.9}}, {}, "price change of 24 h 99.9 %, wanted 100 % or more"),
        ({"priceChange": {}}, {}, "price change of 24 h unknown, wanted 100 % or more"),
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


def test_a_token_left_out_of_a_cut_answer_is_asked_for_again(discovery: Any) -> None:
    discovery.feed("LAST", "MANY")
    discovery.server.pairs["MANY"] = [
        pair("MANY", pairAddress=f"p{number}", liquidity={"usd": 20_000 + number})
        for number in range(40)
    ]
    discovery.server.feeds["boosts_top"] = [boost("MANY"), boost("LAST")]

    run = discovery.run()

    assert discovery.chosen(run) == ["LAST", "MANY"]
    assert discovery.server.asked("/token-pairs/") == ["/token-pairs/v1/solana/LAST"]


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


def test_html_instead_of_json_fails_its_tokens_and_no_others(discovery: Any) -> None:
    discovery.feed("A")
    discovery.feed("B", chain="base", feed="profiles")
    discovery.server.instead["/tokens/v1/base"] = (200, {}, "<html>later</html>")

    run = discovery.run(chains=[])

    assert (run["state"], run["done"], run["failed"]) == ("partial", 1, 1)
    assert discovery.chosen(run) == ["A"]


def test_a_feed_that_fails_does_not_stop_the_others(discovery: Any) -> None:
    discovery.feed("A", feed="profiles")
    discovery.server.instead["/token-boosts/"] = (501, {}, "")

    run = discovery.run()

    assert (run["state"], discovery.chosen(run)) == ("succeeded", ["A"])


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
