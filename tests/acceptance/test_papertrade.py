"""The cases of the price-refresh system, by id: adapters rename fields, then call production."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.prices import values, watchlist
from tasks.prices.bars import Bar
from tasks.prices.queries import is_stale
from tasks.prices.sources import alpha_vantage, replay
from tasks.prices.symbols import check
from tests.support.cases.alpha_vantage import alpha
from tests.support.cases.common import agrees, cases, only
from tests.support.cases.quotas import DAY, rate_limit
from tests.support.cases.refresh import around, new_york, refresh
from workers.calendars.exchanges import sessions_of

#: The form of a symbol as README.md beside this decides it, where a case leaves the choice.
FORM = re.compile(r"[A-Z0-9]{1,10}([.-][A-Z0-9]{1,6})?")

Adapter = Callable[[dict[str, Any], dict[str, Any], Any], dict[str, Any]]


def decided(case: dict[str, Any]) -> dict[str, Any]:
    """What must come out; where a case leaves the choice, what README.md beside this says."""
    expected: dict[str, Any] = case["expected"]
    if case["kind"] != "optional":
        return expected
    if case["area"] == "ticker":
        symbol = case["input"]["ticker"].strip().upper()
        if not FORM.fullmatch(symbol):
            return {"error": "invalid"}
        return {"accepted": True} if "accepted" in expected else {"ticker": symbol}
    if "api_calls" in expected:
        # A session that is not stored is fetched at the weekend too.
        stored = {"calls_when_stored": 0, "calls_when_missing": 1}
        return {**stored, "serves_trading_day": expected["serves_trading_day"]}
    return expected


# --- ticker -----------------------------------------------------------------------------------------


def ticker(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
    only(given, "ticker")
    try:
        symbol = check(given["ticker"])
    except ValueError:
        return {"error": "invalid"}
    return {"accepted": True} if "accepted" in expected else {"ticker": symbol}


# --- calendar ---------------------------------------------------------------------------------------


def closures(first: date, last: date) -> list[date]:
    """Weekdays without a session."""
    sessions = set(new_york(first.year, last.year).days(first, last))
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5 and day not in sessions]


def calendar(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
    only(given, "year", "start", "end", "date")
    if "year" in given:
        year = given["year"]
        if "easter" in expected:
            (good_friday,) = [
                d for d in closures(date(year, 3, 20), date(year, 4, 23)) if d.weekday() == 4
            ]
            return {"easter": str(good_friday + timedelta(days=2))}
        return {"count": len(set(closures(date(year, 1, 1), date(year, 12, 31))) - special_closures())}
    if "start" in given:
        first, last = date.fromisoformat(given["start"]), date.fromisoformat(given["end"])
        sessions = new_york(min(first, last).year, max(first, last).year)
        return {"dates": [str(day) for day in sessions.days(first, last)]}
    day = date.fromisoformat(given["date"])
    if "open" in expected:
        return {"open": around(day).days(day, day) == [day]}
    if "open_utc" in expected:
        (session,) = sessions_of("XNYS", day, day)
        return {"open_utc": f"{session['open_at']:%H:%M}", "close_utc": f"{session['close_at']:%H:%M}"}
    # The day is over when the next begins: New York closes before midnight UTC.
    over = datetime(day.year, day.month, day.day, tzinfo=UTC) + DAY
    return {"date": str(around(day).last_completed(over))}


def special_closures() -> set[date]:
    """Closures that no rule foretells, as the calendar's library lists them."""
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {day.date() for day in exchange_calendars.get_calendar("XNYS").adhoc_holidays}


# --- daily bars -------------------------------------------------------------------------------------


def daily_dedup(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    only(given, "rows")
    rows = (f"X,2026-01-30T{at}+00:00,{price}" for at, price in given["rows"])
    (bar,) = replay.parse("\n".join(["Ticker,Date,Close", *rows]))["X"]
    return {"price": values.shown(bar.close)}


def price_point(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    only(given, "ts", "o", "h", "l", "c", "v")
    if "ts" in given:
        return {"valid": values.moment(given["ts"]) is not None}
    first, high, low, close = (
        Decimal(str(given[name])) if given.get(name) is not None else None
        for name in ("o", "h", "l", "c")
    )
    assert close is not None
    try:
        Bar(date(2026, 1, 30), first, high, low, close, given.get("v"))
    except ValueError:
        return {"valid": False}
    return {"valid": True}


# --- watch list and job health ----------------------------------------------------------------------


def watch_list(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    from workers.db import transaction

    prices = need("prices")
    if "http" in expected:
        return by_api(given, expected, prices)
    only(given, "existing_priority", "existing_active", "add_priority", "remove")
    prices.sql.execute(
        "insert into watchlist_item (symbol, priority, active) values ('AAPL', %s, %s)",
        (given.get("existing_priority", 100), given.get("existing_active", True)),
    )
    removed = False
    with transaction() as connection:
        if "remove" in given:
            removed = watchlist.remove(connection, check(given["remove"]))
        else:
            watchlist.add(
                connection, watchlist.Entry(symbol="AAPL", priority=given.get("add_priority", 100))
            )
    rows = prices.all("select * from watchlist_item")
    found = {
        "priority": rows[0]["priority"],
        "rows": len(rows),
        "is_active": rows[0]["active"],
        "row_kept": len(rows) == 1,
        "removed": removed,
    }
    return {name: found[name] for name in expected}


def by_api(given: dict[str, Any], expected: dict[str, Any], prices: Any) -> dict[str, Any]:
    """201 and 204 stand for done, 404 for what is not followed, 400 and 422 for what is refused."""
    from workers.db import transaction

    only(given, "method", "path", "body", "ticker", "times", "existing")
    for symbol in given.get("existing", ()):
        prices.sql.execute("insert into watchlist_item (symbol) values (%s)", (symbol,))
    with transaction() as connection:
        if given.get("method") == "DELETE":
            symbol = given.get("ticker") or given["path"].rpartition("/")[2]
            return {"http": 204 if watchlist.remove(connection, check(symbol)) else 404}
        answered = [added(connection, given["body"]) for _ in range(given.get("times", 1))]
    rows = prices.all("select symbol from watchlist_item")
    found = {"http": answered if "times" in given else answered[0], "rows": len(rows)}
    found["ticker"] = rows[0]["symbol"] if rows else None
    return {name: found[name] for name in expected}


def added(connection: Any, body: dict[str, Any]) -> int:
    """Add what a body names, by the model that every way of adding goes through."""
    renamed = {"symbol" if name == "ticker" else name: value for name, value in body.items()}
    try:
        entry = watchlist.Entry.model_validate(renamed)
    except ValidationError as error:
        return 400 if {"value_error"} == {one["type"] for one in error.errors()} else 422
    watchlist.add(connection, entry)
    return 201


def job_health(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "cadence_h", "last_run_h_ago", "job")
    if "cadence_h" in given:
        now = datetime(2026, 1, 30, tzinfo=UTC)
        ago = given["last_run_h_ago"]
        last = None if ago is None else now - timedelta(hours=ago)
        return {"is_stale": is_stale(last, timedelta(hours=given["cadence_h"]), now)}
    prices = need("prices")
    prices.closed_market()

    def broken(*_: Any) -> Any:
        raise RuntimeError("x" * 5000)

    need("monkeypatch").setattr(alpha_vantage, "parse_bars", broken)
    prices.alpha_vantage.answer = lambda _: {}
    run = prices.run("tasks.prices.refresh", symbols=["AAPL"])
    longest = prices.one("select max(length(error)) as n from run where id = %s", run["id"])["n"]
    assert longest > 400
    return {
        "status": run["state"].upper(),
        "error_len_max": longest,
        "row_exists": prices.one("select count(*) as n from run")["n"] == 1,
    }


ADAPTERS: dict[str, Adapter] = {
    "ticker": ticker,
    "calendar": calendar,
    "rate-limit": rate_limit,
    "alpha-vantage": alpha,
    "daily-dedup": daily_dedup,
    "price-point": price_point,
    "refresh": refresh,
    "watchlist": watch_list,
    "job-health": job_health,
}


@pytest.mark.parametrize("case", cases("papertrade"))
def test_papertrade(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    expected = decided(case)
    found = ADAPTERS[case["area"]](case["input"], expected, request.getfixturevalue)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert agrees(found[name], value), (name, found[name], value)
