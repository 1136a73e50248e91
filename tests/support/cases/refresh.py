"""Cases of a refresh: which symbols, in which order, at which pace, and what a failure leaves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.prices import active, needs, transactions
from tasks.prices.active import Wanted
from tasks.prices.refresh import RefreshOptions
from tasks.prices.trading_sessions import Calendar, Session
from tests.support.cases.common import only
from tests.support.cases.quotas import DAY, MINUTE, add_quota, take
from workers.calendars.exchanges import sessions_of
from workers.execution import Item


@cache
def new_york(first_year: int, last_year: int) -> Calendar:
    """Sessions of these years, and of the weeks around them."""
    first, last = date(first_year, 1, 1) - timedelta(days=14), date(last_year, 12, 31)
    return Calendar.of(sessions_of("XNYS", first, last + timedelta(days=14)))


def around(day: date) -> Calendar:
    return new_york(day.year, day.year)


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
        due = at + due_after(timedelta(hours=given["max_age_hours"]), at)
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


def due_after(max_age: timedelta, at: datetime) -> timedelta:
    """Hours until a price that was confirmed ``at`` is asked for again, in a market that never closes."""
    before = at - DAY
    sessions = Calendar([Session(before.date(), before, at), Session(at.date(), at, at + 100 * DAY)])
    known = needs.Known(before.date(), at)
    hours = (timedelta(hours=number) for number in range(2400))
    return next(hour for hour in hours if needs.judge(known, sessions, max_age, at + hour))


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


def planned_batches(prices: Any, tickers: int, size: int, delay: float) -> list[dict[str, Any]]:
    """The engine's own plan of so many symbols: items of each batch, and when it may start (seconds)."""
    from workers.app import app
    from workers.db import driver_transaction
    from workers.ledger import claimed, planned

    run_id = prices.one("select gen_random_uuid() as id")["id"]
    items = [Item(f"S{n}").row() for n in range(tickers)]
    with driver_transaction() as connection:
        planned.create_by_hand(connection, run_id, app.tasks["tasks.prices.refresh"], {}, "test")
        assert claimed.claim(connection, run_id, 0, "test", MINUTE) is not None
        batches = [items[start : start + size] for start in range(0, len(items), size)]
        planned.split(connection, run_id, batches, timedelta(seconds=delay))
    return prices.all(  # type: ignore[no-any-return]
        "select total, not_before is not null as waits, coalesce(extract(epoch from not_before"
        " - min(created_at) over ()), 0) as starts from batch where run_id = %s and seq > 0 order by seq",
        run_id,
    )


def paced(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    only(given, "tickers", "batch_size", "batch_delay")
    batches = planned_batches(
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
    batches = planned_batches(prices, 20 * size, size, given["batch_delay"])
    within = sum(batch["total"] for batch in batches if round(batch["starts"]) < 60)
    add_quota(prices, MINUTE, given["limit_per_min"])
    let_through = [take().id is not None for _ in range(within)].count(True)
    return {"valid": let_through == within, "effective_per_min": within}
