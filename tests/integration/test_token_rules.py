"""What a rule on tokens is told of: a token that comes to fit, is back, or has dropped far enough."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.discovery import boost, pair

TWO_PRICES = ("price_drop_percent >= 10", "price_drop >= 10 %")


class Told:
    """One token at one look after another, and the matches of its rules."""

    def __init__(self, people: Any, discovery: Any) -> None:
        self.people, self.discovery = people, discovery
        discovery.server.feeds["boosts_top"] = [boost("A")]

    def look(self, **values: Any) -> None:
        """A look at the token with these values of its pair."""
        self.discovery.server.pairs["A"] = [pair("A", pairAddress="pool", **values)]
        assert self.discovery.run()["state"] == "succeeded"

    def prices(self, *prices: float) -> Sequence[tuple[str, str]]:
        """A look for each price; what was told."""
        for price in prices:
            self.look(priceUsd=f"{price:.7f}")
        return self.all()

    def all(self) -> Sequence[tuple[str, str]]:
        """Occasions and prices of the matches so far."""
        rows = self.people.all("select occasion, facts ->> 'price' as price from match order by id")
        return [(row["occasion"], row["price"]) for row in rows]


@pytest.fixture
def told(people: Any, discovery: Any) -> Told:
    people.channel("discord")
    return Told(people, discovery)


@pytest.mark.outside(28)
def test_a_price_that_falls_tick_by_tick_is_no_news_to_a_rule_without_a_threshold(told: Told) -> None:
    told.people.rule("deep", "liquidity > 20000", subject="token")

    assert told.prices(1.0, 0.98, 0.97, 0.5, 0.4) == [("new", "1")]


@pytest.mark.outside(28)
@pytest.mark.parametrize("expression", TWO_PRICES)
def test_a_drop_is_told_once_it_passes_the_threshold_of_the_rule_and_counted_anew_from_there(
    told: Told, expression: str
) -> None:
    told.people.rule("fell", expression, subject="token")

    assert told.prices(1.0, 0.97, 0.91) == []
    assert told.prices(0.9) == [("price_drop", "0.9")]
    # About the threshold, up and down, there is nothing new.
    assert told.prices(0.905, 0.895, 0.9, 0.82) == [("price_drop", "0.9")]
    assert told.prices(0.81) == [("price_drop", "0.9"), ("price_drop", "0.81")]
    old = told.people.all("select facts ->> 'old_price' as old from match order by id")
    assert [row["old"] for row in old] == ["1", "0.905"]


@pytest.mark.outside(28)
def test_a_drop_is_counted_from_the_highest_price_since_the_last_one_told(told: Told) -> None:
    told.people.rule("fell", "price_drop >= 10 % and liquidity > 20000", subject="token")

    assert told.prices(1.0, 2.0, 1.85) == []
    assert told.prices(1.8) == [("price_drop", "1.8")]
    assert told.prices(3.0, 2.75) == [("price_drop", "1.8")]
    assert told.prices(2.7) == [("price_drop", "1.8"), ("price_drop", "2.7")]


@pytest.mark.outside(28)
def test_a_rule_that_asks_for_drops_alone_hears_of_those_of_a_tenth(told: Told) -> None:
    told.people.rule("drops", "liquidity > 20000", subject="token", occasions=["price_drop"])

    assert told.prices(1.0, 0.95) == []
    assert told.prices(0.9, 0.85) == [("price_drop", "0.9")]


@pytest.mark.outside(28)
def test_a_token_that_left_and_came_back_is_told_again_each_time(told: Told) -> None:
    told.people.rule("deep", "liquidity > 20000", subject="token")
    for liquidity in (25_000, 26_000, 19_000, 18_000, 26_000, 25_000, 1_000, 27_000):
        told.look(liquidity={"usd": liquidity})

    assert [occasion for occasion, _ in told.all()] == ["new", "relisted", "relisted"]


@pytest.mark.outside(28)
def test_a_token_that_moves_about_a_bound_has_not_left(told: Told) -> None:
    told.people.rule("cheap", "price < 0.5 and not liquidity <= 20000", subject="token")

    assert told.prices(0.49, 0.51, 0.49, 0.524, 0.499) == [("new", "0.49")]
    for liquidity in (19_100, 21_000, 19_001):
        told.look(liquidity={"usd": liquidity}, priceUsd="0.49")
    assert told.all() == [("new", "0.49")]

    # Behind the bound by more than the margin it has left, and its return is news.
    assert told.prices(0.53, 0.49) == [("new", "0.49"), ("relisted", "0.49")]


@pytest.mark.outside(28)
def test_a_token_that_comes_to_fit_is_told_and_its_crossing_back_is_a_leaving(told: Told) -> None:
    told.people.rule("cheap", "price < 0.5", subject="token")

    assert told.prices(0.6, 0.45, 0.44) == [("changed", "0.45")]
    assert told.prices(0.6, 0.45) == [("changed", "0.45"), ("relisted", "0.45")]


@pytest.mark.outside(28)
def test_a_look_that_failed_or_did_not_know_is_no_leaving(told: Told) -> None:
    told.people.rule("deep", "liquidity > 20000", subject="token")
    told.look()
    told.look(liquidity=None)
    told.discovery.server.once["/tokens/"] = (200, {}, "<html>")
    told.discovery.server.once["/token-pairs/"] = (200, {}, "<html>")
    told.discovery.run()
    told.look()

    assert [occasion for occasion, _ in told.all()] == ["new"]


@pytest.mark.outside(28)
def test_the_notice_of_a_drop_below_a_cent_shows_both_prices(told: Told) -> None:
    told.people.rule("fell", "price_drop >= 10 %", subject="token")
    told.prices(0.0000034, 0.0000021)
    told.people.send()

    (message,) = told.people.in_discord()
    fields = {field["name"]: field["value"] for field in message["embeds"][0]["fields"]}
    assert fields["Price"] == "0.0000034 → 0.0000021"


def command(*words: str) -> Any:
    from tasks.watches.commands import watch

    return CliRunner().invoke(watch, list(words), catch_exceptions=False)


@pytest.mark.outside(12)
def test_a_rule_is_tried_on_the_fields_that_production_gives_it(told: Told) -> None:
    told.people.rule("fell", "price_drop >= 10 %", subject="token")
    told.prices(1.0, 0.5)
    assert told.all() == [("price_drop", "0.5")]

    for rule in ("fell", "price_drop >= 10 %", "price_drop_percent > 49 and boost_total = 10"):
        tried = json.loads(command("test", rule, "--subject", "token", "--json").stdout)
        assert [row["title"] for row in tried] == ["SA"], rule
    assert command("test", "price_drop >= 51 %", "--subject", "token", "--json").stdout.strip() == "[]"


@pytest.mark.outside(12)
def test_every_field_of_a_token_has_one_mapping(told: Told) -> None:
    from tasks.discovery.watch import WATCH, fields_of
    from tasks.watches.queries import rows_of
    from workers.db import driver_transaction

    told.look()
    with driver_transaction() as connection:
        (row,) = rows_of(connection, WATCH)
    found = WATCH.fields_of(row)

    assert found == fields_of(row, row.now, row.old_price)
    assert set(found) == set(WATCH.fields)


@pytest.mark.outside(23)
def test_boosts_keep_their_amounts_and_rules_may_ask_for_them(told: Told) -> None:
    told.people.rule("boosted", "boost_total >= 500 and boost_amount >= 100", subject="token")
    feeds = told.discovery.server.feeds
    feeds["boosts_top"] = [boost("A", totalAmount=500)]
    feeds["boosts_latest"] = [
        boost("A", amount=100, totalAmount=490), boost("A", amount=30, totalAmount=390),
        boost("B", amount=None, totalAmount="many"),
    ]  # fmt: skip
    told.look()
    amounts = "select address, boost_amount, boost_total from token order by address"
    kept = [tuple(row.values()) for row in told.people.all(amounts)]
    assert kept == [("A", 100, 500), ("B", None, None)]
    assert told.all() == [("new", "1.5")]

    # A feed that names it without amounts takes nothing away.
    feeds["boosts_top"], feeds["boosts_latest"] = [], []
    feeds["profiles"] = [boost("A", totalAmount=None)]
    told.look()
    assert told.people.all(amounts)[0]["boost_total"] == 500
    told.people.send()
    (message,) = told.people.in_discord()
    assert {"name": "Boosts", "value": "500", "inline": True} in message["embeds"][0]["fields"]
