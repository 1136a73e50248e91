"""Stooq (stooq.com/q/d/l, no key): daily bars as CSV; every refusal is plain text with HTTP 200.

Some callers are asked for a key, a captcha or a proof of work, which is read as "blocked".  An unknown
symbol and days without a session both give "No data".
"""

import re
from datetime import date, timedelta

from tasks.prices import values
from tasks.prices.bars import Bar, ascending, parse_row
from tasks.prices.markets import NEW_YORK, market_of
from tasks.prices.quotes import last_close
from tasks.prices.sources.source_errors import NotCovered
from tasks.prices.values import Price
from workers.errors import Blocked, BrokenResponse, NotFound, RateLimited, UpstreamError
from workers.execution import computing, count_words
from workers.upstreams import CallOptions, Response, UpstreamClient, is_challenge

UPSTREAM = NAME = "stooq"
#: Ending of Stooq's symbols by exchange.
ENDINGS = {"XNYS": "us", "XLON": "uk", "XETR": "de", "XTKS": "jp", "XHKG": "hk"}
#: Its limit is by the day; when the day ends is not documented (seconds).
DAY_PAUSE = 6 * 3600.0
#: How far back a price is looked for: weekends and holidays have none.
PRICE_REACH = timedelta(days=14)
#: Every exchange has a session within so long: a symbol without data for longer is unknown.
MAX_CLOSURE = timedelta(days=13)
DEFAULT_REACH = timedelta(days=150)


def ready() -> None: ...


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
    return last_close(symbol, bars)


def fetch_bars(client: UpstreamClient, symbol: str, first: date | None, today: date) -> list[Bar]:
    """Daily bars from ``first`` on (None: the last 100 or so)."""
    first = first or today - DEFAULT_REACH
    params = {
        "s": symbol_at(symbol),
        "i": "d",
        "d1": first.strftime("%Y%m%d"),
        "d2": today.strftime("%Y%m%d"),
    }
    try:
        options = CallOptions(params=params, check=check, timeout=20.0)
        text = client.get(UPSTREAM, "/q/d/l/", options).text
        with computing():
            return parse(text, symbol)
    except NoData as error:
        if today - first > MAX_CLOSURE:
            raise NotFound(
                UPSTREAM, f"it does not know the symbol {symbol}, or has nothing since {first}"
            ) from error
        return []


class NoData(NotFound):
    """The response is "No data": for these days, or for the symbol at all."""


def check(response: Response) -> None:
    if is_challenge(response):
        raise Blocked(UPSTREAM, f"shows a challenge page{_title(response.text)}")
    error = classify(response.text)
    if error is not None:
        raise error


def classify(text: str) -> UpstreamError | None:
    start = text[:500].lstrip("\ufeff \t\r\n").lower()
    if start.startswith("date,"):
        return None
    if "daily hits limit" in start:
        return RateLimited(UPSTREAM, "the day's hits are used up", retry_after=DAY_PAUSE)
    if any(word in start for word in ("captcha", "apikey", "api key")):
        return Blocked(UPSTREAM, "asks for a key or a captcha")
    if start.startswith("<") or "proof of work" in start or "javascript" in start:
        # Data comes as a table; a page asks a person to prove to be one.
        return Blocked(UPSTREAM, f"shows a page instead of a table{_title(text)}")
    if start.startswith("no data"):
        return NoData(UPSTREAM, "it has no data")
    return BrokenResponse(UPSTREAM, f"sent no table: {values.words(text)[:80]}")


def _title(page: str) -> str:
    found = re.search(r"<title[^>]*>(.{1,200}?)</title>", page[:20_000], re.IGNORECASE | re.DOTALL)
    said = values.words(found[1])[:80] if found else ""
    return f': "{said}"' if said else ""


def parse(text: str, symbol: str) -> list[Bar]:
    """Bars of a table, ascending; a row that is no bar is passed over."""
    error = classify(text)
    if error is not None:
        raise error
    table = list(values.rows(text, UPSTREAM))
    bars = [bar for row in table if (bar := parse_row(row)) is not None]
    if table and not bars:
        raise BrokenResponse(UPSTREAM, f"none of {count_words(len(table), 'row')} of {symbol} is a bar")
    return ascending(bars)
