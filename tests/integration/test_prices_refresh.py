"""`tasks.prices.refresh` on a real ledger, against scripted sources on loopback."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

REFRESH = "tasks.prices.refresh"
ERRORS = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "alpha_vantage" / "errors.json").read_text()
)
RECORDED = Path(__file__).parents[1] / "fixtures" / "prices" / "daily_bars.csv"

Daily = Callable[[dict[str, float]], dict[str, Any]]


def days(count: int = 3, *, until: int = 0) -> dict[str, float]:
    """Closes of the last ``count`` days, the newest ``until`` days ago."""
    today = datetime.now(UTC).date()
    return {(today - timedelta(days=until + n)).isoformat(): 100.0 - n for n in range(count)}


def test_a_symbol_is_refreshed_with_its_quote_its_bars_and_its_outcome(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    run = prices.run(REFRESH, symbols=["aapl"])
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["summary"] == "1 refreshed, 3 new bars"
    assert run["trigger"] == "manual"
    quote = prices.one("select * from quote where symbol = 'AAPL'")
    assert (quote["price"], quote["previous_close"], quote["source"]) == (100, 99, "alpha_vantage")
    assert prices.outcomes(run) == {"AAPL": "ok"}
    assert prices.alpha_vantage.asked[0]["function"] == "TIME_SERIES_DAILY"
    assert prices.alpha_vantage.asked[0]["outputsize"] == "compact"


def test_a_symbol_whose_last_completed_session_is_stored_costs_no_call(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    prices.run(REFRESH, symbols=["AAPL"])
    again = prices.run(REFRESH, symbols=["AAPL"])
    assert (again["state"], again["total"]) == ("succeeded", 0)
    assert again["result"]["summary"] == "0 refreshed, all fresh or out of reach"
    assert len(prices.alpha_vantage.asked) == 1


def test_while_the_market_is_open_an_old_price_costs_a_call_and_a_fresh_one_does_not(
    prices: Any, daily_answer: Daily
) -> None:
    prices.open_market()
    today = datetime.now(UTC).date()
    prices.alpha_vantage.answer = lambda asked: (
        daily_answer(days(until=1))
        if asked["function"] == "TIME_SERIES_DAILY"
        else {"Global Quote": {"05. price": "101.5", "07. latest trading day": str(today)}}
    )
    prices.sql.execute("insert into watchlist_item (symbol, refresh_every) values ('AAPL', '1 hour')")
    assert prices.run(REFRESH)["done"] == 1
    assert prices.run(REFRESH)["total"] == 0
    prices.sql.execute("update quote set fetched_at = fetched_at - interval '61 minutes'")
    assert prices.run(REFRESH)["done"] == 1
    assert [asked["function"] for asked in prices.alpha_vantage.asked] == [
        "TIME_SERIES_DAILY",
        "GLOBAL_QUOTE",
    ]
    quote = prices.one("select price, session_date, previous_close from quote")
    assert quote == {"price": 101.5, "session_date": today, "previous_close": None}


def test_the_bar_of_a_session_still_going_on_is_not_stored(prices: Any, daily_answer: Daily) -> None:
    prices.open_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    run = prices.run(REFRESH, symbols=["AAPL"])
    today = datetime.now(UTC).date()
    assert prices.outcomes(run) == {"AAPL": "ok"}
    assert prices.one("select max(bar_date) as last from price_bar")["last"] == today - timedelta(
        days=1
    )
    assert prices.one("select session_date from quote")["session_date"] == today


def test_an_unknown_symbol_is_not_found_rests_and_is_no_failure(prices: Any) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: ERRORS["bad_call"]
    run = prices.run(REFRESH, symbols=["NOPE"])
    assert (run["state"], run["done"], run["failed"]) == ("succeeded", 1, 0)
    assert prices.outcomes(run) == {"NOPE": "not_found"}
    prices.run(REFRESH, symbols=["NOPE"])
    assert len(prices.alpha_vantage.asked) == 1
    prices.run(REFRESH, symbols=["NOPE"], force=True)
    assert len(prices.alpha_vantage.asked) == 2


def test_an_outage_is_never_not_found(prices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.upstreams.retry.INITIAL_PAUSE", 0.001)
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: (500, "down")
    run = prices.run(REFRESH, symbols=["AAPL"])
    assert run["state"] == "failed"
    assert "AAPL: alpha_vantage: answered 500" in run["error"]
    assert prices.outcomes(run) == {"AAPL": "error"}


def test_an_answer_without_the_last_session_is_stale(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days(until=2))
    run = prices.run(REFRESH, symbols=["AAPL"])
    assert run["result"]["counts"] == {"refreshed": 1, "bars": 3, "stale": 1, "matches": 0}
    assert prices.outcomes(run) == {"AAPL": "stale"}


def test_one_bad_symbol_spoils_no_other(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda asked: (
        "<html>" if asked["symbol"] == "BAD" else daily_answer(days())
    )
    run = prices.run(REFRESH, symbols=["AAPL", "BAD", "MSFT", "BRK.B", "IBM", "FB", "NVDA"])
    assert (run["state"], run["done"], run["failed"]) == ("partial", 6, 1)
    assert prices.outcomes(run)["BAD"] == "error"


def test_when_the_quota_of_the_day_is_spent_the_rest_is_deferred_and_goes_first_next_time(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    prices.sql.execute("insert into quota (upstream, per, calls) values ('alpha_vantage', '1 day', 3)")
    run = prices.run(REFRESH, symbols=[f"S{n}" for n in range(8)])
    assert (run["state"], run["done"], run["deferred"]) == ("partial", 3, 5)
    assert "5 deferred" in run["reason"]
    assert sorted(prices.outcomes(run).values()) == ["deferred"] * 5 + ["ok"] * 3


def test_the_upstreams_own_word_that_the_day_is_spent_defers_the_rest_as_rate_limited(
    prices: Any,
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: ERRORS["daily"]
    run = prices.run(REFRESH, symbols=["AAPL", "MSFT"])
    assert run["state"] == "partial"
    assert prices.outcomes(run) == {"AAPL": "rate_limited", "MSFT": "rate_limited"}
    assert len(prices.alpha_vantage.asked) == 1


def test_the_key_is_in_no_row(prices: Any) -> None:
    prices.closed_market()
    key = prices_key()
    echo = ERRORS["daily"]["Information"].replace("XXXXXXXXXXXXXXXX", key)
    for body in ({"Information": echo}, {"Information": f"what is {key}?"}, f"<b>{key}</b>"):
        prices.alpha_vantage.answer = lambda _, body=body: body
        prices.sql.execute("update upstream_state set blocked_until = null, failures = 0")
        prices.run(REFRESH, symbols=["AAPL"])
    for table in ("run", "batch", "permit", "upstream_state", "price_outcome"):
        rows = prices.all(f"select t::text as row from {table} t")
        assert not [row for row in rows if key in row["row"]], table


def prices_key() -> str:
    from workers.settings import settings

    return settings().require("alpha_vantage_api_key", "")


def test_a_missing_key_ends_the_run_with_the_variables_name(
    prices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.settings import settings

    monkeypatch.delenv("WATCHKEEPER_ALPHA_VANTAGE_API_KEY")
    settings.cache_clear()
    run = prices.run(REFRESH, symbols=["AAPL"])
    assert run["state"] == "failed"
    assert run["error"].startswith("WATCHKEEPER_ALPHA_VANTAGE_API_KEY is not set")


def test_a_refused_key_ends_the_run_with_the_variables_name(prices: Any) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: ERRORS["bad_key"]
    run = prices.run(REFRESH, symbols=["AAPL"])
    assert run["state"] == "failed"
    assert run["error"].startswith("WATCHKEEPER_ALPHA_VANTAGE_API_KEY does not work")


def test_an_unknown_option_leaves_a_failed_run_that_names_it(prices: Any) -> None:
    run = prices.run(REFRESH, symbol=["AAPL"])
    assert run["state"] == "failed"
    assert 'there is no option "symbol"' in run["error"]


def test_the_next_source_answers_when_the_first_has_an_outage(
    prices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.upstreams.retry.INITIAL_PAUSE", 0.001)
    prices.closed_market()
    today = datetime.now(UTC).date()
    prices.alpha_vantage.answer = lambda _: (500, "down")
    prices.stooq.answer = lambda _: f"Date,Open,High,Low,Close,Volume\r\n{today},1,2,1,2,3\r\n"
    run = prices.run(REFRESH, symbols=["BRK.B"], fallback=["stooq"])
    assert run["state"] == "succeeded", run["error"]
    assert prices.one("select source, price from quote") == {"source": "stooq", "price": 2}
    assert prices.stooq.asked[0]["s"] == "brk-b.us"


def test_the_next_source_answers_when_the_firsts_quota_is_spent(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    today = datetime.now(UTC).date()
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    prices.stooq.answer = lambda asked: (
        "No data"
        if asked["s"] == "c.us"
        else f"Date,Open,High,Low,Close,Volume\r\n{today},1,2,1,2,3\r\n"
    )
    prices.sql.execute("insert into quota (upstream, per, calls) values ('alpha_vantage', '1 day', 1)")
    run = prices.run(REFRESH, symbols=["A", "B", "C"], fallback=["stooq"])
    assert (run["state"], run["done"], run["deferred"]) == ("partial", 2, 1)
    assert prices.outcomes(run) == {"A": "ok", "B": "ok", "C": "deferred"}


def test_replay_works_without_a_key_and_without_a_network(
    prices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.settings import settings

    monkeypatch.delenv("WATCHKEEPER_ALPHA_VANTAGE_API_KEY")
    monkeypatch.setenv("WATCHKEEPER_REPLAY_CSV", str(RECORDED))
    settings.cache_clear()
    run = prices.run(REFRESH, symbols=["IBM", "NOPE"], source="replay")
    assert run["state"] == "succeeded", run["error"]
    assert prices.one("select price, session_date from quote where symbol = 'IBM'") == {
        "price": prices.one("select 200.83::numeric(20,6) as p")["p"],
        "session_date": date(2013, 2, 28),
    }
    assert prices.outcomes(run)["NOPE"] == "not_found"
    before = prices.all("select * from price_bar order by 1, 2")
    prices.run(REFRESH, symbols=["IBM"], source="replay", force=True)
    assert prices.all("select * from price_bar order by 1, 2") == before


def test_a_damaged_recording_is_said_in_a_sentence(
    prices: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from workers.settings import settings

    packed = bytearray(gzip.compress(RECORDED.read_bytes()))
    packed[20:40] = bytes(20)
    damaged = tmp_path / "bars.csv.gz"
    damaged.write_bytes(packed)
    monkeypatch.setenv("WATCHKEEPER_REPLAY_CSV", str(damaged))
    settings.cache_clear()
    run = prices.run(REFRESH, symbols=["IBM"], source="replay")
    assert run["state"] == "failed"
    assert run["error"].startswith("WATCHKEEPER_REPLAY_CSV does not work: bars.csv.gz cannot be read")


def test_a_revision_overwrites_and_is_dated(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    first = days()
    prices.alpha_vantage.answer = lambda _: daily_answer(first)
    prices.run(REFRESH, symbols=["AAPL"])
    revised = {**first, min(first): 12.5}
    prices.alpha_vantage.answer = lambda _: daily_answer(revised)
    run = prices.run(REFRESH, symbols=["AAPL"], force=True)
    assert run["result"]["counts"]["bars"] == 1
    rows = prices.all(
        "select close, revised_at is not null as revised from price_bar order by bar_date"
    )
    assert [row["revised"] for row in rows] == [True, False, False]
    assert rows[0]["close"] == 12.5


def test_an_older_price_does_not_replace_a_newer_one(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    prices.run(REFRESH, symbols=["AAPL"])
    prices.alpha_vantage.answer = lambda _: daily_answer(dict.fromkeys(days(until=1), 5.0))
    prices.run(REFRESH, symbols=["AAPL"], force=True)
    assert prices.one("select price from quote")["price"] == 100


def test_a_session_that_has_not_come_gives_no_price(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    known = days()
    prices.alpha_vantage.answer = lambda _: daily_answer({"2150-01-02": 7.0} | known)
    run = prices.run(REFRESH, symbols=["AAPL"])
    assert prices.outcomes(run) == {"AAPL": "ok"}
    quote = prices.one("select price, previous_close, session_date from quote")
    assert (quote["price"], quote["previous_close"]) == (100, 99)
    assert quote["session_date"] == date.fromisoformat(max(known))

    prices.alpha_vantage.answer = lambda _: daily_answer({"2150-01-02": 7.0})
    run = prices.run(REFRESH, symbols=["MSFT"])
    assert (run["state"], prices.outcomes(run)) == ("failed", {"MSFT": "error"})
    assert "days to come" in run["error"]


def test_a_price_of_a_day_to_come_is_refused(prices: Any, daily_answer: Daily) -> None:
    prices.open_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days(until=1))
    prices.run(REFRESH, symbols=["AAPL"])
    names = {"01. symbol": "AAPL", "05. price": "9", "07. latest trading day": "2150-01-02"}
    prices.alpha_vantage.answer = lambda _: {"Global Quote": names}
    run = prices.run(REFRESH, symbols=["AAPL"])
    assert run["state"] == "failed"
    assert run["error"].endswith("its price of AAPL is of 2150-01-02, a day to come")
    assert prices.one("select price from quote")["price"] == 100


def test_forced_runs_of_few_symbols_come_to_each_of_them(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    prices.sql.execute(
        "insert into watchlist_item (symbol, priority) values ('A', 1), ('B', 1), ('C', 2), ('D', 3), ('E', 4)"
    )
    for _ in range(4):
        prices.run(REFRESH, force=True, max_symbols=2)

    asked = [one["symbol"] for one in prices.alpha_vantage.asked]
    assert asked == ["A", "B", "C", "D", "E", "A", "B", "C"]


def test_active_symbols_are_the_watch_list_the_traded_and_the_schedules_own(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    prices.sql.execute(
        "insert into watchlist_item (symbol, priority, active)"
        " values ('LATER', 150, true), ('FIRST', 10, true), ('GONE', 1, false)"
    )
    prices.sql.execute("insert into transaction (symbol, quantity, price) values ('TSCO.LON', -2, 4.7)")
    prices.sql.execute(
        "insert into transaction (symbol, quantity, price, traded_at)"
        " values ('OLD', 1, 1, clock_timestamp() - interval '31 days'),"
        " ('FIRST', 1, 1, clock_timestamp())"
    )
    prices.run(REFRESH, extra_symbols=["OWN"])
    assert [asked["symbol"] for asked in prices.alpha_vantage.asked] == [
        "FIRST",
        "OWN",
        "LATER",
        "TSCO.LON",
    ]


def test_a_price_asked_for_while_the_market_was_open_is_not_stale_when_it_closed_meanwhile(
    prices: Any, daily_answer: Daily
) -> None:
    prices.open_market()
    today = datetime.now(UTC).date()

    def closes_meanwhile(asked: dict[str, str]) -> dict[str, Any]:
        if asked["function"] == "TIME_SERIES_DAILY":
            return daily_answer(days(until=1))
        prices.closed_market()
        return {"Global Quote": {"05. price": "101.5", "07. latest trading day": str(today)}}

    prices.alpha_vantage.answer = closes_meanwhile
    prices.run(REFRESH, symbols=["AAPL"])
    run = prices.run(REFRESH, symbols=["AAPL"])
    assert [asked["function"] for asked in prices.alpha_vantage.asked][-1] == "GLOBAL_QUOTE"
    assert prices.outcomes(run) == {"AAPL": "ok"}


def test_an_hour_after_it_was_stale_a_symbol_is_asked_for_again(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days(until=2))
    prices.run(REFRESH, symbols=["AAPL"])
    assert prices.run(REFRESH, symbols=["AAPL"])["total"] == 0
    prices.sql.execute("update price_outcome set at = at - interval '61 minutes'")
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    assert prices.outcomes(prices.run(REFRESH, symbols=["AAPL"])) == {"AAPL": "ok"}


def test_a_symbol_that_stays_unknown_is_asked_for_more_and_more_seldom(prices: Any) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: ERRORS["bad_call"]
    for rest in ("6 hours", "1 day", "7 days", "7 days"):
        prices.run(REFRESH, symbols=["DEAD"])
        calls = len(prices.alpha_vantage.asked)
        prices.sql.execute(f"update price_outcome set at = at - interval '{rest} - 1 minute'")
        assert prices.run(REFRESH, symbols=["DEAD"])["total"] == 0
        assert len(prices.alpha_vantage.asked) == calls
        prices.sql.execute("update price_outcome set at = at - interval '2 minutes'")
    assert len(prices.alpha_vantage.asked) == 4


def test_an_interval_that_a_person_chose_holds_for_a_traded_symbol_too(
    prices: Any, daily_answer: Daily
) -> None:
    prices.open_market()
    today = datetime.now(UTC).date()
    prices.alpha_vantage.answer = lambda asked: (
        daily_answer(days(until=1))
        if asked["function"] == "TIME_SERIES_DAILY"
        else {"Global Quote": {"05. price": "101.5", "07. latest trading day": str(today)}}
    )
    prices.sql.execute("insert into watchlist_item (symbol, refresh_every) values ('AAPL', '7 days')")
    prices.sql.execute("insert into transaction (symbol, quantity, price) values ('AAPL', 1, 1)")
    prices.run(REFRESH, extra_symbols=["AAPL"])
    prices.sql.execute("update quote set fetched_at = fetched_at - interval '2 days'")
    assert prices.run(REFRESH, extra_symbols=["AAPL"])["total"] == 0
    prices.sql.execute("update quote set fetched_at = fetched_at - interval '6 days'")
    assert prices.run(REFRESH, extra_symbols=["AAPL"])["total"] == 1


def test_a_symbol_that_another_run_refreshed_meanwhile_has_an_outcome_and_costs_no_call(
    prices: Any, daily_answer: Daily, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices.closed_market()
    inner: list[Any] = []

    def answer(asked: dict[str, str]) -> dict[str, Any]:
        if asked["symbol"] == "AAPL" and not inner:
            inner.append(prices.run(REFRESH, symbols=["MSFT"]))
        return daily_answer(days())

    prices.alpha_vantage.answer = answer
    prices.sql.execute("update upstream set concurrency = 9 where name = 'alpha_vantage'")
    run = prices.run(REFRESH, symbols=["AAPL", "MSFT"])
    assert run["result"]["counts"]["fresh"] == 1
    assert prices.outcomes(run) == {"AAPL": "ok", "MSFT": "ok"}
    assert len(prices.alpha_vantage.asked) == 2


def test_a_symbol_of_an_unknown_market_is_refreshed_once_a_day(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(days())
    run = prices.run(REFRESH, symbols=["ABC.XYZ"])
    assert prices.outcomes(run) == {"ABC.XYZ": "ok"}
    today = datetime.now(UTC).date()
    assert prices.one("select max(bar_date) as last from price_bar")["last"] < today
    assert prices.run(REFRESH, symbols=["ABC.XYZ"])["total"] == 0
    prices.sql.execute("update quote set fetched_at = fetched_at - interval '25 hours'")
    assert prices.run(REFRESH, symbols=["ABC.XYZ"])["total"] == 1
