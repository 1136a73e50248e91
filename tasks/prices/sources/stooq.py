"""Stooq (stooq.com/q/d/l, no key): daily bars as CSV; every refusal is plain text with HTTP 200.

It gives no promise: some callers are asked for a key, a captcha or a proof of work, which is read as
"blocked".  "No data" is its word for an unknown symbol and for days without a session alike.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from tasks.prices import values
from tasks.prices.bars import Bar, told
from tasks.prices.quotes import Price
from tasks.prices.sources.refusals import LimitReached, NotCovered
from tasks.prices.symbols import NEW_YORK, market_of
from workers.errors import Blocked, BrokenAnswer, NotFound, UpstreamError
from workers.upstreams import CallOptions, Response, UpstreamClient, is_challenge

UPSTREAM = NAME = "stooq"
#: Ending of Stooq's symbols by exchange; it has no others of ours.
ENDINGS = {"XNYS": "us", "XLON": "uk", "XETR": "de", "XTKS": "jp", "XHKG": "hk"}
#: Its limit is by the day; when the day ends is not documented (seconds).
DAY_PAUSE = 6 * 3600.0
#: How far back a price is looked for, over weekends and holidays.
PRICE_REACH = timedelta(days=14)
#: No exchange rests so long: where there is no data for as many days, the symbol has none.
LONGEST_REST = timedelta(days=13)
#: How far back bars are asked for when nobody says.
USUAL_REACH = timedelta(days=150)


def ready() -> None:
    """Nothing is needed to ask."""


def symbol_at(symbol: str) -> str:
    """Stooq's name of ``symbol``: AAPL → aapl.us, BRK.B → brk-b.us; NotCovered when it has none."""
    mic = market_of(symbol)
    if mic not in ENDINGS:
        raise NotCovered(UPSTREAM, f"it has no symbols such as {symbol}")
    name = symbol if mic == NEW_YORK else symbol.rpartition(".")[0]
    return f"{name.replace('.', '-')}.{ENDINGS[mic]}".lower()


def fetch_price(client: UpstreamClient, symbol: str, today: date) -> Price:
    """The last close of ``symbol``; NotFound when there is no such symbol."""
    bars = fetch_bars(client, symbol, today - PRICE_REACH, today)
    if not bars:
        raise NotFound(UPSTREAM, f"it has no recent price of {symbol}")
    before = bars[-2].close if len(bars) > 1 else None
    return Price(symbol, bars[-1].close, bars[-1].date, bars[-1].volume, before)


def fetch_bars(client: UpstreamClient, symbol: str, first: date | None, today: date) -> list[Bar]:
    """Daily bars from ``first`` on (None: the last 100 or so)."""
    first = first or today - USUAL_REACH
    params = {
        "s": symbol_at(symbol),
        "i": "d",
        "d1": first.strftime("%Y%m%d"),
        "d2": today.strftime("%Y%m%d"),
    }
    try:
        options = CallOptions(params=params, check=check, timeout=20.0)
        return parse(client.get(UPSTREAM, "/q/d/l/", options).text, symbol)
    except NoData as error:
        if today - first > LONGEST_REST:
            raise NotFound(
                UPSTREAM, f"it knows no symbol {symbol}, or has nothing since {first}"
            ) from error
        return []


class NoData(NotFound):
    """It says "No data": of these days, or of the symbol at all."""


def check(answer: Response) -> None:
    """Raise what a refusal inside a 200 means."""
    if is_challenge(answer):
        raise Blocked(UPSTREAM, f"shows a challenge page{_title(answer.text)}")
    error = classify(answer.text)
    if error is not None:
        raise error


def classify(text: str) -> UpstreamError | None:
    """The error that the words stand for, or None when the text is a table."""
    start = text[:500].lstrip("\ufeff \t\r\n").lower()
    if start.startswith("date,"):
        return None
    if "daily hits limit" in start:
        return LimitReached(UPSTREAM, "the day's hits are used up", "day", DAY_PAUSE)
    if any(word in start for word in ("captcha", "apikey", "api key")):
        return Blocked(UPSTREAM, "asks for a key or a captcha")
    if start.startswith("<") or "proof of work" in start or "javascript" in start:
        # Its answers are tables: a page is for people, to prove that they are some.
        return Blocked(UPSTREAM, f"shows a page instead of a table{_title(text)}")
    if start.startswith("no data"):
        return NoData(UPSTREAM, "it has no data")
    return BrokenAnswer(UPSTREAM, f"sent no table: {values.words(text)[:80]}")


def _title(page: str) -> str:
    """What a page calls itself, as evidence, or nothing."""
    found = re.search(r"<title[^>]*>(.{1,200}?)</title>", page[:20_000], re.IGNORECASE | re.DOTALL)
    said = values.words(found[1])[:80] if found else ""
    return f': "{said}"' if said else ""


def parse(text: str, symbol: str) -> list[Bar]:
    """Bars of a table, ascending; a row that is none is passed over."""
    error = classify(text)
    if error is not None:
        raise error
    table = list(values.rows(text, UPSTREAM))
    bars = [bar for row in table if (bar := bar_of(row)) is not None]
    if table and not bars:
        raise BrokenAnswer(UPSTREAM, f"none of the {len(table)} rows of {symbol} is a bar")
    return sorted(bars, key=lambda bar: bar.date)


def bar_of(row: dict[str, str]) -> Bar | None:
    """A row with date, open, high, low, close, volume as a bar, or None."""
    when, close = values.day(row.get("date")), values.amount(row.get("close"))
    if when is None or close is None:
        return None
    first, high, low = (values.amount(row.get(name)) for name in ("open", "high", "low"))
    return told(when, first, high, low, close, values.count(row.get("volume")))
