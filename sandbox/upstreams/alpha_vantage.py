"""Imitates www.alphavantage.co/query: every refusal is a 200 with words.

Recorded daily bars are replayed so that their last day falls on the latest weekday that has ended;
other symbols get made-up bars, the same at every call.
"""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from sandbox.upstreams.base import Handler, Reply, as_json
from sandbox.upstreams.tokens import chance

LIMITS = [(75, 60.0)]
DATA = Path(__file__).parents[1] / "data" / "daily_bars.csv.gz"
KEY = "sandbox-key"
MADE_UP = ("AMZN", "GOOGL", "TSLA", "NVDA", "META", "BRK.B", "TSCO.LON")
BURST = (
    "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly"
    " (1 request per second). You may subscribe to any of the premium plans to lift the free key rate limit"
    " (25 requests per day), raise the per-second burst limit, and instantly unlock all premium endpoints"
)
PER_MINUTE = (
    "Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per minute and 500 calls"
    " per day."
)
PREMIUM = (
    "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature for the"
    " TIME_SERIES_DAILY endpoint."
)
BAD_KEY = "the parameter apikey is invalid or missing. Please claim your free API key."
BAD_CALL = "Invalid API call. Please retry or visit the documentation for TIME_SERIES_DAILY."

Row = tuple[float, float, float, float, int]


@lru_cache(maxsize=1)
def recorded() -> dict[str, list[Row]]:
    """Recorded bars by symbol, ascending."""
    found: dict[str, list[Row]] = {}
    with gzip.open(DATA, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            values = tuple(float(row[name]) for name in ("Open", "High", "Low", "Close"))
            found.setdefault(row["Ticker"], []).append((*values, int(float(row["Volume"]))))  # type: ignore[arg-type]
    return found


def _made_up(symbol: str) -> list[Row]:
    rows, price = [], 50 + 400 * chance("start", symbol)
    for number in range(150):
        price *= 1 + 0.04 * (chance(symbol, number) - 0.49)
        rows.append((price * 0.99, price * 1.01, price * 0.98, price, int(1e6 * (1 + chance(number)))))
    return rows


def weekdays_back(now: datetime, count: int) -> list[date]:
    """The last ``count`` weekdays whose New York session is surely over (21:00 UTC), ascending."""
    day = now.date() if now.hour >= 21 else now.date() - timedelta(days=1)
    found: list[date] = []
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day -= timedelta(days=1)
    return found[::-1]


def series(symbol: str, now: datetime) -> dict[date, Row] | None:
    """The last hundred sessions of a symbol, or None when it is unknown."""
    rows = recorded().get(symbol) or (_made_up(symbol) if symbol in MADE_UP else None)
    if rows is None:
        return None
    days = weekdays_back(now, 100)
    return dict(zip(days, rows[-100:], strict=True))


def refuse(_: float) -> Reply:
    """Too much: 200 with the minute's or the second's words."""
    return as_json({"Note": PER_MINUTE})


def respond(handler: Handler) -> Reply:
    """Answer one call."""
    ask = {
        name: handler.get_query_argument(name, "")
        for name in ("function", "symbol", "apikey", "outputsize")
    }
    if ask["apikey"] != KEY:
        return as_json({"Error Message": BAD_KEY})
    if ask["outputsize"] == "full":
        return as_json({"Information": PREMIUM})
    found = series(ask["symbol"].upper(), datetime.now(UTC))
    if ask["function"] == "GLOBAL_QUOTE":
        return as_json({"Global Quote": _quote(ask["symbol"], found) if found else {}})
    if ask["function"] != "TIME_SERIES_DAILY" or found is None:
        return as_json({"Error Message": BAD_CALL})
    names = ("1. open", "2. high", "3. low", "4. close")
    rows = {
        day.isoformat(): {
            **{name: f"{value:.4f}" for name, value in zip(names, row[:4], strict=True)},
            "5. volume": str(row[4]),
        }
        for day, row in sorted(found.items(), reverse=True)
    }
    return as_json({"Meta Data": {"2. Symbol": ask["symbol"]}, "Time Series (Daily)": rows})


def _quote(symbol: str, found: dict[date, Row]) -> dict[str, str]:
    day, row = max(found.items())
    return {
        "01. symbol": symbol,
        "02. open": f"{row[0]:.4f}",
        "03. high": f"{row[1]:.4f}",
        "04. low": f"{row[2]:.4f}",
        "05. price": f"{row[3]:.4f}",
        "06. volume": str(row[4]),
        "07. latest trading day": day.isoformat(),
        "08. previous close": f"{row[0]:.4f}",
        "09. change": f"{row[3] - row[0]:.4f}",
        "10. change percent": f"{100 * (row[3] / row[0] - 1):.4f}%",
    }
