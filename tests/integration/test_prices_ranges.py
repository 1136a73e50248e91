"""History, backfill and gaps on a real ledger; sessions and retention beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tasks.prices import backfill
from tasks.prices.spans import Gap, Span

Daily = Callable[[dict[str, float]], dict[str, Any]]
PREMIUM = {
    "Information": "The outputsize=full parameter value is a premium feature for the"
    " TIME_SERIES_DAILY endpoint."
}


def today() -> date:
    return datetime.now(UTC).date()


def series(first_days_ago: int, last_days_ago: int = 0) -> dict[str, float]:
    return {
        (today() - timedelta(days=n)).isoformat(): 10.0 + n
        for n in range(last_days_ago, first_days_ago + 1)
    }


def test_history_fetches_the_sliding_range(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(series(99))
    run = prices.run("tasks.prices.history", symbols=["AAPL", "MSFT"], duration_days=10)
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["summary"] == "2 fetched, 22 new bars"
    span = prices.one("select min(bar_date) as first, max(bar_date) as last from price_bar")
    assert (span["first"], span["last"]) == (today() - timedelta(days=10), today())
    again = prices.run("tasks.prices.history", symbols=["AAPL", "MSFT"], duration_days=10)
    assert again["result"]["summary"] == "2 fetched, 0 new bars"


def test_history_takes_what_a_free_key_gives_and_says_so(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda asked: (
        PREMIUM if asked["outputsize"] == "full" else daily_answer(series(99))
    )
    run = prices.run("tasks.prices.history", symbols=["AAPL"], duration_days=200)
    assert run["result"]["counts"] == {"fetched": 1, "bars": 100, "incomplete": 1}
    assert [asked["outputsize"] for asked in prices.alpha_vantage.asked] == ["full", "compact"]


def test_history_asks_the_next_source_for_what_the_first_does_not_give(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda asked: (
        PREMIUM if asked["outputsize"] == "full" else daily_answer(series(99))
    )
    rows = "".join(f"{day},1,1,1,{close},1\n" for day, close in series(200).items())
    prices.stooq.answer = lambda _: "Date,Open,High,Low,Close,Volume\n" + rows
    run = prices.run("tasks.prices.history", symbols=["AAPL"], duration_days=200, fallback=["stooq"])
    assert run["result"]["counts"] == {"fetched": 1, "bars": 201}


def test_history_of_nothing_is_an_error(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(series(99, 50))
    run = prices.run("tasks.prices.history", symbols=["AAPL"], duration_days=10)
    assert run["state"] == "failed"
    assert "it has no bars for AAPL from" in run["error"]


def test_a_range_that_begins_after_today_leaves_a_failed_run_that_says_so(prices: Any) -> None:
    run = prices.run("tasks.prices.history", symbols=["AAPL"], start_date="2999-01-01")
    assert run["state"] == "failed"
    assert "Invalid date range" in run["error"]


def test_backfill_fills_the_gaps_and_only_them(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(series(99))
    prices.run("tasks.prices.history", symbols=["AAPL", "MSFT"], duration_days=20)
    missing = [today() - timedelta(days=n) for n in (9, 8, 5)]
    prices.sql.execute("delete from price_bar where symbol = 'AAPL' and bar_date = any(%s)", (missing,))

    def gaps() -> dict[str, list[Gap]]:
        from workers.db import transaction

        with transaction() as connection:
            span = Span(today() - timedelta(days=20), today())
            return backfill.find_gaps(connection, ["AAPL", "MSFT"], span, datetime.now(UTC))

    assert gaps() == {"AAPL": [Gap(missing[0], missing[1], 2), Gap(missing[2], missing[2], 1)]}
    calls = len(prices.alpha_vantage.asked)
    run = prices.run("tasks.prices.backfill", symbols=["AAPL", "MSFT"], duration_days=20)
    assert run["result"]["summary"] == "1 fetched, 3 new bars"
    assert len(prices.alpha_vantage.asked) == calls + 1
    assert gaps() == {}
    assert prices.run("tasks.prices.backfill", symbols=["AAPL"], duration_days=20)["total"] == 0


def test_a_range_without_any_session_costs_no_call(prices: Any) -> None:
    prices.sql.execute(
        "insert into market_session"
        " values ('XNYS', '2026-01-02', '2026-01-02 14:30Z', '2026-01-02 21:00Z')"
    )
    run = prices.run(
        "tasks.prices.history", symbols=["AAPL"], start_date="2026-01-03", end_date="2026-01-04"
    )
    assert run["result"]["counts"] == {"closed": 1}
    assert prices.alpha_vantage.asked == []


def test_the_calendar_is_filled_and_a_closure_announced_late_takes_its_day_away(prices: Any) -> None:
    prices.sql.execute("delete from market where mic <> 'XNYS'")
    run = prices.run("tasks.upkeep.sessions")
    assert run["state"] == "succeeded", run["error"]
    count = prices.one("select count(*) as n from market_session")["n"]
    assert count > 600
    sunday = today() + timedelta(days=(6 - today().weekday()) % 7 + 7)
    prices.sql.execute(
        "insert into market_session values ('XNYS', %s, clock_timestamp(), clock_timestamp())",
        (sunday,),
    )
    again = prices.run("tasks.upkeep.sessions")
    assert again["result"]["counts"]["changed"] == 1
    assert prices.one("select count(*) as n from market_session")["n"] == count


def test_retention_deletes_what_is_old_in_slices_and_keeps_the_rest(prices: Any) -> None:
    insert_run = (
        "insert into run (id, schedule, task, trigger, due_at, state, queue, created_at, finished_at)"
        " select gen_random_uuid(), %s, 't', 'schedule', now() - n * interval '1 day', %s, 'upkeep',"
        " now() - n * interval '1 day', now() - n * interval '1 day'"
        " from generate_series(%s::int, %s::int) n"
    )
    prices.sql.execute(insert_run, ("busy", "succeeded", 0, 39))
    prices.sql.execute(insert_run, ("sick", "failed", 0, 99))
    prices.sql.execute(insert_run, ("seldom", "succeeded", 80, 81))
    for source in ("stooq", "alpha_vantage"):
        prices.sql.execute(
            "insert into price_bar (symbol, source, bar_date, close)"
            " select 'A', %s, current_date - n, 1 from generate_series(390, 409) n",
            (source,),
        )
    token = prices.one(
        "insert into token (chain, address_key, address) values ('solana', 'x', 'x') returning id"
    )["id"]
    prices.sql.execute(
        "insert into token_snapshot (token_id, run_id, taken_at)"
        " select %s, gen_random_uuid(), date_trunc('day', now(), 'UTC')"
        " - interval '20 days' + n * interval '1 hour'"
        " from generate_series(0, 23) n",
        (token,),
    )
    run = prices.run("tasks.upkeep.retention", slice_rows=3)
    assert run["state"] == "succeeded", run["error"]
    kept = {
        row["schedule"]: row["n"]
        for row in prices.all(
            "select schedule, count(*) as n from run where schedule is not null group by 1"
        )
    }
    assert kept == {"busy": 30, "sick": 90, "seldom": 1}
    bars = {
        row["source"]: row["n"]
        for row in prices.all("select source, count(*) as n from price_bar group by 1")
    }
    assert bars == {"stooq": 11, "alpha_vantage": 20}
    assert prices.one("select count(*) as n from token_snapshot")["n"] == 1
    assert prices.run("tasks.upkeep.retention")["result"]["summary"] == "nothing to delete"


def test_a_range_whose_sessions_have_not_ended_costs_no_call(prices: Any) -> None:
    prices.open_market()
    run = prices.run("tasks.prices.history", symbols=["AAPL"], start_date=str(today()))
    assert run["result"]["counts"] == {"closed": 1}
    assert prices.alpha_vantage.asked == []
    assert prices.outcomes(run) == {"AAPL": "ok"}


def test_a_range_ends_before_the_session_that_still_goes_on(prices: Any, daily_answer: Daily) -> None:
    prices.open_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(series(99))
    run = prices.run("tasks.prices.history", symbols=["AAPL"], duration_days=1)
    assert run["result"]["counts"] == {"fetched": 1, "bars": 1}
    last = prices.one("select max(bar_date) as last from price_bar")["last"]
    assert last == today() - timedelta(days=1)


def test_a_backfill_of_the_watch_list_leaves_unknown_symbols_in_peace(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.sql.execute("insert into watchlist_item (symbol) values ('AAPL'), ('NOPE')")
    prices.alpha_vantage.answer = lambda asked: (
        {"Error Message": "Invalid API call."}
        if asked["symbol"] == "NOPE"
        else daily_answer(series(99))
    )
    first = prices.run("tasks.prices.backfill", duration_days=20)
    assert prices.outcomes(first) == {"AAPL": "ok", "NOPE": "not_found"}
    assert prices.run("tasks.prices.backfill", duration_days=20)["total"] == 0
    assert prices.run("tasks.prices.backfill", duration_days=20, symbols=["NOPE"])["total"] == 1


def test_a_symbol_of_a_market_whose_old_holidays_are_not_known_has_its_history_from_where_they_are(
    prices: Any, daily_answer: Daily
) -> None:
    prices.alpha_vantage.answer = lambda _: daily_answer({"1998-03-02": 4.0, "1998-03-03": 5.0})
    run = prices.run(
        "tasks.prices.history", symbols=["INFY.BSE"], start_date="1985-01-01", end_date="1998-03-31"
    )
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["counts"]["bars"] == 2
