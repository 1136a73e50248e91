"""Numbers, symbols, ranges, recorded rows, the verdict over several sources: all pure."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.prices import spans, values
from tasks.prices.active import Wanted, merge, order
from tasks.prices.bars import Bar, parse_bar
from tasks.prices.fetching import Failure, SourceOptions, verdict
from tasks.prices.history import HistoryOptions
from tasks.prices.markets import NOWHERE, market_of
from tasks.prices.refresh import RefreshOptions
from tasks.prices.sources import replay
from tasks.prices.sources.source_errors import NotCovered
from tasks.prices.spans import Gap, Span
from tasks.prices.symbols import WRITTEN, check
from tasks.prices.values import Price
from workers.errors import (
    BrokenResponse,
    NotFound,
    QuotaSpent,
    QuotaWait,
    SettingMissing,
    Unavailable,
)
from workers.redaction import remember

NOW = datetime(2026, 1, 30, tzinfo=UTC)


@example("1e999999999")
@example("-1e-999999999")
@given(st.decimals(allow_nan=True, allow_infinity=True) | st.floats() | st.integers() | st.text())
def test_a_number_fits_the_database_or_is_none(value: Any) -> None:
    found = values.number(value)
    assert found is None or (found == round(found, 6) and abs(found) < 10**14)
    amount = values.amount(value)
    assert amount is None or amount >= Decimal("0.000001")


@given(st.text() | st.none() | st.integers() | st.dates().map(str) | st.datetimes().map(str))
def test_a_day_and_a_moment_are_read_or_none(value: Any) -> None:
    assert values.day(value) is None or values.day(value).year in values.YEARS  # type: ignore[union-attr]
    found = values.moment(value)
    assert found is None or found.tzinfo is UTC


@given(st.text() | st.integers())
def test_words_fit_a_log_line_and_a_row(value: Any) -> None:
    found = values.words(value)
    found.encode()
    assert "\x00" not in found
    assert len(found) <= values.MAX_MESSAGE


@pytest.mark.parametrize(
    ("symbol", "mic"),
    [
        ("AAPL", "XNYS"),
        ("BRK.B", "XNYS"),
        ("BRK-B", "XNYS"),
        ("TSCO.LON", "XLON"),
        ("600104.SHH", "XSHG"),
        ("000002.SHZ", "XSHG"),
        ("RELIANCE.BSE", "XBOM"),
        ("SHOP.TRT", "XTSE"),
        ("GPV.TRV", "XTSE"),
        ("MBG.DEX", "XETR"),
        ("MBG.FRK", "XFRA"),
        ("ABC.XYZ", NOWHERE),
    ],
)
def test_symbols_follow_their_market(symbol: str, mic: str) -> None:
    assert market_of(check(symbol.lower())) == mic


@pytest.mark.parametrize(
    "symbol", ["", " ", "A PL", "A;DROP", "../etc", "A" * 30, "É", "A.B.C", "٣", "ß", "ﬁ", "a\u017f"]
)
def test_what_is_no_symbol_is_refused(symbol: str) -> None:
    with pytest.raises(ValueError, match="is not a symbol"):
        check(symbol)


@given(st.text(max_size=20))
def test_a_checked_symbol_stays_itself(text: str) -> None:
    try:
        symbol = check(text)
    except ValueError:
        return
    assert check(symbol) == symbol
    assert market_of(symbol)


@given(st.from_regex(WRITTEN.replace("$", r"\Z")) | st.text(max_size=20))
def test_what_the_database_takes_for_a_symbol_is_one(text: str) -> None:
    try:
        check(text)
        is_one = len(text) <= 20 and text.strip() == text.strip(" ")
    except ValueError:
        is_one = False
    assert bool(re.search(WRITTEN.replace("$", r"\Z"), text)) == is_one or len(text) > 20


def test_a_bar_without_sense_is_refused() -> None:
    one = Decimal(1)
    with pytest.raises(ValueError, match="price"):
        Bar(NOW.date(), one, one, one, Decimal(0), 1)
    with pytest.raises(ValueError, match="volume"):
        Bar(NOW.date(), one, one, one, one, -1)


PRICES = st.decimals(Decimal("0.01"), Decimal(1000), places=2)


@pytest.mark.parametrize(
    ("first", "high", "low", "close"),
    [
        ("10", "9", "12", "11"),
        ("10", "12", "9", "13"),
        ("10", "12", "9", "8"),
        ("13", "12", "9", "11"),
        ("8", "12", "9", "11"),
        (None, "9", "12", "9"),
    ],
)
def test_prices_outside_low_and_high_are_no_bar(
    first: str | None, high: str, low: str, close: str
) -> None:
    numbers = (Decimal(one) if one else None for one in (first, high, low))
    with pytest.raises(ValueError, match="between low and high"):
        Bar(NOW.date(), *numbers, Decimal(close), 1)


@given(st.none() | PRICES, st.none() | PRICES, st.none() | PRICES, PRICES)
def test_a_row_that_contradicts_itself_keeps_its_close(
    first: Decimal | None, high: Decimal | None, low: Decimal | None, close: Decimal
) -> None:
    bar = parse_bar(str(NOW.date()), first, high, low, close, 7)
    assert bar is not None
    assert (bar.close, bar.volume) == (close, 7)
    try:
        sound = Bar(NOW.date(), first, high, low, close, 7)
    except ValueError:
        assert None in {bar.open, bar.high, bar.low}
    else:
        assert bar == sound


def test_a_change_is_rounded_half_up_and_once() -> None:
    def price(now: str, before: str) -> Price:
        return Price("A", Decimal(now), NOW.date(), None, Decimal(before))

    assert price("100.00125", "100").change_percent == Decimal("0.0013")
    # 0.00495 % is 0.00 %, though its four decimals 0.0050 would round to 0.01.
    assert values.percent_change(Decimal("100.00495"), Decimal(100), 2) == Decimal("0.00")
    assert values.percent_change(Decimal("99.995"), Decimal(100), 2) == Decimal("-0.01")


def test_a_key_that_words_repeat_is_masked_before_they_are_cut() -> None:
    key = "QX93KD72LM40ZT18"
    remember([key])
    for before in range(170, 210):
        found = values.words("x" * before + key)
        assert not any(part in found for part in (key, key[:8], key[8:])), before


def test_a_range_slides_unless_both_ends_are_named() -> None:
    today = date(2025, 10, 24)
    assert spans.span_of(today) == Span(date(2025, 9, 24), today)
    assert spans.span_of(today, duration_days=60) == Span(date(2025, 8, 25), today)
    both = spans.span_of(today, duration_days=5, start_date=date(2020, 1, 1))
    assert both == Span(date(2025, 10, 19), today)
    with pytest.raises(ValueError, match="Invalid date range"):
        spans.span_of(today, start_date=date(2025, 11, 1))
    assert spans.span_of(today, duration_days=30, end_date=date(2025, 5, 31)).first == date(2025, 5, 1)


@pytest.mark.parametrize(
    "days",
    [
        {"start_date": date(1, 1, 1)},
        {"end_date": date(1, 1, 1)},
        {"end_date": date(1, 1, 9), "duration_days": 20_000},
        {"end_date": date(9999, 12, 31)},
    ],
)
def test_days_that_nobody_has_prices_of_are_no_range(days: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Invalid date range"):
        spans.span_of(date(2025, 10, 24), **days)


@given(st.lists(st.dates(date(2020, 1, 1), date(2020, 3, 1)), unique=True), st.data())
def test_gaps_are_exactly_the_missing_sessions(days: list[date], data: st.DataObject) -> None:
    sessions = sorted(days)
    stored = set(data.draw(st.lists(st.sampled_from(sessions or [date(2020, 1, 1)]))))
    gaps = spans.find_gaps(sessions, stored)
    missing = [day for day in sessions if any(gap.first <= day <= gap.last for gap in gaps)]
    assert missing == [day for day in sessions if day not in stored]
    assert sum(gap.sessions for gap in gaps) == len(missing)


def test_missing_sessions_in_a_row_are_one_gap() -> None:
    sessions = [date(2026, 1, day) for day in (5, 6, 7, 8, 9, 12)]
    stored = {date(2026, 1, 5), date(2026, 1, 8)}
    assert spans.find_gaps(sessions, stored) == [
        Gap(date(2026, 1, 6), date(2026, 1, 7), 2),
        Gap(date(2026, 1, 9), date(2026, 1, 12), 2),
    ]


def test_a_symbol_named_twice_keeps_the_most_urgent_of_each() -> None:
    day, minute = timedelta(days=1), timedelta(minutes=1)
    merged = merge([Wanted("A", 100, minute)], [Wanted("A", 50, day), Wanted("B", 200, day)])
    assert list(merged.values()) == [Wanted("A", 50, minute), Wanted("B", 200, day)]


def test_the_urgent_go_first_then_what_was_never_priced_then_the_oldest() -> None:
    day = timedelta(days=1)
    wanted = [
        Wanted(symbol, priority, day) for symbol, priority in (("A", 9), ("B", 1), ("C", 1), ("D", 1))
    ]
    confirmed = {"B": NOW, "D": NOW - day}
    assert [one.symbol for one in order(wanted, confirmed)] == ["C", "D", "B", "A"]


RECORDED = """Ticker,Date,Open,High,Low,Close,Volume,Adj Close
IBM,2013-02-27,198.89,202.75,198.6,202.33,4185100,174.7
IBM,2013-02-28,202.18,203.123,200.79,200.83,4689200,173.4
ibm,2013-02-26T21:00:00+00:00,1,1,1,2,3,
IBM,2013-02-26T22:00:00+00:00,1,1,1,9,3,
IBM,2013-02-25T10:00:00,1,1,1,9,3,
IBM,nonsense,1,1,1,1,1,1
"""


def test_a_recorded_session_is_the_date_as_it_is_written() -> None:
    text = "Ticker,Date,Close\nIBM,2026-01-30T20:00:00-05:00,5\nIBM,2026-01-29T03:00:00+09:00,4\n"
    assert [bar.date.day for bar in replay.parse(text)["IBM"]] == [29, 30]


def test_recorded_rows_are_read_and_the_days_end_counts() -> None:
    bars = replay.parse(RECORDED)["IBM"]
    assert [(bar.date.day, bar.close) for bar in bars] == [
        (26, 2),
        (27, Decimal("202.33")),
        (28, Decimal("200.83")),
    ]


@given(st.text(alphabet=st.sampled_from('TickerDateClose,\n"\x00019-.:+ZI'), max_size=120))
def test_any_recorded_text_ends_as_bars_or_as_a_typed_error(text: str) -> None:
    for start in ("", "Ticker,Date,Close\n"):
        with suppress(BrokenResponse):
            assert all(replay.parse(start + text).values())


def test_the_first_source_able_to_speak_decides() -> None:
    missing = SettingMissing("X", "y")
    unknown = NotFound("a", "no such symbol")
    out = Unavailable("b", "down")
    spent = QuotaSpent("c", NOW, "day")
    shut = QuotaWait("d", 30.0, "blocked", blocked=True)
    absent = NotCovered("e", "no such symbols")
    cases: list[tuple[list[Failure], Exception]] = [
        ([unknown, out], unknown),
        ([out, unknown], out),
        ([spent, unknown], spent),
        ([out, spent], spent),
        ([missing, unknown], unknown),
        ([missing, out], out),
        ([missing], missing),
        ([absent, out], out),
        ([out, absent], out),
        ([absent, unknown], unknown),
        ([absent], absent),
        ([missing, absent], absent),
        ([shut, unknown], shut),
        ([unknown, shut], unknown),
        ([out, shut], shut),
        ([spent, shut], shut),
    ]
    for failures, expected in cases:
        assert verdict(failures) is expected, failures


def test_sources_are_asked_once_each_in_order() -> None:
    options = SourceOptions(source="stooq", fallback=["alpha_vantage", "stooq"])
    assert options.order == ["stooq", "alpha_vantage"]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (RefreshOptions, {"active_stock_days": 0}),
        (RefreshOptions, {"active_stock_days": 3651}),
        (RefreshOptions, {"symbols": ["A PL"]}),
        (RefreshOptions, {"source": "yahoo"}),
        (RefreshOptions, {"symbol": ["AAPL"]}),
        (HistoryOptions, {"symbols": []}),
        (HistoryOptions, {}),
        (HistoryOptions, {"symbols": ["A"], "duration_days": 0}),
        (HistoryOptions, {"symbols": ["A"], "end_date": "0001-01-05"}),
        (HistoryOptions, {"symbols": ["A"], "start_date": "0001-01-05"}),
        (HistoryOptions, {"symbols": ["A"], "end_date": "9999-12-31", "duration_days": 5}),
        (HistoryOptions, {"symbols": ["A"], "start_date": "2025-11-01", "end_date": "2025-10-01"}),
    ],
)
def test_options_out_of_range_are_refused(model: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(options)
