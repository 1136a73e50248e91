"""What Alpha Vantage says inside a 200, told apart; its quotes and bars, read."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.prices.sources import alpha_vantage
from tasks.prices.sources.source_errors import PremiumOnly, SettingRefused
from workers.errors import Blocked, BrokenResponse, NotFound, RateLimited, SettingMissing, UpstreamError
from workers.upstreams.responses import Response

FIXTURES = Path(__file__).parents[1] / "fixtures" / "alpha_vantage"
ERRORS = json.loads((FIXTURES / "errors.json").read_text())
QUOTE = json.loads((FIXTURES / "romeltorres_global_quote.json").read_text())
BARS = {
    "Meta Data": {"2. Symbol": "IBM"},
    "Time Series (Daily)": {
        "2026-01-30": {
            "1. open": "10.1",
            "2. high": "12",
            "3. low": "9.5",
            "4. close": "11.25",
            "5. volume": "1234567",
        },
        "2026-01-29": {
            "1. open": "10",
            "2. high": "11",
            "3. low": "9",
            "4. close": "10.5",
            "5. volume": "7",
        },
    },
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("daily", RateLimited),
        ("daily_older", RateLimited),
        ("burst", RateLimited),
        ("note_5_per_min", RateLimited),
        ("premium_endpoint", PremiumOnly),
        ("premium_outputsize", PremiumOnly),
        ("bad_key", SettingRefused),
        ("bad_key_information", SettingRefused),
        ("demo_key", SettingRefused),
        ("bad_call", NotFound),
    ],
)
def test_every_known_refusal_is_told_apart(name: str, kind: type[Exception]) -> None:
    assert type(alpha_vantage.classify(ERRORS[name])) is kind


@pytest.mark.parametrize(
    ("name", "scope"),
    [("daily", "day"), ("daily_older", "day"), ("burst", "second"), ("note_5_per_min", "minute")],
)
def test_a_limit_says_which_window_is_full(name: str, scope: str) -> None:
    error = alpha_vantage.classify(ERRORS[name])
    assert isinstance(error, RateLimited)
    assert re.search(rf"\b{scope}\b", error.detail)


@pytest.mark.outside(22)
@pytest.mark.parametrize(
    ("words", "scope"),
    [
        ("Our premium API rate limit is 75 requests per minute.", "minute"),
        ("You have exceeded 75 API requests per minute; your plan has no daily limit.", "minute"),
        ("Please limit yourself to 1 request per second.", "second"),
        ("Too many calls: 5 requests/min are allowed.", "minute"),
        ("Too many calls: 1/s.", "second"),
        ("Our standard API rate limit is 25 requests per day.", "day"),
        (
            "The rate limit is 25 requests per day. Please subscribe to a plan of 75 requests per minute.",
            "day",
        ),
        (
            "We have detected your API key as SECOND and our standard API rate limit is 25 requests per day.",
            "day",
        ),
        ("Our rate limit is 500 requests per hour.", "hour"),
        ("To subscribe to more than 25 requests per day see our plans.", "day"),
        ("The limit is 1 request per 1 second.", "second"),
        ("The limit is 75 API calls every 60 seconds.", "minute"),
        ("API call volume is 5 calls per 1-minute window.", "minute"),
        ("The limit is 25 requests per 24 hours.", "day"),
    ],
)
def test_a_limit_is_read_by_its_span_and_not_by_what_a_plan_would_give(words: str, scope: str) -> None:
    error = alpha_vantage.classify({"Information": words})
    assert isinstance(error, RateLimited), error
    assert re.search(rf"\b{scope}\b", error.detail)


@pytest.mark.outside(22)
def test_an_offer_beside_a_refusal_of_a_premium_call_names_no_limit() -> None:
    words = (
        "This is a premium endpoint. You may subscribe to any of the premium plans to lift the free key rate"
        " limit (25 requests per day) and raise the per-second burst limit."
    )
    assert isinstance(alpha_vantage.classify({"Information": words}), PremiumOnly)


@pytest.mark.outside(22)
@pytest.mark.parametrize(
    ("words", "at", "wait"),
    [
        ("1 request per second", "2026-01-30T12:00:00-05:00", 1.5),
        ("75 requests per minute", "2026-01-30T12:00:00-05:00", 60),
        ("25 requests per day", "2026-01-30T12:00:00-05:00", 12 * 3600 + 60),
        ("25 requests per day", "2026-01-30T23:59:30-05:00", 90),
        # Their clock may be behind ours: the day before is then not over.
        ("25 requests per day", "2026-01-30T00:00:30-05:00", 3600),
        # The night in which clocks go forward has an hour less.
        ("25 requests per day", "2026-03-08T01:30:00-05:00", 21.5 * 3600 + 60),
    ],
)
def test_a_pause_lasts_as_long_as_the_span(words: str, at: str, wait: float) -> None:
    error = alpha_vantage.classify({"Information": words}, datetime.fromisoformat(at))
    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(wait)


@pytest.mark.outside(22)
def test_an_answer_about_another_symbol_is_refused() -> None:
    with pytest.raises(BrokenResponse, match='asked for IBM, answered for "MSFT"'):
        alpha_vantage.parse_price(QUOTE, "IBM")
    with pytest.raises(BrokenResponse, match='asked for MSFT, answered for "IBM"'):
        alpha_vantage.parse_bars(BARS, "MSFT")


def test_a_symbol_written_in_the_vendors_way_is_the_same() -> None:
    quote = {"Global Quote": {**QUOTE["Global Quote"], "01. symbol": "brk-b"}}
    assert alpha_vantage.parse_price(quote, "BRK.B").price == Decimal("112.13")


@pytest.mark.outside(22)
def test_a_quote_of_a_plan_with_delayed_prices_is_read() -> None:
    quote = {"Global Quote - DATA DELAYED BY 15 MINUTES": QUOTE["Global Quote"]}
    assert alpha_vantage.parse_price(quote, "MSFT").price == Decimal("112.13")


def test_too_much_history_may_be_asked_for_in_a_smaller_answer_a_paid_call_may_not() -> None:
    outputsize = alpha_vantage.classify(ERRORS["premium_outputsize"])
    endpoint = alpha_vantage.classify(ERRORS["premium_endpoint"])
    assert isinstance(outputsize, PremiumOnly)
    assert isinstance(endpoint, PremiumOnly)
    assert (outputsize.smaller, endpoint.smaller) == (True, False)


def test_no_refusal_is_taken_for_data_and_no_data_for_a_refusal() -> None:
    assert alpha_vantage.classify(QUOTE) is None
    assert alpha_vantage.classify(BARS) is None
    assert alpha_vantage.classify(ERRORS["unknown_symbol"]) is None
    assert isinstance(alpha_vantage.classify({"Information": "new words"}), BrokenResponse)


def test_a_quote_is_read() -> None:
    price = alpha_vantage.parse_price(QUOTE, "MSFT")
    assert price.price == Decimal("112.13")
    assert price.session_date == date(2018, 10, 5)
    assert price.volume == 29062853
    assert price.previous_close == Decimal("112.79")
    assert price.change_percent == Decimal("-0.5852")


def test_an_empty_quote_means_an_unknown_symbol() -> None:
    with pytest.raises(NotFound):
        alpha_vantage.parse_price(ERRORS["unknown_symbol"], "NOPE")
    with pytest.raises(NotFound):
        alpha_vantage.parse_price({"Global Quote": {"01. symbol": "", "05. price": ""}}, "NOPE")
    with pytest.raises(BrokenResponse, match="gives no price of NOPE"):
        alpha_vantage.parse_price({"Global Quote": {"01. symbol": "NOPE"}}, "NOPE")


def test_an_empty_object_says_nothing_about_a_symbol() -> None:
    for parse in (alpha_vantage.parse_price, alpha_vantage.parse_bars):
        with pytest.raises(BrokenResponse):
            parse({}, "IBM")


def test_a_refusal_behind_a_byte_order_mark_and_a_challenge_page_are_told_apart() -> None:
    marked = b"\xef\xbb\xbf" + json.dumps(ERRORS["daily"]).encode()
    with pytest.raises(RateLimited):
        alpha_vantage.check(Response("alpha_vantage", 200, "", {}, marked))
    quoted = b"\xef\xbb\xbf" + json.dumps(QUOTE).encode()
    answer = Response("alpha_vantage", 200, "", {}, quoted)
    alpha_vantage.check(answer)
    assert alpha_vantage.parse_price(answer.json(), "MSFT").price == Decimal("112.13")
    page = b"<!doctype html><title>Just a moment...</title>"
    with pytest.raises(Blocked):
        alpha_vantage.check(Response("alpha_vantage", 200, "", {}, page))


def test_a_row_whose_prices_contradict_each_other_is_a_session_all_the_same() -> None:
    row = {"1. open": "5", "2. high": "4", "3. low": "6", "4. close": "5"}
    (bar,) = alpha_vantage.parse_bars({"Time Series (Daily)": {"2026-01-30": row}}, "IBM")
    assert (bar.open, bar.high, bar.low, bar.close) == (5, None, None, 5)


def test_bars_are_read_in_order() -> None:
    bars = alpha_vantage.parse_bars(BARS, "IBM")
    assert [(bar.date.day, bar.close, bar.volume) for bar in bars] == [
        (29, Decimal("10.5"), 7),
        (30, Decimal("11.25"), 1234567),
    ]


def test_a_row_that_is_no_bar_is_passed_over_and_a_table_of_none_is_broken() -> None:
    series = {"2026-01-30": None, "2026-01-29": {"4. close": "0"}, "x": {"4. close": "1"}}
    with pytest.raises(BrokenResponse):
        alpha_vantage.parse_bars({"Time Series (Daily)": series}, "IBM")
    series["2026-01-28"] = {"4. close": "1"}
    assert len(alpha_vantage.parse_bars({"Time Series (Daily)": series}, "IBM")) == 1


def test_a_bar_that_the_database_cannot_hold_is_none() -> None:
    for close in ("1e400", "-1", "NaN", "Infinity", "1e-9", "9" * 70, [], {}, None, True, "abc"):
        body = {"Time Series (Daily)": {"2026-01-30": {"4. close": close}}}
        with pytest.raises(BrokenResponse):
            alpha_vantage.parse_bars(body, "IBM")


def read(body: Any) -> None:
    """All that production does with a body; anything but a typed error is a defect."""
    content = json.dumps(body).encode()
    answer = Response("alpha_vantage", 200, "", {}, content)
    for parse in (alpha_vantage.parse_price, alpha_vantage.parse_bars):
        said = ""
        try:
            alpha_vantage.check(answer)
            parse(answer.json(), "IBM")
        except (UpstreamError, SettingMissing) as error:
            said = str(error)
        # Whatever it says must fit a log line and a row.
        said.encode()
        assert "\x00" not in said


@given(JSON)
def test_any_json_ends_as_data_or_as_a_typed_error(body: Any) -> None:
    read(body)


@given(st.sampled_from(["Error Message", "Information", "Note"]), JSON)
def test_any_message_ends_as_a_typed_error(name: str, message: Any) -> None:
    error = alpha_vantage.classify({name: message})
    assert isinstance(error, UpstreamError | SettingMissing)


@given(
    st.sampled_from(["05. price", "07. latest trading day", "06. volume", "08. previous close"]), JSON
)
def test_any_value_in_a_quote_ends_as_data_or_as_a_typed_error(name: str, value: Any) -> None:
    read({"Global Quote": {**QUOTE["Global Quote"], name: value}})


@given(
    st.text(max_size=12), st.dictionaries(st.sampled_from(["1. open", "4. close", "5. volume"]), JSON)
)
def test_any_row_in_a_series_ends_as_data_or_as_a_typed_error(day: str, row: dict[str, Any]) -> None:
    read({"Time Series (Daily)": {day: row, "2026-01-30": {"4. close": "1"}, "2026-01-29": row}})


@given(st.data())
def test_a_mutated_answer_ends_as_data_or_as_a_typed_error(data: st.DataObject) -> None:
    body = data.draw(st.sampled_from([*ERRORS.values(), QUOTE, BARS]))
    content = bytearray(json.dumps(body).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not content:
            break
    answer = Response("alpha_vantage", 200, "", {}, bytes(content))
    try:
        alpha_vantage.check(answer)
        alpha_vantage.parse_bars(answer.json(), "IBM")
    except (UpstreamError, SettingMissing):
        return


def test_compact_reaches_ninety_days_back() -> None:
    today = date(2026, 1, 30)
    assert alpha_vantage.output_size(None, today) == "compact"
    assert alpha_vantage.output_size(date(2025, 11, 1), today) == "compact"
    assert alpha_vantage.output_size(date(2025, 10, 31), today) == "full"
