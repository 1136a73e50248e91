"""Imitates www.alphavantage.co/query: every refusal is a 200 with words, as many clients quote them.

Two keys work here: KEY is a free one (the last 100 sessions), PREMIUM_KEY gets all.  Which words
refuse a call depends on the limit it broke: up to two seconds long, up to an hour, longer.
"""

import tomllib
from datetime import date
from pathlib import Path

from sandbox.upstreams.bars import Row, series
from sandbox.upstreams.base import Reply, Request, Site, as_json
from sandbox.upstreams.strict import Window

KEY = "sandbox-key"
PREMIUM_KEY = "sandbox-premium-key"
#: Sessions of a compact answer.
COMPACT = 100
#: Refusals by name.
WORDS: dict[str, str] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
PREMIUM_FUNCTIONS = ("TIME_SERIES_DAILY_ADJUSTED", "REALTIME_BULK_QUOTES")
QUOTE_COLUMNS = "symbol,open,high,low,price,volume,latestDay,previousClose,change,changePercent"


def refuse(request: Request, window: Window | None, _wait: float) -> Reply:
    """Too much: 200 with the second's, the minute's or the day's words; the day's echo the key."""
    if window is None or window.seconds <= 2:
        return as_json({"Information": WORDS["burst"]})
    if window.seconds <= 3600:
        return as_json({"Note": WORDS["per_minute"]})
    return as_json({"Information": WORDS["day"].format(key=request.query.get("apikey", ""))})


def respond(request: Request) -> Reply:
    ask = request.query
    key, function, symbol = ask.get("apikey"), ask.get("function", ""), ask.get("symbol", "").upper()
    if request.path != "/query":
        return 404, {"Content-Type": "text/html"}, b"<h1>Not Found</h1>"
    if key == "demo":
        return as_json({"Information": WORDS["demo_key"]})
    if key not in {KEY, PREMIUM_KEY}:
        return as_json({"Error Message": WORDS["bad_key"]})
    if function in PREMIUM_FUNCTIONS and key != PREMIUM_KEY:
        return as_json({"Information": WORDS["premium"]})
    found, csv = series(symbol, request.now), ask.get("datatype") == "csv"
    if function == "GLOBAL_QUOTE":
        return _quote(symbol, found, csv=csv, delayed=ask.get("entitlement") == "delayed")
    if function != "TIME_SERIES_DAILY" or found is None:
        return as_json({"Error Message": WORDS["bad_call"].format(function=function or "API")})
    full = ask.get("outputsize") == "full"
    if full and key != PREMIUM_KEY:
        return as_json({"Information": WORDS["full_is_premium"]})
    newest_first = sorted(found.items(), reverse=True)
    return _daily(symbol, newest_first if full else newest_first[:COMPACT], full=full, csv=csv)


def _table(lines: list[str]) -> Reply:
    return 200, {"Content-Type": "application/x-download"}, "\r\n".join([*lines, ""]).encode()


def _cells(row: Row) -> list[str]:
    return [*(f"{price:.4f}" for price in row[:4]), str(row.volume)]


def _daily(symbol: str, rows: list[tuple[date, Row]], *, full: bool, csv: bool) -> Reply:
    if csv:
        lines = [",".join([day.isoformat(), *_cells(row)]) for day, row in rows]
        return _table(["timestamp,open,high,low,close,volume", *lines])
    names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
    meta = {
        "1. Information": "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": symbol,
        "3. Last Refreshed": rows[0][0].isoformat(),
        "4. Output Size": "Full size" if full else "Compact",
        "5. Time Zone": "US/Eastern",
    }
    daily = {day.isoformat(): dict(zip(names, _cells(row), strict=True)) for day, row in rows}
    return as_json({"Meta Data": meta, "Time Series (Daily)": daily})


def _quote(symbol: str, found: dict[date, Row] | None, *, csv: bool, delayed: bool) -> Reply:
    name = "Global Quote" + (" - DATA DELAYED BY 15 MINUTES" if delayed else "")
    if found is None:
        return _table([QUOTE_COLUMNS]) if csv else as_json({name: {}})
    (_, before), (day, row) = sorted(found.items())[-2:]
    change = row.close - before.close
    values = {
        "01. symbol": symbol,
        "02. open": f"{row.open:.4f}",
        "03. high": f"{row.high:.4f}",
        "04. low": f"{row.low:.4f}",
        "05. price": f"{row.close:.4f}",
        "06. volume": str(row.volume),
        "07. latest trading day": day.isoformat(),
        "08. previous close": f"{before.close:.4f}",
        "09. change": f"{change:.4f}",
        "10. change percent": f"{100 * change / before.close:.4f}%",
    }
    return _table([QUOTE_COLUMNS, ",".join(values.values())]) if csv else as_json({name: values})


#: Generous, so that a demo moves; a free key has 25 a day and 1 a second (``--limit 1/1 --limit 25/86400``).
SITE = Site("alpha_vantage", respond, limits=[(75, 60.0)], refuse=refuse)
