"""Several sources on a real ledger: who is asked, who is paid, and what a failure of one means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.prices.sources import alpha_vantage

REFRESH, HISTORY = "tasks.prices.refresh", "tasks.prices.history"
Daily = Callable[[dict[str, float]], dict[str, Any]]
PREMIUM = {
    "Information": "The outputsize=full parameter value is a premium feature for the"
    " TIME_SERIES_DAILY endpoint."
}
UNKNOWN = {"Error Message": "Invalid API call. Please retry or visit the documentation."}
CHALLENGE = "<html><title>Just a moment...</title></html>"
EIGHT = [f"S{n}" for n in range(8)]


def today() -> date:
    return datetime.now(UTC).date()


def closes(count: int) -> dict[str, float]:
    return {str(today() - timedelta(days=n)): 10.0 + n for n in range(count)}


def table(count: int = 3) -> str:
    """Stooq's bars of the last ``count`` days."""
    rows = (f"{day},1,9999,1,{close},1" for day, close in closes(count).items())
    return "\r\n".join(["Date,Open,High,Low,Close,Volume", *rows, ""])


def one_a_minute(prices: Any, upstream: str) -> None:
    """A quota of ``upstream`` that a call a moment ago has used up."""
    prices.sql.execute(
        "insert into quota (upstream, per, calls) values (%s, '1 minute', 1)", (upstream,)
    )
    prices.sql.execute(
        "insert into permit (upstream, granted_at, stamp, settled)"
        " values (%s, clock_timestamp(), clock_timestamp(), true)",
        (upstream,),
    )


def a_while_later(prices: Any, run: dict[str, Any]) -> dict[str, Any]:
    """Blocks and quotas are over, beat has released the batches; the run goes on."""
    prices.sql.execute("delete from quota")
    prices.sql.execute("update upstream_state set blocked_until = null, failures = 0, spare = null")
    prices.sql.execute("update batch set waiting_for = null, not_before = null where state = 'waiting'")
    return prices.go_on(run["id"])  # type: ignore[no-any-return]


def asked(upstream: Any, name: str = "symbol") -> list[str]:
    return [call[name] for call in upstream.asked]


@pytest.mark.parametrize(
    "broken", [(500, "down"), (403, "no"), (200, CHALLENGE)], ids=["outage", "forbidden", "challenge"]
)
def test_the_next_source_serves_every_symbol_while_the_first_is_blocked(
    prices: Any, monkeypatch: pytest.MonkeyPatch, broken: tuple[int, str]
) -> None:
    monkeypatch.setattr("workers.upstreams.retry.INITIAL_PAUSE", 0.001)
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: broken
    prices.stooq.answer = lambda _: table()
    run = prices.run(REFRESH, symbols=EIGHT, fallback=["stooq"])
    assert (run["state"], run["done"]) == ("succeeded", 8), run["error"]
    assert prices.outcomes(run) == dict.fromkeys(EIGHT, "ok")
    assert {row["source"] for row in prices.all("select source from quote")} == {"stooq"}


def test_a_symbol_that_only_a_closed_source_may_know_waits_for_it_alone(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: (403, "no")
    prices.stooq.answer = lambda asked: "No data" if asked["s"] == "s1.us" else table()
    prices.sql.execute(
        "update upstream_state set blocked_until = clock_timestamp() + interval '5 minutes',"
        " blocked_reason = 'answered 403', failures = 1 where upstream = 'alpha_vantage'"
    )
    run = prices.run(REFRESH, symbols=EIGHT, fallback=["stooq"])
    assert run["state"] == "running"
    assert prices.one("select count(*) as n from quote")["n"] == 7
    prices.alpha_vantage.answer = lambda _: daily_answer(closes(3))
    run = a_while_later(prices, run)
    assert (run["state"], run["done"]) == ("succeeded", 8), run["error"]
    assert asked(prices.alpha_vantage) == ["S1"]
    assert asked(prices.stooq, "s").count("s1.us") == 1


def test_a_block_of_all_sources_ends_their_items_and_no_other(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: (403, "no")
    prices.stooq.answer = lambda asked: "?" if asked["s"] == "s0.us" else table()
    run = prices.run(REFRESH, symbols=["S0", "S1", "S2"], fallback=["stooq"])
    assert (run["state"], run["done"], run["failed"]) == ("partial", 2, 1)
    assert prices.outcomes(run) == {"S0": "error", "S1": "ok", "S2": "ok"}


def test_what_one_source_said_is_not_paid_for_again_after_a_wait_for_the_next(prices: Any) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: "<html>broken"
    prices.stooq.answer = lambda _: table()
    one_a_minute(prices, "stooq")
    run = prices.run(REFRESH, symbols=["AAPL"], fallback=["stooq"])
    assert run["state"] == "running"
    assert prices.one("select waiting_for from batch")["waiting_for"] == "stooq"
    run = a_while_later(prices, run)
    assert (run["state"], run["done"]) == ("succeeded", 1), run["error"]
    assert asked(prices.alpha_vantage) == ["AAPL"]


@pytest.mark.outside(24)
def test_a_page_that_asks_for_proof_blocks_the_source_instead_of_failing_symbol_by_symbol(
    prices: Any,
) -> None:
    prices.closed_market()
    prices.stooq.answer = lambda _: "<!doctype html><title>Checking</title><script>work()</script>"
    prices.run(REFRESH, symbols=EIGHT, source="stooq")
    assert len(prices.stooq.asked) == 1
    shut = prices.one("select * from upstream_state where upstream = 'stooq'")
    assert shut["blocked_until"] is not None
    assert 'shows a page instead of a table: "Checking"' in str(shut)


@pytest.mark.outside(24)
def test_no_data_of_a_few_days_is_no_unknown_symbol_and_of_many_it_is(prices: Any) -> None:
    prices.closed_market()
    prices.stooq.answer = lambda _: "No data"
    run = prices.run(HISTORY, symbols=["AAPL"], duration_days=5, source="stooq")
    assert prices.outcomes(run) == {"AAPL": "error"}
    assert "it has no bars for AAPL" in str(prices.all("select items from batch"))
    run = prices.run(HISTORY, symbols=["NOPE"], duration_days=60, source="stooq")
    assert prices.outcomes(run) == {"NOPE": "not_found"}


@pytest.mark.outside(22)
def test_an_answer_about_another_symbol_is_an_error_of_the_item_and_stored_nowhere(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    answer = daily_answer(closes(3)) | {"Meta Data": {"2. Symbol": "MSFT"}}
    prices.alpha_vantage.answer = lambda _: answer
    run = prices.run(REFRESH, symbols=["AAPL"])
    assert (run["state"], prices.outcomes(run)) == ("failed", {"AAPL": "error"})
    assert prices.all("select * from price_bar") == prices.all("select * from quote") == []


def test_a_not_found_that_was_kept_still_decides_after_the_wait(prices: Any) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: UNKNOWN
    prices.stooq.answer = lambda _: "No data"
    one_a_minute(prices, "stooq")
    run = a_while_later(prices, prices.run(REFRESH, symbols=["NOPE"], fallback=["stooq"]))
    assert prices.outcomes(run) == {"NOPE": "not_found"}
    assert asked(prices.alpha_vantage) == ["NOPE"]


def test_a_refused_full_answer_is_not_paid_for_again_after_a_wait(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda asked: (
        PREMIUM if asked["outputsize"] == "full" else daily_answer(closes(100))
    )
    prices.sql.execute(
        "insert into quota (upstream, per, calls) values ('alpha_vantage', '1 minute', 1)"
    )
    run = prices.run(HISTORY, symbols=["AAPL"], duration_days=200)
    assert asked(prices.alpha_vantage, "outputsize") == ["full"]
    # Another process goes on with it, one that does not know this key.
    alpha_vantage.free_keys.clear()
    run = a_while_later(prices, run)
    assert run["result"]["counts"] == {"fetched": 1, "bars": 100, "incomplete": 1}
    assert asked(prices.alpha_vantage, "outputsize") == ["full", "compact"]


def test_a_free_keys_symbols_cost_one_call_each_but_the_first(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda asked: (
        PREMIUM if asked["outputsize"] == "full" else daily_answer(closes(100))
    )
    run = prices.run(HISTORY, symbols=["A", "B", "C"], duration_days=200)
    assert run["result"]["counts"]["incomplete"] == 3
    assert asked(prices.alpha_vantage, "outputsize") == ["full", *["compact"] * 3]


def test_a_part_of_a_range_is_stored_before_the_wait_for_the_source_that_has_more(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(closes(30))
    prices.stooq.answer = lambda _: table(91)
    one_a_minute(prices, "stooq")
    run = prices.run(HISTORY, symbols=["AAPL"], duration_days=80, fallback=["stooq"])
    assert run["state"] == "running"
    assert prices.one("select count(*) as n from price_bar")["n"] == 30
    run = a_while_later(prices, run)
    assert run["result"]["counts"] == {"fetched": 1, "bars": 30 + 81}
    assert asked(prices.alpha_vantage) == ["AAPL"]


def test_when_the_next_source_has_no_more_the_part_that_was_stored_is_the_answer(
    prices: Any, daily_answer: Daily
) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: daily_answer(closes(30))
    prices.stooq.answer = lambda _: "No data"
    one_a_minute(prices, "stooq")
    run = prices.run(HISTORY, symbols=["AAPL"], duration_days=80, fallback=["stooq"])
    run = a_while_later(prices, run)
    assert run["result"]["counts"] == {"fetched": 1, "bars": 30, "incomplete": 1}
    assert prices.one("select source, outcome from price_outcome") == {
        "source": "alpha_vantage",
        "outcome": "ok",
    }


def test_an_empty_table_sends_the_question_to_the_next_source(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: {"Time Series (Daily)": {}}
    prices.stooq.answer = lambda _: table(20)
    run = prices.run(REFRESH, symbols=["AAPL"], fallback=["stooq"])
    assert prices.outcomes(run) == {"AAPL": "ok"}
    run = prices.run(HISTORY, symbols=["AAPL"], duration_days=10, fallback=["stooq"])
    assert run["result"]["counts"]["fetched"] == 1
    assert prices.outcomes(prices.run(REFRESH, symbols=["MSFT"])) == {"MSFT": "not_found"}


def test_a_source_that_stops_early_does_not_cover_a_range(prices: Any, daily_answer: Daily) -> None:
    prices.closed_market()
    old = {day: close for day, close in closes(99).items() if close > 40}
    prices.alpha_vantage.answer = lambda _: daily_answer(old)
    prices.stooq.answer = lambda _: table(60)
    run = prices.run(HISTORY, symbols=["AAPL"], duration_days=50, fallback=["stooq"])
    assert run["result"]["counts"] == {"fetched": 1, "bars": 51}


def test_a_source_without_such_symbols_hides_no_outage(
    prices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.upstreams.retry.INITIAL_PAUSE", 0.001)
    prices.closed_market()
    prices.closed_market(mic="XTSE")
    prices.alpha_vantage.answer = lambda _: (500, "down")
    run = prices.run(REFRESH, symbols=["SHOP.TRT"], source="stooq", fallback=["alpha_vantage"])
    assert prices.outcomes(run) == {"SHOP.TRT": "error"}
    assert prices.stooq.asked == []


def test_a_file_that_lacks_a_symbol_hides_no_outage(
    prices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.settings import settings

    recorded = Path(__file__).parents[1] / "fixtures" / "prices" / "daily_bars.csv"
    monkeypatch.setenv("WATCHKEEPER_REPLAY_CSV", str(recorded))
    monkeypatch.setattr("workers.upstreams.retry.INITIAL_PAUSE", 0.001)
    settings.cache_clear()
    prices.closed_market()
    prices.stooq.answer = lambda _: (500, "down")
    run = prices.run(REFRESH, symbols=["NOPE"], source="replay", fallback=["stooq"])
    assert prices.outcomes(run) == {"NOPE": "error"}
    prices.sql.execute("update upstream_state set blocked_until = null, failures = 0")
    prices.stooq.answer = lambda _: table()
    run = prices.run(REFRESH, symbols=["NOPE"], source="replay", fallback=["stooq"])
    assert prices.outcomes(run) == {"NOPE": "ok"}


@pytest.mark.parametrize("words", [(403, "no"), {"Error Message": "apikey is invalid or missing"}])
def test_every_symbol_of_a_run_that_ended_early_has_an_outcome(prices: Any, words: Any) -> None:
    prices.closed_market()
    prices.alpha_vantage.answer = lambda _: words
    run = prices.run(REFRESH, symbols=["A", "B", "C"])
    assert run["state"] == "failed"
    assert prices.outcomes(run) == dict.fromkeys("ABC", "error")
    details = {row["detail"] for row in prices.all("select detail from recent_price_outcomes")}
    assert len(details) == 1
    assert details == {run["error"]}
