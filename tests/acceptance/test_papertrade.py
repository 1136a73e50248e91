"""The cases of the price-refresh system, by id: adapters rename fields, then call production."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from tasks.prices import active, needs, transactions, values, watchlist
from tasks.prices.active import Wanted
from tasks.prices.bars import Bar
from tasks.prices.health import is_stale
from tasks.prices.refresh import RefreshOptions
from tasks.prices.sessions import Calendar, Session
from tasks.prices.sources import alpha_vantage, replay
from tasks.prices.sources.refusals import BadCall, LimitReached, PremiumOnly
from tasks.prices.symbols import check
from tasks.upkeep.sessions import sessions_of
from workers import answers, permits, upstream
from workers.answers import Answer
from workers.errors import BrokenAnswer, NotFound, SettingMissing, UpstreamError
from workers.work import Item

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
CASES = [
    case
    for case in json.loads((HERE / "cases" / "papertrade.json").read_text())
    if case["area"] != "api"
]
#: What we decided where a case leaves the choice; the README says why.
DECIDED: dict[str, dict[str, Any]] = {
    "PA-009": {"ticker": "APL12"},
    "PA-130": {"calls_when_stored": 0, "calls_when_missing": 1, "serves_trading_day": "2026-01-30"},
}
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

Adapter = Callable[[dict[str, Any], dict[str, Any], Any], dict[str, Any]]


# --- ticker -----------------------------------------------------------------------------------------


def ticker(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
    try:
        symbol = check(given["ticker"])
    except ValueError:
        return {"error": "invalid"}
    return {"accepted": True} if "accepted" in expected else {"ticker": symbol}


# --- calendar ---------------------------------------------------------------------------------------


@cache
def new_york() -> Calendar:
    rows = sessions_of("XNYS", date(2007, 1, 1), date(2027, 12, 31))
    return Calendar(Session(r["session_date"], r["open_at"], r["close_at"]) for r in rows)


def closures(first: date, last: date) -> list[date]:
    """Weekdays without a session."""
    sessions = set(new_york().days(first, last))
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5 and day not in sessions]


def calendar(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
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
        return {"dates": [str(day) for day in new_york().days(first, last)]}
    day = date.fromisoformat(given["date"])
    session = new_york().session(day)
    if "open" in expected:
        return {"open": session is not None}
    if "open_utc" in expected:
        assert session is not None
        return {"open_utc": f"{session.open_at:%H:%M}", "close_utc": f"{session.close_at:%H:%M}"}
    return {"date": str(new_york().on_or_before(day))}


def special_closures() -> set[date]:
    """Closures that no rule foretells, as the calendar's library lists them."""
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {day.date() for day in exchange_calendars.get_calendar("XNYS").adhoc_holidays}


# --- rate limit -------------------------------------------------------------------------------------


def rate_limit(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    prices = need("prices")
    prices.sql.execute("update upstream set concurrency = 1000 where name = 'alpha_vantage'")
    windows = {MINUTE: given.get("per_minute"), DAY: given.get("per_day")}
    if "minute_wait" in given:
        windows = {MINUTE: 1, DAY: 2}
        stamp(prices, 60 - given["minute_wait"], 86400 - given["day_wait"])
    for per, calls in windows.items():
        if calls is not None and calls < 0:
            with pytest.raises(psycopg.errors.CheckViolation, match="calls must be 1 or more"):
                add_quota(prices, per, calls)
            return {"error": "must be non-negative"}
        if calls:
            add_quota(prices, per, calls)
    if 0 in windows.values():
        # No row means no limit; "0 calls" would mean never, so it is refused with a hint.
        with pytest.raises(psycopg.errors.CheckViolation, match="disable the upstream"):
            add_quota(prices, DAY, 0)
    if "used_at" in given:
        used = given["used_at"] if isinstance(given["used_at"], list) else [given["used_at"]]
        stamp(prices, *(given["now"] - at for at in used))
    for _ in range(given.get("consumed", 0)):
        assert take().id is not None
    return quota_result(given, expected, prices)


def add_quota(prices: Any, per: timedelta, calls: int) -> None:
    statement = "insert into quota (upstream, per, calls) values ('alpha_vantage', %s, %s)"
    prices.sql.execute(statement, (per, calls))


def quota_result(given: dict[str, Any], expected: dict[str, Any], prices: Any) -> dict[str, Any]:
    if "day" in expected:
        left = {
            row["per_interval"]: row["limit"] - row["used"]
            for row in prices.all("select * from quota_status where upstream = 'alpha_vantage'")
        }
        found = {"minute": left.get(MINUTE), "day": left.get(DAY, "unbounded")}
        return {name: found[name] for name in expected}
    if "tries" in given:
        let_through = [take().id is not None for _ in range(given["tries"])]
        return {"allowed": let_through.count(True), "denied": let_through.count(False)}
    grant = take()
    if "wait_seconds" in expected:
        return {"wait_seconds": round(grant.wait)}
    found = {"allowed": grant.id is not None}
    if "retry_after_s" in expected:
        found["retry_after_s"] = round(grant.wait)
    if "minute_used" in expected:
        found["minute_used"] = prices.one(
            "select used from quota_status where upstream = 'alpha_vantage'"
        )["used"]
    return found


def stamp(prices: Any, *ages: float) -> None:
    """Calls answered so many seconds ago."""
    for age in ages:
        prices.sql.execute(
            "insert into permit (upstream, granted_at, stamp, settled) select 'alpha_vantage',"
            " at, at, true from (select clock_timestamp() - make_interval(secs => %s) as at) answered",
            (age,),
        )


def take() -> Any:
    """One permit, settled at once."""
    from workers.db import transaction
    from workers.permits import Answered

    with transaction() as connection:
        grant = permits.take(connection, "alpha_vantage", timedelta(seconds=31))
        if grant.id is not None:
            permits.settle(connection, [Answered(grant.id, time.monotonic(), 200)])
    return grant


# --- Alpha Vantage ----------------------------------------------------------------------------------


def body_of(reference: Any) -> Any:
    if not isinstance(reference, str):
        return reference
    name, _, key = reference.partition("#")
    content = json.loads((FIXTURES / name).read_text())
    return content[key] if key else content


def fetch(given: dict[str, Any]) -> Any:
    """What production does with an answer: judge its status, look for a refusal, read it."""
    content = json.dumps(body_of(given.get("body", {}))).encode()
    answer = Answer("alpha_vantage", given.get("http", 200), "", {}, content)
    answers.judge(answer)
    alpha_vantage.check(answer)
    return alpha_vantage.parse_price(answer.json(), "X")


def alpha(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
    if "value" in given:
        return {"value": values.shown(Decimal(given["value"]))}
    if "start" in given:
        today = date(2026, 1, 30)
        back = int(given["start"].removeprefix("today-").removesuffix("d"))
        return {"outputsize": alpha_vantage.output_size(today - timedelta(days=back), today)}
    try:
        price = fetch(given)
    except (UpstreamError, SettingMissing) as error:
        found = described(error)
        return {name: found[name] for name in expected}
    return {
        "symbol": body_of(given["body"])["Global Quote"]["01. symbol"],
        "price": f"{price.price:.4f}",
        "trading_day": str(price.session_date),
        "volume": price.volume,
        "previous_close": f"{price.previous_close:.4f}",
        "change_percent": str(price.change_percent),
    }


def described(error: Exception) -> dict[str, Any]:
    """Our error in the words of the cases."""
    found: dict[str, Any] = {"retry": False, "not": "rate_limited"}
    found["stored_error_contains_key"] = "XXXXXXXXXXXXXXXX" in str(error)
    if isinstance(error, LimitReached):
        stops = (error.retry_after or 0) >= upstream.LONG_WAIT
        return {
            **found,
            "error": "rate_limited",
            "scope": error.scope,
            "stop_batch": stops,
            "not": None,
        }
    if isinstance(error, PremiumOnly):
        action = "retry once with compact" if error.smaller else "give up"
        return {**found, "error": "premium", "action": action, "retry": error.smaller}
    kinds = ((SettingMissing, "auth"), (BadCall, "bad_request"), (NotFound, "not_found"))
    names = [name for kind, name in kinds if isinstance(error, kind)]
    if isinstance(error, BrokenAnswer):
        names.append("invalid_data")
    return {**found, "error": names[0]}


def daily_dedup(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    points = []
    for at, price in given["rows"]:
        moment = values.moment(f"2026-01-30T{at}+00:00")
        assert moment is not None
        points.append((moment, Bar(moment.date(), None, None, None, Decimal(price), None)))
    return {"price": str(replay.one_of_day(points).close)}


def price_point(given: dict[str, Any], _: dict[str, Any], __: Any) -> dict[str, Any]:
    if "ts" in given:
        return {"valid": values.moment(given["ts"]) is not None}
    first, high, low, close = (
        Decimal(given[name]) if name in given else None for name in ("o", "h", "l", "c")
    )
    assert close is not None
    try:
        Bar(date(2026, 1, 30), first, high, low, close, given.get("v"))
    except ValueError:
        return {"valid": False}
    return {"valid": True}


# --- refresh ----------------------------------------------------------------------------------------


def refresh(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    if "active_stock_days" in given and "watchlist" not in given:
        return days_refused(given["active_stock_days"], need)
    if "watchlist" in given:
        return refreshed(given, need)
    if "daily_cap" in given:
        return quota_hit(given, need)
    if "minutes" in expected:
        return paced(given, need)
    if "limit_per_min" in given:
        return bound(given, need)
    if "max_age_hours" in given:
        at = datetime(2026, 1, 30, tzinfo=UTC)
        due = needs.next_refresh_at(at, timedelta(hours=given["max_age_hours"]))
        return {"next_refresh_at": f"T+{(due - at) / timedelta(hours=1):.0f}h"}
    if "rows" in given:
        old = datetime(2026, 1, 1, tzinfo=UTC)
        wanted = [Wanted(symbol, priority, DAY) for symbol, priority, _ in given["rows"]]
        confirmed = {symbol: old for symbol, _, last in given["rows"] if last}
        return {"order": [one.symbol for one in active.order(wanted, confirmed)]}
    return weekend(datetime.fromisoformat(given["now"]))


def weekend(now: datetime) -> dict[str, Any]:
    session = new_york().last_completed(now)
    assert session is not None
    before = new_york().on_or_before(session - DAY)
    calls = [
        int(needs.judge(needs.Known(latest, None), new_york(), MINUTE, now) is not None)
        for latest in (session, before)
    ]
    return {
        "calls_when_stored": calls[0],
        "calls_when_missing": calls[1],
        "serves_trading_day": str(session),
    }


def days_refused(days: int, need: Any) -> dict[str, Any]:
    from workers.db import transaction

    need("prices")
    with pytest.raises(ValidationError):
        RefreshOptions(active_stock_days=days)
    with (
        pytest.raises(ValueError, match="Days must be at least 1") as caught,
        transaction() as connection,
    ):
        transactions.traded(connection, days, datetime.now(UTC))
    return {"error": str(caught.value)}


def refreshed(given: dict[str, Any], need: Any) -> dict[str, Any]:
    from workers.db import transaction

    prices = need("prices")
    trades = {**dict.fromkeys(given.get("traded_30d", ()), 1), **given.get("traded_days_ago", {})}
    for symbol in given["watchlist"]:
        prices.sql.execute("insert into watchlist_item (symbol) values (%s)", (symbol,))
    for symbol, days in trades.items():
        prices.sql.execute(
            "insert into transaction (symbol, quantity, price, traded_at)"
            " values (%s, 1, 1, clock_timestamp() - make_interval(days => %s))",
            (symbol, days),
        )
    with transaction() as connection:
        found = active.select(connection, (), given.get("active_stock_days", 30), datetime.now(UTC))
    return {"refreshed": [one.symbol for one in found]}


def quota_hit(given: dict[str, Any], need: Any) -> dict[str, Any]:
    prices, answer = need("prices"), need("daily_answer")
    prices.closed_market()
    today = str(datetime.now(UTC).date())
    prices.alpha_vantage.answer = lambda _: answer({today: 10.0})
    prices.sql.execute(
        "insert into quota (upstream, per, calls) values ('alpha_vantage', '1 day', %s)",
        (given["daily_cap"],),
    )
    run = prices.run("tasks.prices.refresh", symbols=[f"S{n}" for n in range(given["tickers"])])
    outcomes = list(prices.outcomes(run).values())
    assert (outcomes.count("ok"), outcomes.count("deferred")) == (run["done"], run["deferred"])
    return {"ok": run["done"], "deferred": run["deferred"], "status": run["state"]}


def paced(given: dict[str, Any], need: Any) -> dict[str, Any]:
    """The engine's own plan of so many symbols: how long until the last batch may start."""
    from workers import claims, runs
    from workers.db import transaction

    prices = need("prices")
    run_id = prices.one("select gen_random_uuid() as id")["id"]
    items = [Item(f"S{n}").row() for n in range(given["tickers"])]
    size = given["batch_size"]
    with transaction() as connection:
        runs.create_by_hand(
            connection,
            run_id,
            "tasks.prices.refresh",
            {},
            queue="prices",
            max_attempts=3,
            timeout=None,
            requested_by="test",
        )
        hold = claims.claim(connection, run_id, 0, "test", MINUTE)
        assert hold is not None
        batches = [items[start : start + size] for start in range(0, len(items), size)]
        claims.plan(connection, hold, batches, timedelta(seconds=given["batch_delay"]))
    lasts = prices.one(
        "select extract(epoch from max(not_before) - min(created_at)) / 60 as minutes from batch"
        " where run_id = %s and seq > 0",
        run_id,
    )
    return {"minutes": "about 99-100" if 98.9 < lasts["minutes"] <= 100.1 else str(lasts["minutes"])}


def bound(given: dict[str, Any], need: Any) -> dict[str, Any]:
    """Whatever the batch settings are, the limiter lets no more through than the quota."""
    prices = need("prices")
    limit, asked = given["limit_per_min"], given["batch_size"] * 60 // given["batch_delay"]
    add_quota(prices, MINUTE, limit)
    let_through = [take().id is not None for _ in range(asked)].count(True)
    assert let_through == limit
    return {"valid": let_through >= asked, "effective_per_min": asked}


# --- watch list and job health ----------------------------------------------------------------------


def watch_list(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    from workers.db import transaction

    prices = need("prices")
    if "http" in expected:
        return add_by_api(given, expected, prices)
    prices.sql.execute(
        "insert into watchlist_item (symbol, priority, active) values ('AAPL', %s, %s)",
        (given.get("existing_priority", 100), given.get("existing_active", True)),
    )
    with transaction() as connection:
        if "remove" in given:
            assert watchlist.remove(connection, given["remove"])
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
    }
    return {name: found[name] for name in expected}


def add_by_api(given: dict[str, Any], expected: dict[str, Any], prices: Any) -> dict[str, Any]:
    """201 stands for accepted, 422 for refused by the model that every way of adding goes through."""
    from workers.db import transaction

    renamed = {"symbol" if name == "ticker" else name: value for name, value in given["body"].items()}
    answered = []
    for _ in range(given.get("times", 1)):
        try:
            entry = watchlist.Entry.model_validate(renamed)
        except ValidationError:
            return {"http": 422}
        with transaction() as connection:
            watchlist.add(connection, entry)
        answered.append(201)
    rows = prices.all("select symbol from watchlist_item")
    found = {
        "http": answered if "times" in given else answered[0],
        "ticker": rows[0]["symbol"],
        "rows": len(rows),
    }
    return {name: found[name] for name in expected}


def job_health(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    if "cadence_h" in given:
        now = datetime(2026, 1, 30, tzinfo=UTC)
        last = now - timedelta(hours=given["last_run_h_ago"])
        return {"is_stale": is_stale(last, timedelta(hours=given["cadence_h"]), now)}
    prices = need("prices")
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: "x" * 5000
    run = prices.run("tasks.prices.refresh", symbols=["AAPL"])
    assert len(run["error"]) <= 500
    return {"status": run["state"].upper(), "error_len_max": 500, "row_exists": True}


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_papertrade(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    expected = DECIDED.get(case["id"], case["expected"])
    found = ADAPTERS[case["area"]](case["input"], expected, request.getfixturevalue)
    if isinstance(expected.get("wait_seconds"), str):
        low, high = map(int, expected["wait_seconds"].split(".."))
        assert low <= found["wait_seconds"] <= high
    else:
        assert found == expected
