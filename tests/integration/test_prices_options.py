"""The database refuses wrong options of price schedules, in words, whoever inserts them."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

REFRESH, HISTORY = "tasks.prices.refresh", "tasks.prices.history"
RETENTION = "tasks.upkeep.retention"


def insert(connection: Any, name: str, task: str, options: dict[str, Any]) -> None:
    connection.execute(
        "insert into schedule (name, task, every, options) values (%s, %s, '1 day', %s)",
        (name, task, json.dumps(options)),
    )


def test_wrong_options_are_refused_and_right_ones_are_not(connection: Any) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (REFRESH, {"symbol": ["AAPL"]}, 'no option "symbol"'),
        (REFRESH, {"source": "yahoo"}, 'option "source"'),
        (REFRESH, {"fallback": ["yahoo"]}, 'option "fallback"'),
        (REFRESH, {"active_stock_days": 0}, 'option "active_stock_days"'),
        (REFRESH, {"symbols": "AAPL"}, 'option "symbols"'),
        (REFRESH, {"symbols": ["A PL"]}, 'option "symbols"'),
        (REFRESH, {"extra_symbols": ["AAPL", "ß"]}, 'option "extra_symbols"'),
        (HISTORY, {"symbols": ["A.B.C"]}, 'option "symbols"'),
        (REFRESH, {"force": "yes"}, 'option "force"'),
        (HISTORY, {}, 'needs option "symbols"'),
        (HISTORY, {"symbols": []}, 'option "symbols"'),
        (HISTORY, {"symbols": ["AAPL"], "duration_days": 0}, 'option "duration_days"'),
        (HISTORY, {"symbols": ["AAPL"], "start_date": "soon"}, 'option "start_date"'),
        (RETENTION, {"permit_days": 31}, 'option "permit_days"'),
    ]
    for task, options, words in wrong:
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            insert(connection, "wrong", task, options)
        assert words in str(caught.value), options
    right: list[tuple[str, dict[str, Any]]] = [
        (REFRESH, {"symbols": ["AAPL", "BRK.B"], "source": "replay", "fallback": ["stooq"]}),
        (REFRESH, {"extra_symbols": ["TSCO.LON"], "max_symbols": 5}),
        (REFRESH, {"symbols": ["aapl", " brk-b "]}),
        (HISTORY, {"symbols": ["META", "AAPL", "AMZN", "NFLX", "GOOGL"], "duration_days": 30}),
        (HISTORY, {"symbols": ["AAPL"], "start_date": "2025-01-01", "end_date": "2025-02-01"}),
        ("tasks.prices.backfill", {"duration_days": 90}),
        (RETENTION, {}),
    ]
    for number, (task, options) in enumerate(right):
        insert(connection, f"right-{number}", task, options)


def test_a_transaction_and_a_followed_symbol_are_checked_by_the_database(connection: Any) -> None:
    connection.execute("insert into transaction (symbol, quantity, price) values ('AAPL', 10, 231.50)")
    for statement in (
        "insert into transaction (symbol, quantity, price) values ('aapl', 10, 231.50)",
        "insert into transaction (symbol, quantity, price) values ('AAPL', 0, 231.50)",
        "insert into transaction (symbol, quantity, price) values ('AAPL', 1, 0)",
        "insert into transaction (symbol, quantity, price) values ('AAPL', 1, 'NaN')",
        "insert into transaction (symbol, quantity, price) values ('AAPL', 'NaN', 1)",
        "insert into transaction (symbol, quantity, price) values ('AAPL', '-Infinity', 1)",
        "insert into quote (symbol, source, price, session_date) values ('A', 's', 'NaN', '2026-01-30')",
        "insert into price_bar (symbol, source, bar_date, close) values ('A', 's', '2026-01-30', 'NaN')",
        "insert into price_bar (symbol, source, bar_date, close, low) values ('A', 's', '2026-01-30', 1, 'NaN')",
        "insert into watchlist_item (symbol, refresh_every) values ('ZZ', '0')",
        "insert into watchlist_item (symbol, refresh_every) values ('ZZ', '32 days')",
        "insert into watchlist_item (symbol, refresh_every) values ('ZZ', '3000000 years')",
        "insert into watchlist_item (symbol) values ('A PL')",
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(statement)
