"""A price run that dies at any call and is taken back leaves the rows of one clean run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.prices import fetching
from workers.db import driver_transaction
from workers.ledger import rescued

SYMBOLS = [f"S{n}" for n in range(7)]
ROWS = (
    "select symbol, source, price, session_date, volume, previous_close from quote order by 1",
    "select symbol, bar_date, source, open, close, volume, revised_at from price_bar order by 1, 2",
    "select symbol, outcome, source, detail from price_outcome order by 1",
)


class Death(BaseException):
    """Ends the process as far as the code under test can tell."""


def stored(prices: Any) -> list[Any]:
    return [prices.all(query) for query in ROWS]


def wipe(prices: Any) -> None:
    prices.sql.execute("truncate quote, price_bar, price_outcome")


@pytest.mark.parametrize("when", ["before the answer", "after the answer"])
@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("tasks.prices.refresh", {}),
        ("tasks.prices.history", {"duration_days": 3}),
        ("tasks.prices.backfill", {"duration_days": 3}),
    ],
)
def test_a_run_killed_at_any_call_ends_as_a_clean_one(
    prices: Any,
    daily_answer: Callable[[dict[str, float]], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    options: dict[str, Any],
    when: str,
) -> None:
    prices.closed_market()
    today = datetime.now(UTC).date()
    closes = {str(today - timedelta(days=n)): 10.0 + n for n in range(4)}
    prices.alpha_vantage.answer = lambda asked: (
        {"Error Message": "Invalid API call"} if asked["symbol"] == "S3" else daily_answer(closes)
    )
    prices.run(task, symbols=SYMBOLS, **options)
    clean = stored(prices)
    assert clean[1]
    real = fetching.fetch_bars
    for fatal in range(len(SYMBOLS)):
        wipe(prices)
        calls = iter(range(1000))

        def dies(*asked: Any, fatal: int = fatal, calls: Any = calls) -> Any:
            deadly = next(calls) == fatal
            if deadly and when == "before the answer":
                raise Death
            try:
                return real(*asked)
            finally:
                if deadly:
                    raise Death

        monkeypatch.setattr(fetching, "fetch_bars", dies)
        with pytest.raises(Death):
            prices.run(task, symbols=SYMBOLS, **options)
        monkeypatch.setattr(fetching, "fetch_bars", real)
        with driver_transaction() as connection:
            ((run_id, _, state),) = rescued.rescue(
                connection, datetime.now(UTC) + timedelta(hours=1), 10
            )
        assert state == "waiting"
        run = prices.go_on(run_id)
        assert (run["state"], run["done"]) == ("succeeded", len(SYMBOLS)), run["error"]
        assert stored(prices) == clean
