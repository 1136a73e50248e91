"""Prices of ads in their own currency: as they are stored, compared, explained and told."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

pytestmark = pytest.mark.outside(18)


def celery(*words: str) -> Any:
    from celery.bin.celery import celery as program

    return CliRunner().invoke(program, ["-A", "workers.app", *words])


def test_a_currency_that_is_not_known_is_null_and_its_price_kept_as_written(
    scrapes: Any, people: Any, make_listing: Any
) -> None:
    people.channel("discord")
    people.rule("all", 'title contains "HD"', baseline=True)
    scrapes.site_server.ads["full-size"] = [
        make_listing(1, price="0.5 BTC"),
        make_listing(2, price="₹1,45,000"),
    ]
    scrapes.run()
    people.send()

    told = [(row["price"], row["currency"], row["price_text"]) for row in map(scrapes.ad, (1, 2))]
    assert told == [(Decimal("0.50"), None, "0.5 BTC"), (Decimal(145000), "INR", None)]
    said = json.dumps(people.in_discord(), ensure_ascii=False)
    assert "0.5 BTC" in said
    assert "145000 INR" in said


def test_a_price_that_becomes_known_takes_the_place_of_the_unknown_one(
    scrapes: Any, make_listing: Any
) -> None:
    for price, expected in (
        ("500 BTC", (Decimal(500), None, "500 BTC")),
        ("400", (Decimal(400), "USD", None)),
        ("300 kr", (Decimal(300), None, "300 kr")),
        ("", (Decimal(300), None, "300 kr")),
        ("€250", (Decimal(250), "EUR", None)),
    ):
        scrapes.site_server.ads["full-size"] = [make_listing(1, price=price)]
        scrapes.run()
        ad = scrapes.ad(1)
        assert (ad["price"], ad["currency"], ad["price_text"]) == expected
    assert [row["currency"] for row in scrapes.everything()["price"]] == [None, "USD", None, "EUR"]


def test_a_sign_that_several_currencies_share_is_the_sites(scrapes: Any, make_listing: Any) -> None:
    scrapes.sql.execute("update site set currency = 'CAD'")
    scrapes.site_server.ads["full-size"] = [
        make_listing(1, price="$500"),
        make_listing(2, price="US$500"),
        make_listing(3, price="500"),
    ]
    scrapes.site_server.a_page = 3
    scrapes.run()
    assert [scrapes.ad(number)["currency"] for number in (1, 2, 3)] == ["CAD", "USD", "CAD"]


def test_a_lower_number_in_another_currency_is_no_price_drop(
    scrapes: Any, people: Any, make_listing: Any
) -> None:
    people.rule("drops", "price_drop > 0", occasions=["price_drop"])
    for price in ("900 USD", "500 EUR", "400 BTC", "300 BTC", "200 EUR", "150 EUR"):
        scrapes.site_server.ads["full-size"] = [make_listing(1, price=price)]
        scrapes.run()
    people.sql.execute("update rule set currency = 'EUR'")
    scrapes.site_server.ads["full-size"] = [make_listing(1, price="120 EUR")]
    scrapes.run()

    facts = [row["facts"] for row in people.all("select facts from match order by id")]
    # The drop from 200 to 150 EUR was none in the site's dollars, which the rule meant until then.
    assert [(one["price"], one["price_drop"], one["currency"]) for one in facts] == [
        ("120", "30", "EUR")
    ]


@pytest.mark.outside(21)
def test_what_a_rule_compares_a_price_in_is_said_by_test_and_explain(
    scrapes: Any, people: Any, make_listing: Any
) -> None:
    scrapes.site_server.ads["full-size"] = [
        make_listing(1, price="250 EUR"),
        make_listing(2, price="250 USD"),
    ]
    scrapes.run()
    people.rule("cheap", "price < 300")
    people.rule("cheap-in-euros", "price < 300", currency="EUR")

    dollars = celery("watch", "test", "cheap", "--json")
    euros = celery("watch", "test", "cheap-in-euros", "--json")
    explained = celery("watch", "explain", "cheap", str(scrapes.ad(1)["id"]), "--json")

    assert [row["currency"] for row in json.loads(dollars.stdout)] == ["USD"]
    assert [row["currency"] for row in json.loads(euros.stdout)] == ["EUR"]
    assert "1 has a price in another currency than the rule's: not compared" in dollars.stderr
    assert explained.exit_code == 1
    assert json.loads(explained.stdout)[0]["note"] == (
        "not compared: the price is in EUR, the rule means USD, the site's"
    )


@pytest.mark.outside(21)
@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"currency": "euro"}, "currency must be three capitals"),
        ({"currency": "USD", "subject": "token"}, "currency: "),
    ],
)
def test_a_rules_currency_is_a_code_and_only_of_listings(
    people: Any, columns: dict[str, str], said: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=said):
        people.rule("x", "price < 300", **columns)


@pytest.mark.outside(21)
def test_a_rule_that_fits_nothing_is_said_to_be_wrong_when_it_is_saved(people: Any) -> None:
    people.rule("none", "price between 1000 and 900")
    people.rule("filtered", "price > 1", filters={"categories": [""]})

    done = celery("watch", "check", "--json")

    assert done.exit_code == 1
    said = {row["name"]: (row["state"], row["hint"]) for row in json.loads(done.stdout)}
    assert said["none"] == ("wrong: nothing lies between 1000 and 900", "price between 900 and 1000")
    assert said["filtered"][0].startswith("wrong: filter categories holds an empty text")


@pytest.mark.outside(3)
def test_what_a_scrape_stores_of_a_hostile_ad_is_clean_and_is_printed_so(
    scrapes: Any, people: Any, make_listing: Any
) -> None:
    scrapes.site_server.ads["full-size"] = [
        make_listing(
            1,
            title="Fo\x1b[2Jcal \x1b]0;owned\x07\u202eUtopia\u200b cafe\u0301\x9b",
            fields={"Condition": "Mi\u2066nt"},
        )
    ]
    scrapes.run()
    people.rule("all", 'title contains "utopia café"')

    ad = scrapes.ad(1)
    listed = celery("listings", "list")
    tested = celery("watch", "test", "all")

    assert (ad["title"], ad["condition"]) == ("Fo[2Jcal ]0;ownedUtopia café", "Mint")
    for done in (listed, tested):
        assert done.exit_code == 0, done.output
        assert ad["title"] in done.stdout
        assert all(part.isprintable() for line in done.stdout.splitlines() for part in line.split("\t"))
