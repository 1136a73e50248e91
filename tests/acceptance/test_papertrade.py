"""The cases of the price-refresh system, by id: adapters rename fields, then call production."""

from __future__ import annotations

import json
import re
import threading
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
from tasks.prices.quotes import Price
from tasks.prices.refresh import RefreshOptions
from tasks.prices.sessions import Calendar
from tasks.prices.sources import alpha_vantage, replay
from tasks.prices.sources.refusals import BadCall, LimitReached, PremiumOnly
from tasks.prices.symbols import check
from tasks.upkeep.sessions import sessions_of
from workers import answers, permits
from workers.answers import Answer
from workers.errors import (
    Blocked,
    BrokenAnswer,
    ControlFlow,
    NotFound,
    QuotaSpent,
    RateLimited,
    SettingMissing,
    Unavailable,
    UpstreamError,
)
from workers.upstream import Door
from workers.work import Item

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
CASES = [
    case
    for case in json.loads((HERE / "cases" / "papertrade.json").read_text())
    if case["area"] != "api"
]
#: The form of a symbol as the README decides it, where a case leaves the choice.
FORM = re.compile(r"[A-Z0-9]{1,10}([.-][A-Z0-9]{1,6})?")
#: The key that the recorded refusals repeat.
ECHOED = "XXXXXXXXXXXXXXXX"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

Adapter = Callable[[dict[str, Any], dict[str, Any], Any], dict[str, Any]]


def decided(case: dict[str, Any]) -> dict[str, Any]:
    """What must come out; where a case leaves the choice, what we decided (README)."""
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


def agrees(found: Any, expected: Any) -> bool:
    """Whether a value is what a case asks for: itself, "59..61", ">60" or "about 99-100"."""
    if isinstance(expected, str) and isinstance(found, int | float):
        if bounds := re.fullmatch(r"(?:about )?(\d+)(?:\.\.|-)(\d+)", expected):
            low, high = map(int, bounds.groups())
            return low <= round(found, 1) <= high
        if bound := re.fullmatch(r"([<>])(\d+)", expected):
            limit = int(bound.group(2))
            return found > limit if bound.group(1) == ">" else found < limit
    return bool(found == expected)


def only(given: dict[str, Any], *known: str) -> None:
    """An input that the adapter would pass over is an error of the adapter."""
    unknown = set(given) - set(known)
    assert not unknown, f"the adapter does not know {sorted(unknown)}"


# --- ticker -----------------------------------------------------------------------------------------


def ticker(given: dict[str, Any], expected: dict[str, Any], _: Any) -> dict[str, Any]:
    only(given, "ticker")
    try:
        symbol = check(given["ticker"])
    except ValueError:
        return {"error": "invalid"}
    return {"accepted": True} if "accepted" in expected else {"ticker": symbol}


# --- calendar ---------------------------------------------------------------------------------------


@cache
def new_york(first_year: int, last_year: int) -> Calendar:
    """Sessions of these years, and of the weeks around them."""
    first, last = date(first_year, 1, 1) - timedelta(days=14), date(last_year, 12, 31)
    return Calendar.of(sessions_of("XNYS", first, last + timedelta(days=14)))


def around(day: date) -> Calendar:
    return new_york(day.year, day.year)


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
    session = around(day).session(day)
    if "open" in expected:
        return {"open": session is not None}
    if "open_utc" in expected:
        assert session is not None
        return {"open_utc": f"{session.open_at:%H:%M}", "close_utc": f"{session.close_at:%H:%M}"}
    # The day is over when the next begins: New York closes before midnight UTC.
    over = datetime(day.year, day.month, day.day, tzinfo=UTC) + DAY
    return {"date": str(around(day).last_completed(over))}


def special_closures() -> set[date]:
    """Closures that no rule foretells, as the calendar's library lists them."""
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {day.date() for day in exchange_calendars.get_calendar("XNYS").adhoc_holidays}


# --- rate limit -------------------------------------------------------------------------------------


def rate_limit(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(
        given, "per_minute", "per_day", "minute_wait", "day_wait", "used_at", "now", "consumed", "tries"
    )
    prices = need("prices")
    prices.sql.execute("update upstream set concurrency = 1000 where name = 'alpha_vantage'")
    windows = {MINUTE: given.get("per_minute"), DAY: given.get("per_day")}
    if "minute_wait" in given:
        windows = {MINUTE: 1, DAY: 2}
        stamp(prices, 60 - given["minute_wait"], 86400 - given["day_wait"])
    for per, calls in windows.items():
        if calls is None:
            continue
        if calls < 0:
            with pytest.raises(psycopg.errors.CheckViolation, match="calls must be 1 or more"):
                add_quota(prices, per, calls)
            return {"error": "must be non-negative"}
        if calls == 0:
            # No row means no limit; "0 calls" would mean never, so it is refused with a hint.
            with pytest.raises(psycopg.errors.CheckViolation, match="disable the upstream"):
                add_quota(prices, per, calls)
            continue
        add_quota(prices, per, calls)
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
    found: dict[str, Any] = {}
    if "tries" in given:
        let_through = [take().id is not None for _ in range(given["tries"])]
        found = {"allowed": let_through.count(True), "denied": let_through.count(False)}
    elif expected.keys() & {"allowed", "wait_seconds", "retry_after_s"}:
        grant = take()
        found = {"allowed": grant.id is not None}
        found |= dict.fromkeys(("wait_seconds", "retry_after_s"), round(grant.wait))
    status = {
        row["per_interval"]: row
        for row in prices.all("select * from quota_status where upstream = 'alpha_vantage'")
    }
    for name, per in (("minute", MINUTE), ("day", DAY)):
        row = status.get(per)
        found[name] = row["limit"] - row["used"] if row else "unbounded"
        found[f"{name}_used"] = row["used"] if row else 0
    return {name: found[name] for name in expected}


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


def days_before(words: str) -> timedelta:
    """How long ago "today-120d" is."""
    back = re.fullmatch(r"today(?:-(\d+)d)?", words)
    assert back is not None, words
    return timedelta(days=int(back.group(1) or 0))


def alpha(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "value", "start", "end", "http", "body", "timeout")
    if given.get("http") == "timeout":
        given = {"timeout": True}
    if "value" in given:
        return {"value": values.shown(Decimal(given["value"]))}
    if "start" in given:
        today = date(2026, 1, 30)
        assert days_before(given["end"]) >= timedelta(0)
        return {"outputsize": alpha_vantage.output_size(today - days_before(given["start"]), today)}
    if "price" in expected:
        return quoted(body_of(given["body"]), need)
    found = refused(given)
    if expected.keys() & {"retry", "stop_batch", "tries", "attempts"} or "timeout" in given:
        found |= asked(given, need)
    if "action" in expected:
        found["action"] = history_asks(given, need)
    if "stored_error_contains_key" in expected:
        found["stored_error_contains_key"] = keeps_key(given, need)
    return {name: found[name] for name in expected}


def quoted(body: Any, need: Any) -> dict[str, Any]:
    prices = need("prices")
    prices.alpha_vantage.answer = lambda _: body
    price = alpha_vantage.fetch_price(Door(), body["Global Quote"]["01. symbol"], date(2026, 1, 30))
    assert [call["symbol"] for call in prices.alpha_vantage.asked] == [price.symbol]
    return {
        "symbol": price.symbol,
        "price": f"{price.price:.4f}",
        "trading_day": str(price.session_date),
        "volume": price.volume,
        "previous_close": f"{price.previous_close:.4f}",
        "change_percent": str(price.change_percent),
    }


def refused(given: dict[str, Any]) -> dict[str, Any]:
    """What production makes of an answer: it judges its status, looks for a refusal, reads it."""
    if "timeout" in given:
        return {}
    content = json.dumps(body_of(given.get("body", {}))).encode()
    answer = Answer("alpha_vantage", given.get("http", 200), "", {}, content)
    try:
        answers.judge(answer)
        alpha_vantage.check(answer)
        alpha_vantage.parse_price(answer.json(), "X")
    except (UpstreamError, SettingMissing) as error:
        return described(error)
    raise AssertionError("it was taken for a price")


def described(error: Exception) -> dict[str, Any]:
    """Our error in the words of the cases."""
    kinds = (
        (SettingMissing, "auth"),
        (BadCall, "bad_request"),
        (NotFound, "not_found"),
        (PremiumOnly, "premium"),
        (BrokenAnswer, "invalid_data"),
        (RateLimited, "rate_limited"),
        (Blocked, "blocked"),
        (Unavailable, "unavailable"),
    )
    name = next(name for kind, name in kinds if isinstance(error, kind))
    found = {"error": name, "not": None if name == "rate_limited" else "rate_limited"}
    return {**found, "scope": error.scope} if isinstance(error, LimitReached) else found


def answering(given: dict[str, Any], need: Any) -> Any:
    """The scripted upstream answers as the case says, and nobody waits long."""
    prices, patch = need("prices"), need("monkeypatch")
    patch.setattr("workers.retry.FIRST_PAUSE", 0.001)
    reply = given.get("http", 200), json.dumps(body_of(given.get("body", {})))
    over = threading.Event()
    if given.get("timeout"):
        patch.setattr(alpha_vantage, "TIMEOUT", 0.2)

    def answer(_: Any) -> Any:
        over.wait(0.5 if given.get("timeout") else 0)
        return reply

    prices.alpha_vantage.answer = answer
    return prices


def asked(given: dict[str, Any], need: Any) -> dict[str, Any]:
    """One price asked for through the door: how many calls that made, and whether the batch ends."""
    prices = answering(given, need)
    outcome: Price | Exception
    try:
        outcome = alpha_vantage.fetch_price(Door(), "X", date(2026, 1, 30))
    except (UpstreamError, SettingMissing, ControlFlow) as error:
        outcome = error
    calls = len(prices.alpha_vantage.asked)
    found = {"retry": calls > 1, "tries": calls, "attempts": calls}
    found["stop_batch"] = isinstance(outcome, QuotaSpent | SettingMissing | Blocked)
    return {**described(outcome), **found} if isinstance(outcome, Unavailable) else found


def history_asks(given: dict[str, Any], need: Any) -> str:
    """What a long history does after the refusal, by the calls that it makes."""
    prices = answering(given, need)
    prices.closed_market()
    prices.run("tasks.prices.history", symbols=["X"], duration_days=200)
    sizes = [call["outputsize"] for call in prices.alpha_vantage.asked]
    return "retry once with compact" if sizes == ["full", "compact"] else f"asks {sizes}"


def keeps_key(given: dict[str, Any], need: Any) -> bool:
    """Whether any row of a run that met the refusal holds the key that it repeats."""
    prices = answering(given, need)
    prices.closed_market()
    run = prices.run("tasks.prices.refresh", symbols=["X"])
    assert prices.alpha_vantage.asked
    assert run["state"] != "succeeded"
    tables = ("run", "batch", "permit", "upstream_state", "price_outcome")
    rows = [row for table in tables for row in prices.all(f"select t::text as row from {table} t")]
    return any(ECHOED in row["row"] for row in rows)


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


# --- refresh ----------------------------------------------------------------------------------------


def refresh(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    if "active_stock_days" in given and "watchlist" not in given:
        return days_refused(given, need)
    if "watchlist" in given:
        return refreshed(given, need)
    if "daily_cap" in given:
        return quota_hit(given, need)
    if "limit_per_min" in given:
        return bound(given, need)
    if "batch_size" in given:
        return paced(given, expected, need)
    if "max_age_hours" in given:
        only(given, "max_age_hours", "refreshed_at")
        at = datetime(2026, 1, 30, tzinfo=UTC)
        due = needs.next_refresh_at(at, timedelta(hours=given["max_age_hours"]))
        return {"next_refresh_at": f"{given['refreshed_at']}+{(due - at) / timedelta(hours=1):.0f}h"}
    if "rows" in given:
        only(given, "rows")
        old = datetime(2026, 1, 1, tzinfo=UTC)
        wanted = [Wanted(symbol, priority, DAY) for symbol, priority, _ in given["rows"]]
        confirmed = {symbol: old for symbol, _, last in given["rows"] if last}
        return {"order": [one.symbol for one in active.order(wanted, confirmed)]}
    if "tickers" in given:
        return failing(given, expected, need)
    only(given, "now")
    return weekend(datetime.fromisoformat(given["now"]))


def weekend(now: datetime) -> dict[str, Any]:
    sessions = around(now.date())
    session = sessions.last_completed(now)
    assert session is not None
    before = sessions.days(session - timedelta(days=7), session - DAY)[-1]
    calls = [
        int(needs.judge(needs.Known(latest, None), sessions, MINUTE, now) is not None)
        for latest in (session, before)
    ]
    return {
        "calls_when_stored": calls[0],
        "calls_when_missing": calls[1],
        "serves_trading_day": str(session),
    }


def days_refused(given: dict[str, Any], need: Any) -> dict[str, Any]:
    from workers.db import transaction

    only(given, "active_stock_days")
    days = given["active_stock_days"]
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

    only(given, "watchlist", "traded_30d", "traded_days_ago", "active_stock_days")
    prices = need("prices")
    now = prices.one("select clock_timestamp() as now")["now"]
    trades = {**dict.fromkeys(given.get("traded_30d", ()), 1), **given.get("traded_days_ago", {})}
    for symbol in given["watchlist"]:
        prices.sql.execute("insert into watchlist_item (symbol) values (%s)", (symbol,))
    for symbol, days in trades.items():
        prices.sql.execute(
            "insert into transaction (symbol, quantity, price, traded_at) values (%s, 1, 1, %s)",
            (symbol, now - timedelta(days=days)),
        )
    with transaction() as connection:
        found = active.select(connection, (), given.get("active_stock_days", 30), now)
    return {"refreshed": [one.symbol for one in found]}


def quota_hit(given: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "tickers", "daily_cap")
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


def failing(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    """A refresh in which some symbols fail: the others go on."""
    only(given, "tickers", "failing")
    prices, answer = need("prices"), need("daily_answer")
    prices.closed_market()
    today = str(datetime.now(UTC).date())
    wanted, broken = given["tickers"], given.get("failing", 0)
    symbols = [f"S{n}" for n in range(wanted)] if isinstance(wanted, int) else list(wanted)
    bad = (
        symbols[:broken]
        if isinstance(broken, int)
        else [*([broken] if isinstance(broken, str) else broken)]
    )
    prices.alpha_vantage.answer = lambda call: (
        "<html>" if call["symbol"] in bad else answer({today: 10.0})
    )
    run = prices.run("tasks.prices.refresh", symbols=symbols)
    outcomes = list(prices.outcomes(run).values())
    found = dict.fromkeys(("ok", "refreshed", "succeeded"), outcomes.count("ok"))
    found |= dict.fromkeys(("errors", "failed", "error_count"), outcomes.count("error"))
    return {name: {**found, "status": run["state"]}[name] for name in expected}


def planned(prices: Any, tickers: int, size: int, delay: float) -> list[dict[str, Any]]:
    """The engine's own plan of so many symbols: items of each batch, and when it may start (seconds)."""
    from workers import claims, runs
    from workers.db import transaction

    run_id = prices.one("select gen_random_uuid() as id")["id"]
    items = [Item(f"S{n}").row() for n in range(tickers)]
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
        claims.plan(connection, hold, batches, timedelta(seconds=delay))
    return prices.all(  # type: ignore[no-any-return]
        "select total, not_before is not null as waits, coalesce(extract(epoch from not_before"
        " - min(created_at) over ()), 0) as starts from batch where run_id = %s and seq > 0 order by seq",
        run_id,
    )


def paced(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "tickers", "batch_size", "batch_delay")
    batches = planned(
        need("prices"), given["tickers"], given["batch_size"], given.get("batch_delay", 60)
    )
    found: dict[str, Any] = {"batches": len(batches), "minutes": float(batches[-1]["starts"]) / 60}
    pauses = [batch["waits"] for batch in batches].count(True)
    found |= dict.fromkeys(("pauses", "sleeps", "delays"), pauses)
    return {name: found[name] for name in expected}


def bound(given: dict[str, Any], need: Any) -> dict[str, Any]:
    """Whatever the batch settings are, the limiter lets no more through than the quota."""
    only(given, "batch_size", "batch_delay", "limit_per_min")
    prices, size = need("prices"), given["batch_size"]
    batches = planned(prices, 20 * size, size, given["batch_delay"])
    within = sum(batch["total"] for batch in batches if round(batch["starts"]) < 60)
    add_quota(prices, MINUTE, given["limit_per_min"])
    let_through = [take().id is not None for _ in range(within)].count(True)
    return {"valid": let_through == within, "effective_per_min": within}


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_papertrade(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    expected = decided(case)
    found = ADAPTERS[case["area"]](case["input"], expected, request.getfixturevalue)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert agrees(found[name], value), (name, found[name], value)
