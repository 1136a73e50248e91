"""Stooq's tables and its plain-text refusals."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.prices.sources import stooq
from tasks.prices.sources.source_errors import NotCovered
from workers.errors import Blocked, BrokenResponse, NotFound, RateLimited, UpstreamError
from workers.upstreams.responses import Response

TABLE = "Date,Open,High,Low,Close,Volume\r\n2026-01-30,1,2,0.5,1.75,1000\r\n2026-01-29,1,2,1,1.5,\r\n"


def answer(text: str) -> Response:
    return Response("stooq", 200, "", {}, text.encode("utf-8", "surrogatepass"))


def test_a_table_is_read_in_order() -> None:
    bars = stooq.parse(TABLE, "AAPL")
    assert [(bar.date.day, bar.close, bar.volume) for bar in bars] == [
        (29, Decimal("1.5"), None),
        (30, Decimal("1.75"), 1000),
    ]


def test_a_day_that_is_given_twice_is_one_session() -> None:
    bars = stooq.parse(TABLE + "2026-01-30,1,2,0.5,1.8,1001\r\n", "AAPL")
    assert [(bar.date.day, bar.close) for bar in bars] == [(29, Decimal("1.5")), (30, Decimal("1.8"))]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("No data", NotFound),
        ("Exceeded the daily hits limit", RateLimited),
        ("Get your apikey: enter the captcha", Blocked),
        ("<html><title>Just a moment...</title>", Blocked),
        ("something else", BrokenResponse),
        ("", BrokenResponse),
    ],
)
def test_every_refusal_is_told_apart(text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        stooq.check(answer(text))


@pytest.mark.outside(24)
@pytest.mark.parametrize(
    "page",
    [
        "<!DOCTYPE html><html><head><title>Verification</title><script>/* sha256 */</script></head></html>",
        "\ufeff\r\n <html><body><noscript>This site requires JavaScript to verify your browser.</noscript>",
        "<script>location='/'</script>",
        "Please enable JavaScript: proof of work",
    ],
)
def test_a_page_instead_of_a_table_blocks_the_source(page: str) -> None:
    with pytest.raises(Blocked) as caught:
        stooq.check(answer(page))
    if "<title>" in page:
        assert caught.value.detail == 'shows a page instead of a table: "Verification"'


def test_a_table_without_rows_is_no_error() -> None:
    assert stooq.parse("Date,Open,High,Low,Close,Volume\r\n", "AAPL") == []


@pytest.mark.parametrize(
    ("symbol", "theirs"),
    [("AAPL", "aapl.us"), ("BRK.B", "brk-b.us"), ("TSCO.LON", "tsco.uk"), ("SAP.DEX", "sap.de")],
)
def test_symbols_are_translated(symbol: str, theirs: str) -> None:
    assert stooq.symbol_at(symbol) == theirs


def test_a_symbol_of_a_market_it_does_not_have_is_not_found() -> None:
    with pytest.raises(NotFound):
        stooq.symbol_at("SHOP.TRT")


@pytest.mark.parametrize("symbol", ["SHOP.TRT", "600104.SHH", "ABC.XYZ"])
def test_a_symbol_it_cannot_have_says_nothing_about_the_symbol(symbol: str) -> None:
    with pytest.raises(NotCovered):
        stooq.symbol_at(symbol)


def test_a_row_whose_prices_contradict_each_other_is_a_session_all_the_same() -> None:
    (bar,) = stooq.parse("Date,Open,High,Low,Close,Volume\r\n2026-01-30,9,2,1,3,4\r\n", "AAPL")
    assert (bar.open, bar.high, bar.low, bar.close) == (9, None, 1, 3)


def read(text: str) -> None:
    try:
        stooq.check(answer(text))
        stooq.parse(text, "AAPL")
    except UpstreamError as error:
        str(error).encode()


@given(st.text())
def test_any_text_ends_as_data_or_as_a_typed_error(text: str) -> None:
    read(text)


@given(st.text(alphabet=st.sampled_from("\"\r\n,\x00'0129-.eE\u0660"), max_size=80))
def test_any_table_ends_as_data_or_as_a_typed_error(text: str) -> None:
    read("Date,Open,High,Low,Close,Volume\r\n" + text)


def test_a_field_beyond_any_size_is_a_typed_error() -> None:
    with pytest.raises(BrokenResponse):
        stooq.parse("Date,Close\n2026-01-30," + "9" * 200_000, "AAPL")
