"""Alpha Vantage (www.alphavantage.co/query, key needed); every refusal comes as HTTP 200.

Free keys: 25 calls a day, 1 a second.  Refusals are told apart by their words, which its documentation
does not list; those below are quoted by many public clients.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from tasks.prices.bars import Bar
from tasks.prices.quotes import Price
from workers.errors import BrokenAnswer, NotFound, RateLimited, SettingMissing, UpstreamError
from workers.settings import settings
from workers.upstream import Answer, Door

UPSTREAM = "alpha_vantage"
NAME = "alpha_vantage"
#: A refusal for the day is believed for an hour, then one call tries again (seconds).
DAY_PAUSE = 3600.0 * 6
BURST_PAUSE = 1.5
MINUTE_PAUSE = 60.0


class PremiumOnly(UpstreamError):
    """The call is not part of the key's plan."""


def _key() -> str:
    return settings().require("alpha_vantage_api_key", "Alpha Vantage gives prices only with a key")


def _ask(door: Door, function: str, **params: str) -> Answer:
    key = _key()
    return door.get(
        UPSTREAM,
        "/query",
        params={"function": function, **params, "apikey": key},
        secrets=(key,),
        check=check,
        timeout=20.0,
    )


def fetch_price(door: Door, symbol: str) -> Price:
    """The latest price of ``symbol`` (GLOBAL_QUOTE); NotFound when there is no such symbol."""
    return parse_price(_ask(door, "GLOBAL_QUOTE", symbol=symbol).json(), symbol)


def fetch_bars(door: Door, symbol: str, *, full: bool = False) -> list[Bar]:
    """Daily bars (TIME_SERIES_DAILY): the last 100, or all of them with a paid key."""
    size = "full" if full else "compact"
    return parse_bars(_ask(door, "TIME_SERIES_DAILY", symbol=symbol, outputsize=size).json(), symbol)


def check(answer: Answer) -> None:
    """Raise what a refusal inside a 200 means."""
    if answer.content.lstrip()[:1] in {b"{", b"["}:
        error = classify(answer.json())
        if error is not None:
            raise error


def classify(body: Any) -> UpstreamError | SettingMissing | None:
    """The error that a refusal's words stand for, or None when the body is no refusal."""
    if not isinstance(body, Mapping):
        return BrokenAnswer(UPSTREAM, "answer is no object")
    message = " ".join(
        str(body[name]) for name in ("Error Message", "Information", "Note") if name in body
    )
    if not message:
        return None
    words = message.lower()
    if "apikey is invalid or missing" in words:
        return SettingMissing("WATCHKEEPER_ALPHA_VANTAGE_API_KEY", "Alpha Vantage refuses the key")
    if "demo** api key" in words or "demo api key" in words:
        return SettingMissing("WATCHKEEPER_ALPHA_VANTAGE_API_KEY", "the demo key is for demos only")
    # "requests per day" also stands in the burst refusal, so that is asked first.
    if "spreading out" in words or ("per second" in words and "burst" in words):
        return RateLimited(UPSTREAM, "too many calls a second", retry_after=BURST_PAUSE)
    if "premium" in words and ("premium endpoint" in words or "premium feature" in words):
        return PremiumOnly(UPSTREAM, "this call needs a paid key")
    if "calls per minute" in words:
        return RateLimited(UPSTREAM, "too many calls a minute", retry_after=MINUTE_PAUSE)
    if "requests per day" in words or "calls per day" in words or "detected your api key" in words:
        return RateLimited(UPSTREAM, "the day's quota of the key is used up", retry_after=DAY_PAUSE)
    if "invalid api call" in words:
        return NotFound(UPSTREAM, "it knows no such symbol")
    return BrokenAnswer(UPSTREAM, f"says: {message[:200]}")


def parse_price(body: Any, symbol: str) -> Price:
    """The price of a GLOBAL_QUOTE answer; an empty quote means an unknown symbol."""
    quote = body.get("Global Quote") if isinstance(body, Mapping) else None
    if not isinstance(quote, Mapping):
        raise BrokenAnswer(UPSTREAM, "answer holds no quote")
    if not quote:
        raise NotFound(UPSTREAM, f"it knows no symbol {symbol}")
    price = _number(quote.get("05. price"))
    if price is None or price <= 0:
        raise BrokenAnswer(UPSTREAM, f"price of {symbol} is {quote.get('05. price')!r}")
    day = _date(quote.get("07. latest trading day"))
    if day is None:
        raise BrokenAnswer(UPSTREAM, f"quote of {symbol} names no trading day")
    return Price(symbol, price, day, _count(quote.get("06. volume")))


def parse_bars(body: Any, symbol: str) -> list[Bar]:
    """Bars of a TIME_SERIES_DAILY answer, ascending; a row that is none is passed over."""
    series = body.get("Time Series (Daily)") if isinstance(body, Mapping) else None
    if not isinstance(series, Mapping):
        if body == {}:
            raise NotFound(UPSTREAM, f"it knows no symbol {symbol}")
        raise BrokenAnswer(UPSTREAM, "answer holds no daily series")
    bars = [bar for day, row in series.items() if (bar := _bar(day, row)) is not None]
    return sorted(bars, key=lambda bar: bar.date)


def _bar(day: Any, row: Any) -> Bar | None:
    when = _date(day)
    if when is None or not isinstance(row, Mapping):
        return None
    close = _number(row.get("4. close"))
    if close is None or close <= 0:
        return None
    first, high, low = (_number(row.get(name)) for name in ("1. open", "2. high", "3. low"))
    return Bar(when, first, high, low, close, _count(row.get("5. volume")))


def parse_csv(text: str) -> list[Bar]:
    """Bars of a ``datatype=csv`` answer (timestamp,open,high,low,close,volume)."""
    bars = []
    for row in csv.DictReader(io.StringIO(text.replace("\x00", ""))):
        bar = _bar(
            row.get("timestamp"),
            {
                "1. open": row.get("open"),
                "2. high": row.get("high"),
                "3. low": row.get("low"),
                "4. close": row.get("close"),
                "5. volume": row.get("volume"),
            },
        )
        if bar is not None:
            bars.append(bar)
    return sorted(bars, key=lambda bar: bar.date)


def _number(value: Any) -> Decimal | None:
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) < Decimal(10) ** 13 else None


def _count(value: Any) -> int | None:
    found = _number(value)
    return int(found) if found is not None and found >= 0 else None


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
