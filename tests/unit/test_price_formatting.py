"""Prices as people read them: in notices, tables and JSON, however small they are."""

from __future__ import annotations

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.prices import values
from tasks.watches import messages
from tasks.watches.wording import amount_text, price_text
from workers.cli import commands, output


@pytest.mark.outside(28)
@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("0.0000312849", "0.00003128 USD"), ("0.00999999", "0.01 USD"), ("3.1E-7", "0.00000031 USD"),
        ("1E-18", "0.000000000000000001 USD"), ("0.0123456", "0.01235 USD"), ("0.5", "0.50 USD"), ("0.99999", "1.00 USD"),
        ("1.5", "1.50 USD"), ("950", "950 USD"), ("1299.5", "1299.50 USD"), ("0", "0 USD"), ("-0.00012", "-0.00012 USD"),
    ],
)  # fmt: skip
def test_a_price_shows_its_first_digits_however_small_it_is(price: str, words: str) -> None:
    assert price_text(Decimal(price), "USD") == words


@pytest.mark.outside(28)
@given(st.decimals(min_value="1e-30", max_value="1e12", allow_nan=False, allow_infinity=False))
def test_no_price_is_shown_as_nothing_or_far_from_what_it_is(price: Decimal) -> None:
    shown = amount_text(price)

    assert "E" not in shown.upper()
    assert abs(Decimal(shown) - price) <= price * Decimal("0.006")


@pytest.mark.outside(28)
def test_a_notice_of_a_drop_below_a_cent_shows_both_prices() -> None:
    row = SimpleNamespace(
        rule="r", subject="token", key="k", title="T", occasion="price_drop", matched_at=None,
        facts={"price": "0.0000021", "old_price": "0.0000034"},
    )  # fmt: skip

    assert dict(messages.note_of(row).fields)["Price"] == "0.0000034 → 0.0000021"


@pytest.mark.outside(28)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_table_and_its_json_show_digits_and_no_exponent(capsys: Any, as_json: bool) -> None:
    with click.Context(commands.Command("quotes")) as context:
        context.meta[output.JSON] = as_json
        output.show([{"price": Decimal("3.1E-7")}], ("price",))

    shown = capsys.readouterr().out
    assert "0.00000031" in (json.loads(shown)[0]["price"] if as_json else shown)


@pytest.mark.outside(28)
def test_the_price_of_a_quote_that_two_decimals_would_hide_shows_its_digits() -> None:
    shown = [values.shown(Decimal(price)) for price in ("0.0042", "0.005", "1.005", "12", "0")]

    assert shown == ["0.0042", "0.01", "1.01", "12.00", "0.00"]
