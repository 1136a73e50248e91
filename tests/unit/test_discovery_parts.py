"""Addresses, numbers, pools and filters of token discovery, each by itself."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.discovery.discover import DiscoverOptions
from tasks.discovery.pairs import Pair, believable, best
from tasks.discovery.profile import Asked, asked_of
from tasks.discovery.sources import dexscreener
from tasks.discovery.token_addresses import is_name, normalise
from tasks.discovery.token_filters import rejection
from tasks.discovery.token_values import number
from tests.support.discovery import pair
from workers.execution import Item

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def pool(name: str, price: str | None, liquidity: int | None = None, volume: int | None = None) -> Pair:
    amounts = [None if value is None else Decimal(value) for value in (price, liquidity, volume)]
    made = NOW - timedelta(hours=1)
    return Pair("solana", name, None, "T", None, None, *amounts, Decimal(200), None, made)


@given(st.text())
def test_an_address_normalised_again_is_the_same(address: str) -> None:
    assert normalise(normalise(address)) == normalise(address)


@given(st.from_regex(r"0[xX][0-9a-fA-F]{1,64}", fullmatch=True))
def test_hexadecimal_addresses_are_one_however_their_case_is_written(address: str) -> None:
    assert normalise(address) == normalise(address.upper()) == normalise(f" {address.lower()}\n")


@given(st.from_regex(r"[1-9A-HJ-NP-Za-km-z]{1,44}", fullmatch=True))
def test_base58_addresses_keep_their_case(address: str) -> None:
    assert normalise(f" {address} ") == address


@given(st.text())
def test_what_may_be_asked_for_is_one_plain_word(text: str) -> None:
    if is_name(text):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" ,")
        assert text.strip(".")


@pytest.mark.parametrize("value", [
    "1e9999999", "-1e9999999", "1e-20000", "1e999999999999999999", "9" * 400, "0." + "1" * 17_000, "1e31", "nan",
    "inf", "", "1,5", True, None, [], {},
])  # fmt: skip
def test_a_number_beyond_sense_is_none(value: object) -> None:
    assert number(value, signed=True) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [("0.000003128", "0.000003128"), (" 12 ", "12"), ("1e-40", "1e-40"), ("1e30", "1e30"), (0, "0"),
     ("0e-20000", "0"), ("-0", "0"), (1.5, "1.5")],
)  # fmt: skip
def test_a_number_is_kept_exactly(value: object, found: str) -> None:
    assert number(value) == Decimal(found)
    assert len(f"{number(value):f}") < 100


def test_a_negative_number_is_one_only_where_it_may_be() -> None:
    assert (number("-5", signed=True), number("-5")) == (Decimal(-5), None)


def test_without_any_liquidity_the_middle_price_is_believed_and_not_the_lowest() -> None:
    found = best([pool("low", "0.0001", None, 9), pool("a", "1.0", None, 1), pool("b", "1.1", 0, 2)])

    assert found is not None
    assert found.pool == "b"


def test_liquidity_of_nothing_is_more_than_an_unknown_one() -> None:
    found = best([pool("a", "1", None, 5), pool("b", "1", 0, 4)])

    assert found is not None
    assert found.pool == "b"


def test_a_pool_without_a_price_is_not_believed_where_others_have_one() -> None:
    found = best([pool("unpriced", None, 10**6), pool("priced", "1", 5)])

    assert found is not None
    assert found.pool == "priced"
    assert best([pool("unpriced", None, 10**6)]) is not None


def test_a_pool_that_an_answer_names_twice_has_one_vote() -> None:
    rows = [pair("T", pairAddress=name, priceUsd=price) for name, price in (("a", "1"), ("b", "1.1"))]
    wrong = pair("T", pairAddress="wrong", priceUsd="900", liquidity={"usd": 10**6})

    found = dexscreener.group(dexscreener.parse_pairs([wrong, *rows, wrong, wrong]))["T"]

    assert len(found) == 3
    assert [one.pool for one in believable(found)] == ["a", "b"]


def test_items_that_the_version_before_has_planned_are_profiled() -> None:
    data = {"run_id": "r", "token_id": 1, "minutes": 30, "profit": 50.0, "pool": "p"}

    assert asked_of(Item("r:solana:T", data)) == [Asked("r", 30, 50.0)]
    assert asked_of(Item("solana:T", {"asked": [asdict(Asked("s", 5, 0.0))]})) == [Asked("s", 5, 0.0)]


def test_a_filter_says_large_numbers_in_full() -> None:
    limits = DiscoverOptions(min_volume_usd=2_000_000)

    said = rejection("T", pool("a", "1", 10**5, 1_999_999), limits, NOW)

    assert said == "volume of 24 h 1999999 USD, wanted 2000000 USD or more"
